"""Resampling: recorded outputs, and pixels and files that MATLAB wrote."""

import hashlib
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torch import Tensor

from resizekit.ops.resample import Border, resample, resample_codes, resample_uint8

GOLDEN = Path(__file__).parents[1] / "golden" / "imresize_bicubic_x2.png"
"""What `by_definition_uint8` in test_resample.py gives for `golden_input()` at half the size.

It did not come from MATLAB, but the same rule reproduces all 28 files of Set14 that MATLAB wrote, bit for bit
(`test_uint8_equals_the_files_that_matlab_wrote`)."""


def golden_input() -> npt.NDArray[np.uint8]:
    i, j, c = np.mgrid[0:24, 0:20, 0:3]
    grey = (i * 37 + j * 91 + c * 53 + i * j * 7) % 256
    edges = 255 * ((i // 5 + j // 7) % 2)  # in blue: bicubic overshoots here
    return np.asarray(np.where(c == 2, edges, grey), np.uint8)


def golden_tensor() -> Tensor:
    return torch.from_numpy(golden_input()).permute(2, 0, 1)[None]


def test_uint8_equals_the_golden_image() -> None:
    with Image.open(GOLDEN) as image:
        want = np.asarray(image)
    got = resample_uint8(golden_tensor(), (12, 10))
    np.testing.assert_array_equal(got[0].permute(1, 2, 0).numpy(), want)


def digest(x: Tensor) -> str:
    return hashlib.sha256(x.contiguous().numpy().tobytes()).hexdigest()[:16]


DIGESTS = {
    (torch.uint8, (12, 10), "replicate"): "01276ffb8b3511c2",
    (torch.uint8, (6, 5), "symmetric"): "105884fd7d2a4e58",
    (torch.uint8, (8, 4), "replicate"): "05c3e72fcc4c9a7e",
    (torch.uint8, (48, 40), "symmetric"): "8e51f366f138815f",
    (torch.uint8, (41, 10), "replicate"): "91e54c39652c1e9b",
    (torch.uint16, (12, 10), "replicate"): "be43fdcfc41cd8cb",
    (torch.uint16, (6, 5), "symmetric"): "2144e49e03c38224",
    (torch.uint16, (8, 4), "replicate"): "491e9e6df6ea2ca6",
    (torch.uint16, (48, 40), "symmetric"): "e4f4517bf751456d",
    (torch.uint16, (41, 10), "replicate"): "2c1090bf2fde75cb",
    (torch.float32, (12, 10), "replicate"): "607d92fa0279d6f2",
    (torch.float32, (6, 5), "symmetric"): "9bf060f0124e5229",
    (torch.float32, (8, 4), "replicate"): "523488abb5b8ca4d",
    (torch.float32, (48, 40), "symmetric"): "e9c982a95d96e584",
    (torch.float32, (41, 10), "replicate"): "eb398c884dced0e5",
}
"""Type, size and border -> the first 16 digits of the SHA-256 of what resizekit returned for `golden_input()`.

The uint8 outputs are equal to those of `by_definition_uint8` in test_resample.py: at these sizes no exact result lies
halfway between two integers, where the last bit of float64 decides.  float32 values are input / 256.
"""


@pytest.mark.parametrize(("dtype", "size", "border"), DIGESTS)
def test_output_has_the_recorded_digest(dtype: torch.dtype, size: tuple[int, int], border: Border) -> None:
    x = golden_tensor()
    if dtype == torch.float32:
        got = resample(x / 256, size, border=border)
    else:
        got = resample_codes((x.int() * (257 if dtype == torch.uint16 else 1)).to(dtype), size, border=border)
    assert got.dtype == dtype
    assert digest(got) == DIGESTS[dtype, size, border]


MATLAB_INPUT = (
    "5f6263696c6f74797a79787a7e7c7c7e",
    "7477787a7c7c7c7b7d7f7d7e7e7f8080",
    "7979787d7c7e7d7d7e7e7e7f7e7c8082",
    "7678797c7e7e7c847e7c7e807f7e8080",
    "7b7b7b7a7e7e807e7e7e7b7f807f827f",
    "7c7c777c7b7c7c7c7e807d8080828282",
    "787a7b7c7c7b7c7e7e81828180827f80",
    "787b797b7b7c7e7e80807f828284807e",
    "777c7d7b7c7d7d7e7e7f808280828380",
    "777879797d7e7f7e7e7f7f8382828282",
    "75787b797f7e807f7f7f7e82827f8082",
    "787b7e7e827e7b7f7e7f808082808080",
    "787b7e7e7d807d7d807e808080808083",
    "787e7b7e7c7d7f7e8280828282828084",
    "787e7e7e7c7c7c7e8080838282828384",
    "797b7b807e7c7c7f8280807f82838382",
)
"""The red values of the upper left 16 x 16 pixels of monarch.png (Set14), a row a line."""
MATLAB_OUTPUT = "6b7075797c7c797c7e7f7e7e7b7a7d7e7e7f797b7b7d7f81797b7c7e7e81787c7f7e7f80"
"""The upper left 6 x 6 pixels of what MATLAB made of it at half the size: they depend on the pixels above only."""


def test_uint8_equals_pixels_that_matlab_wrote() -> None:
    """Here 10 pixels of 36 need the rounding after each pass, 6 the replicated border and 1 rounding half up."""
    x = torch.tensor([list(bytes.fromhex(row)) for row in MATLAB_INPUT], dtype=torch.uint8)[None, None]
    got = resample_uint8(x, (8, 8))[0, 0, :6, :6]
    assert got.tolist() == torch.tensor(list(bytes.fromhex(MATLAB_OUTPUT))).reshape(6, 6).tolist()


@pytest.mark.parametrize("factor", [2, 4])
def test_uint8_equals_the_files_that_matlab_wrote(factor: int) -> None:
    """MATLAB made RESIZEKIT_MATLAB_DATA/Set14/x2/NAME.png from RESIZEKIT_EVAL_DATA/Set14/NAME.png."""
    written, originals = (os.environ.get(f"RESIZEKIT_{name}_DATA") for name in ("MATLAB", "EVAL"))
    if not written or not originals:
        pytest.skip("set RESIZEKIT_MATLAB_DATA and RESIZEKIT_EVAL_DATA to compare with MATLAB")
    files = sorted((Path(written) / "Set14" / f"x{factor}").glob("*.png"))
    assert files
    for file in files:
        with Image.open(file) as small, Image.open(Path(originals) / "Set14" / file.name) as large:
            want, x = np.atleast_3d(np.asarray(small)), np.atleast_3d(np.asarray(large))
        size = (x.shape[0] // factor, x.shape[1] // factor)
        crop = torch.from_numpy(x[: size[0] * factor, : size[1] * factor].copy()).permute(2, 0, 1)
        got = resample_uint8(crop[None], size)[0].permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(got, want, err_msg=file.name)
