"""Pixel values: between number formats, and as tensors."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from resizekit.codec.convert import from_tensor, to_tensor
from resizekit.errors import ImageError
from resizekit.ops import quantize


@given(arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))))
def test_array_round_trip_is_exact(array):
    x = to_tensor(array)
    assert x.dtype == torch.float32
    assert x.shape == (1, array.shape[2], *array.shape[:2])
    assert np.array_equal(from_tensor(x), array)


def test_to_tensor_is_bit_equal_to_the_compression():
    codes = np.arange(256, dtype=np.uint8)[None]
    assert torch.equal(to_tensor(codes), quantize(torch.arange(256.0)[None, None, None] / 255))


def test_from_tensor_clamps_and_rounds_half_to_even():
    x = torch.tensor([-0.1, 0.5, 1.5, 2.5, 254.5, 300.0])[None, None, None] / 255
    assert from_tensor(x)[:, :, 0].tolist() == [[0, 0, 2, 2, 254, 255]]


def test_to_tensor_accepts_read_only_and_flipped_arrays():
    array = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)[::-1]
    array.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(from_tensor(to_tensor(array)), array)


def test_from_tensor_refuses_several_images():
    with pytest.raises(ImageError, match="expected one image"):
        from_tensor(torch.zeros(2, 3, 4, 4))
