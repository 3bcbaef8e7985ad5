"""Pixels moved to channels and back by the kernel: any shape and layout, many channels, and derived twice."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

pytest.importorskip("triton", reason="Triton is not installed")

from resizekit.errors import ResizeShapeError
from resizekit.ops import reference
from resizekit.testing.memory import RedZones
from resizekit.testing.results import strides
from resizekit_kernels import pixel
from resizekit_kernels.launch import direct

FLOATS = (torch.float32, torch.float16, torch.bfloat16)
Move = Callable[..., Tensor]


def noise(device: torch.device, *shape: int, last: bool = False) -> Tensor:
    x = torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape))).to(device)
    return x.contiguous(memory_format=torch.channels_last) if last else x


def check(name: str, x: Tensor, s: int, r: int) -> Tensor:
    """Hold one call to the reference; each output lies in poison, so that what is left out or written beside shows."""
    with RedZones() as zones:
        got: Tensor = getattr(pixel, name)(x, s, r)
    wanted = reference(name)(x, s, r)
    assert got.dtype == wanted.dtype
    if wanted.untyped_storage().data_ptr() != x.untyped_storage().data_ptr():  # a view lies as it happens to
        assert strides(got) == strides(wanted)
    assert torch.equal(got, wanted), (name, x.shape, x.stride(), s, r)
    assert zones.overrun() is None
    return got


@pytest.mark.parametrize("c", [1, 3, 4])
@pytest.mark.parametrize(("s", "r"), [(1, 1), (2, 2), (2, 1), (1, 4), (3, 2)])
def test_there_and_back(kernel_device: torch.device, s: int, r: int, c: int) -> None:
    for dtype in FLOATS:
        for last in (False, True):
            x = noise(kernel_device, 2, c, s, 8 * r, last=last).to(dtype)
            assert torch.equal(check("shuffle", check("unshuffle", x, s, r), s, r), x)
    assert check("unshuffle", x[:0], s, r).shape == (0, c * s * r, 1, 8)


def test_crops(kernel_device: torch.device) -> None:
    """Strides that hold gaps, whether rows begin at whole vectors or between them."""
    for last in (False, True):
        high, low = noise(kernel_device, 2, 3, 8, 32, last=last), noise(kernel_device, 2, 16, 4, 16, last=last)
        for columns in (slice(8, 24), slice(1, 13), slice(None, None, 4)):
            check("unshuffle", high[:, :, 2:6, columns], 2, 2)
            check("shuffle", low[:, :12, 1:3, columns], 2, 2)
        check("shuffle", low[:, 1:13], 2, 2)
        check("shuffle", low[:, ::2], 2, 2)
        check("unshuffle", high.transpose(1, 2), 1, 2)
        check("shuffle", low[:, :1, :1, :1].expand(2, 4, 3, 5), 2, 2)


@pytest.mark.parametrize("strides", [(400, 32, 8, 1), (400, 1, 160, 16), (400, 2, 160, 32), (400, 32, 8, 2)])
def test_one_stride_that_holds_no_whole_vectors(kernel_device: torch.device, strides: tuple[int, ...]) -> None:
    memory = noise(kernel_device, 2048)
    for axis in range(4):
        odd = [step + (n == axis) for n, step in enumerate(strides)]
        check("shuffle", memory.as_strided((2, 12, 2, 8), odd), 2, 2)


sizes = st.integers(1, 3)


@given(sizes, st.integers(1, 5), sizes, st.integers(1, 9), sizes, sizes, st.booleans())
@settings(max_examples=25)
def test_any_shape(b: int, c: int, h: int, w: int, s: int, r: int, last: bool) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    x = noise(device, b, c, h * s, w * r, last=last)
    low = check("unshuffle", x, s, r)
    assert torch.equal(check("shuffle", low, s, r), x)
    check("shuffle", low[:, :, ::2], s, r)


@pytest.mark.parametrize("channels", [60, 300])
def test_many_channels(kernel_device: torch.device, channels: int) -> None:
    for last in (False, True):
        x = noise(kernel_device, 1, channels, 4, 6, last=last)
        check("shuffle", x, 2, 1)
        check("unshuffle", x, 2, 3)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.float64, torch.int64])
def test_other_types_are_moved_too(kernel_device: torch.device, dtype: torch.dtype) -> None:
    x = torch.arange(48, device=kernel_device).reshape(1, 2, 4, 6).to(dtype)
    assert torch.equal(check("shuffle", check("unshuffle", x, 2, 3), 2, 3), x)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("last", [False, True])
def test_gradients(kernel_device: torch.device, dtype: torch.dtype, last: bool) -> None:
    high, low = noise(kernel_device, 2, 3, 4, 6, last=last), noise(kernel_device, 2, 12, 2, 3, last=last)
    for name, x in (("unshuffle", high), ("shuffle", low)):
        x = x.to(dtype)
        for upstream in (torch.randn_like(reference(name)(x, 2, 2)), torch.ones_like(x[:1, :1, :1, :1])):
            mine, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
            for leaf, run in ((mine, getattr(pixel, name)), (theirs, reference(name))):
                y = run(leaf, 2, 2)
                y.backward(upstream.expand_as(y))
            assert mine.grad is not None
            assert theirs.grad is not None
            assert mine.grad.dtype == theirs.grad.dtype
            assert torch.equal(mine.grad, theirs.grad), name


def test_derived_twice(kernel_device: torch.device) -> None:
    x = torch.rand(1, 2, 4, 6, device=kernel_device, requires_grad=True)

    def second(unshuffle: Move) -> Tensor:
        low = unshuffle(x, 2, 3)
        (first,) = torch.autograd.grad((low**3).sum(), x, create_graph=True)
        return torch.autograd.grad((first * x).sum(), x)[0]

    assert torch.equal(second(pixel.unshuffle), second(reference("unshuffle")))


def test_factors_of_one_move_nothing(kernel_device: torch.device) -> None:
    x = torch.rand(1, 2, 4, 6, device=kernel_device)
    assert pixel.unshuffle(x, 1, 1).data_ptr() == x.data_ptr()


def test_what_the_reference_refuses_is_never_launched(
    kernel_device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def launch(*args: object) -> None:
        raise AssertionError("a kernel was launched")

    monkeypatch.setattr(pixel, "_move", launch)
    x = noise(kernel_device, 1, 3, 4, 6)
    for name in ("unshuffle", "shuffle"):
        for y, factors in ((x, (3, 4)), (x, (0, 1)), (x, (2, -3)), (x[0], (2, 3))):
            with pytest.raises(ResizeShapeError) as wanted:
                reference(name)(y, *factors)
            with pytest.raises(ResizeShapeError) as got:
                getattr(pixel, name)(y, *factors)
            assert str(got.value) == str(wanted.value)


@pytest.mark.parametrize(
    ("shape", "factors"),
    [((3, 1, 1, 2), (1, 1)), ((1, 3, 1, 2), (1, 1)), ((1, 1, 3, 2), (1, 1)), ((1, 1, 3, 2), (3, 1)),
     ((1, 1, 1, 3), (1, 1)), ((1, 1, 1, 3), (1, 3))],
)  # fmt: skip
@pytest.mark.parametrize("to_small", [True, False])
def test_offsets_have_64_bits(
    kernel_device: torch.device, shape: tuple[int, ...], factors: tuple[int, int], to_small: bool
) -> None:
    """The third along an axis lies 2**31 bytes from the first, on either side.

    What is not touched of the memory costs nothing on the CPU; in 32 bits the offset would be negative, and lead to the
    zeros before the first.
    """

    def far(shape: tuple[int, ...]) -> Tensor:
        memory = torch.empty(2**32 + 16, dtype=torch.uint8, device=kernel_device)
        return memory.as_strided(shape, [2**30 if n == 3 else 1 for n in shape], 2**31)

    values = torch.arange(1, 7)[: 6 if 2 in shape else 3].reshape(shape).to(kernel_device, torch.uint8)
    moved = reference("unshuffle")(values, *factors)
    large, small = far(shape), far(tuple(moved.shape))
    (large if to_small else small).copy_(values if to_small else moved)
    pixel._move(large, small, *factors, to_small, direct)
    assert torch.equal(large, values)
    assert torch.equal(small, moved)
