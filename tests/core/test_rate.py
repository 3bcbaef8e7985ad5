"""The estimated size of a lossless file: known values, its gradient, and its agreement with real files."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from resizekit.errors import ResizeShapeError
from resizekit.ops import lossless_bits

ASTRONAUT = Path(__file__).parents[2] / "examples" / "astronaut.png"


def test_bits_of_known_images():
    rows, columns = torch.meshgrid(torch.arange(5), torch.arange(6), indexing="ij")
    plane = (3 * rows + 2 * columns).float()[None, None] / 255
    assert lossless_bits(torch.full((2, 3, 4, 4), 0.3)).tolist() == [0, 0]
    assert lossless_bits(plane).item() == pytest.approx(np.log2(3), abs=1e-5)


def test_bits_count_differences_in_pixel_values():
    x = torch.zeros(1, 1, 2, 2)
    x[..., 1, 1] = 7 / 255
    assert lossless_bits(x).item() == pytest.approx(np.log2(8))
    assert lossless_bits(x * 255 / 65535, levels=65535).item() == pytest.approx(np.log2(8))


def test_grey_as_colour_needs_a_third_of_the_bits():
    grey = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert lossless_bits(grey.expand(1, 3, 8, 8)).item() == pytest.approx(lossless_bits(grey).item() / 3, rel=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_gradient_is_that_of_finite_differences(channels):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, channels, 4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lossless_bits, x)


@pytest.mark.parametrize("shape", [(1, 3, 1, 5), (2, 1, 4, 1), (0, 3, 4, 4)])
def test_images_without_neighbours_need_no_bits(shape):
    assert lossless_bits(torch.rand(shape)).tolist() == [0.0] * shape[0]


def test_images_without_a_batch_are_refused():
    with pytest.raises(ResizeShapeError, match=r"\(3, 4, 4\), expected images `b c h w`"):
        lossless_bits(torch.zeros(3, 4, 4))


@pytest.mark.parametrize(
    ("options", "correlation"), [({"format": "PNG"}, 0.9), ({"format": "WEBP", "lossless": True}, 0.95)]
)
def test_bits_rank_pictures_like_real_files(options, correlation):
    """Sixteen crops of a photograph, blurred or not: the estimate and the size agree about nearly every pair."""
    photo, pairs = Image.open(ASTRONAUT).convert("RGB"), []
    for k in range(16):
        crop = photo.crop((128 * (k % 4), 128 * (k // 4), 128 * (k % 4) + 128, 128 * (k // 4) + 128))
        crop = crop.filter(ImageFilter.GaussianBlur(0.4 * (k % 3)))
        file = BytesIO()
        crop.save(file, **options)
        pixels = torch.from_numpy(np.array(crop)).permute(2, 0, 1)[None] / 255
        pairs.append((lossless_bits(pixels).item(), file.tell()))
    bits, sizes = np.array(pairs).T
    ranks = [np.argsort(np.argsort(values)) for values in (bits, sizes)]
    assert np.corrcoef(ranks)[0, 1] > correlation
