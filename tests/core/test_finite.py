"""NaN and infinity are found in tensors of every type, at every position."""

import math

import pytest
import torch

from resizekit.codec.finite import first_not_finite

FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_every_position_is_read(dtype, value):
    for position in range(70):  # more than the width of a vector instruction, and a remainder
        tensor = torch.linspace(-1, 1, 70, dtype=dtype)
        tensor[position] = value
        assert first_not_finite({"first": torch.ones(3, dtype=dtype), "second": tensor}) == "second"


@pytest.mark.parametrize("dtype", [*FLOATS, torch.int64, torch.uint8, torch.bool], ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (5, 2)], ids=str)
def test_finite_tensors_of_every_type_pass(dtype, shape):
    assert first_not_finite({"a": torch.ones(shape, dtype=dtype)}) is None


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_largest_values_are_finite(dtype):
    limits = torch.finfo(dtype)
    assert first_not_finite({"a": torch.tensor([limits.max, limits.min, limits.max], dtype=dtype)}) is None


def test_channels_last_tensor_is_read():
    tensor = torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last)
    tensor[1, 2, 3, 4] = math.nan
    assert first_not_finite({"a": tensor, "b": tensor}) == "a"
