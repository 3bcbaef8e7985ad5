import warnings

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import resizekit
from resizekit.codec.convert import from_tensor, image_kind, to_tensor
from resizekit.errors import ImageError
from resizekit.ops import quantize

shapes = st.one_of(
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4)),
)


@given(arrays(np.uint8, shapes))
def test_array_round_trip_is_exact(array):
    x = to_tensor(array)
    assert x.dtype == torch.float32
    assert x.shape == (1, array.shape[2] if array.ndim == 3 else 1, *array.shape[:2])
    back = from_tensor(x, array)
    assert back.shape == array.shape
    assert np.array_equal(back, array)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pil_image_round_trip_is_exact(mode):
    codes = np.arange(7 * 5 * 3, dtype=np.uint8).reshape(7, 5, 3)
    image = PIL.Image.fromarray(codes if mode == "RGB" else codes[:, :, 0])
    back = from_tensor(to_tensor(image), image)
    assert (back.mode, back.size) == (mode, (5, 7))
    assert back.tobytes() == image.tobytes()


def test_to_tensor_is_bit_equal_to_the_compression():
    codes = np.arange(256, dtype=np.uint8)[None]
    assert torch.equal(to_tensor(codes), quantize(torch.arange(256.0)[None, None, None] / 255))


def test_from_tensor_clamps_and_rounds_half_to_even():
    x = torch.tensor([-0.1, 0.5, 1.5, 2.5, 254.5, 300.0])[None, None, None] / 255
    assert from_tensor(x, np.zeros((1, 1), np.uint8)).tolist() == [[0, 0, 2, 2, 254, 255]]


def test_from_tensor_returns_tensors_unrounded():
    x = torch.rand(2, 5, 3, 4)
    assert torch.equal(from_tensor(to_tensor(x), x), x)
    assert to_tensor(x.double()).dtype == torch.float32


@pytest.mark.parametrize("highest", [2.01, 255.0, 65535.0, float("inf")])
def test_tensor_of_integer_pixel_values_is_refused(highest):
    codec = resizekit.load("sr-x2-fast")
    x = torch.rand(1, 3, 8, 8, dtype=torch.float64)
    x[0, 1, 2, 3], x[0, 0, 0, 0] = highest, torch.nan
    for run in (codec.down, codec.up):
        with pytest.raises(
            ImageError, match=r"invalid tensor with values up to [\de+.]+: expected floats in \[0, 1\]; "
        ):
            run(x)
    assert codec.down(x.clamp(-1, 2)).shape == (1, 3, 4, 4)


def test_from_tensor_picks_the_mode_by_the_channels():
    grey = torch.zeros(1, 1, 2, 3)
    assert from_tensor(grey, PIL.Image.new("RGB", (1, 1))).mode == "L"
    assert from_tensor(grey, np.zeros((1, 1, 3), np.uint8)).shape == (2, 3, 1)
    assert from_tensor(torch.zeros(1, 3, 2, 3), np.zeros((1, 1), np.uint8)).shape == (2, 3, 3)


def test_to_tensor_accepts_read_only_and_flipped_arrays():
    array = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)[::-1]
    array.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(from_tensor(to_tensor(array), array), array)


@pytest.mark.parametrize(
    ("image", "advice"),
    [
        (PIL.Image.new("RGBA", (1, 1)), "image.convert('RGB')"),
        (PIL.Image.new("LA", (1, 1)), "image.convert('L')"),
        (PIL.Image.new("1", (1, 1)), "image.convert('L')"),
        (PIL.Image.new("L", (0, 1)), "at least 1"),
        (np.zeros((2, 2)), "uint8"),
        (np.zeros((2, 2, 3, 1), np.uint8), "h w c"),
        (np.zeros((2, 0, 3), np.uint8), "at least 1"),
        (torch.zeros(1, 3, 2, 2, dtype=torch.uint8), "floats"),
        (torch.zeros(3, 2, 2), "b c h w"),
        ("photo.png", "expected a PIL image"),
    ],
)
def test_image_kind_refuses_other_objects_with_advice(image, advice):
    with pytest.raises(ImageError) as refusal:
        image_kind(image)
    assert advice in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_from_tensor_refuses_images_that_the_kind_cannot_hold():
    with pytest.raises(ImageError, match="expected one image"):
        from_tensor(torch.zeros(2, 3, 4, 4), PIL.Image.new("RGB", (1, 1)))
    with pytest.raises(ImageError, match="cannot hold 5 channels"):
        from_tensor(torch.zeros(1, 5, 4, 4), PIL.Image.new("RGB", (1, 1)))
