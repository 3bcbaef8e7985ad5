"""Pixels moved to channels and back by the kernel: any shape, many channels, and derived twice."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("triton", reason="Triton is not installed")

from resizekit.ops import reference
from resizekit_kernels import pixel

sizes = st.integers(1, 3)


@given(sizes, st.integers(1, 5), sizes, st.integers(1, 9), sizes, sizes, st.booleans())
@settings(max_examples=25)
def test_any_shape(b: int, c: int, h: int, w: int, s: int, r: int, channels_last: bool) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    x = torch.randn(b, c, h * s, w * r, device=device)
    x = x.contiguous(memory_format=torch.channels_last) if channels_last else x
    low = pixel.unshuffle(x, s, r)
    wanted = reference("unshuffle")(x, s, r)
    assert torch.equal(low, wanted)
    assert torch.equal(pixel.shuffle(low, s, r), x)
    assert torch.equal(pixel.shuffle(low[:, :, ::2], s, r), reference("shuffle")(low[:, :, ::2], s, r))


@pytest.mark.parametrize("channels", [60, 300])
def test_many_channels(kernel_device: torch.device, channels: int) -> None:
    x = torch.randn(1, channels, 4, 6, device=kernel_device)
    for y in (x, x.contiguous(memory_format=torch.channels_last)):
        assert torch.equal(pixel.shuffle(y, 2, 1), reference("shuffle")(y, 2, 1))
        assert torch.equal(pixel.unshuffle(y, 2, 3), reference("unshuffle")(y, 2, 3))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.float64, torch.int64])
def test_other_types_are_moved_too(kernel_device: torch.device, dtype: torch.dtype) -> None:
    x = torch.arange(48, device=kernel_device).reshape(1, 2, 4, 6).to(dtype)
    assert torch.equal(pixel.shuffle(pixel.unshuffle(x, 2, 3), 2, 3), x)
    assert torch.equal(pixel.unshuffle(x, 2, 3), reference("unshuffle")(x, 2, 3))


def test_derived_twice(kernel_device: torch.device) -> None:
    x = torch.rand(1, 2, 4, 6, device=kernel_device, requires_grad=True)

    def second(unshuffle: object) -> torch.Tensor:
        low = unshuffle(x, 2, 3)
        (first,) = torch.autograd.grad((low**3).sum(), x, create_graph=True)
        return torch.autograd.grad((first * x).sum(), x)[0]

    assert torch.equal(second(pixel.unshuffle), second(reference("unshuffle")))


def test_factors_of_one_move_nothing(kernel_device: torch.device) -> None:
    x = torch.rand(1, 2, 4, 6, device=kernel_device)
    assert pixel.unshuffle(x, 1, 1).data_ptr() == x.data_ptr()
