"""Moving pixels by the kernel: any shape and layout, many channels, first and second derivatives."""

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
    """Compare one call with the reference; poison around the outputs reveals missing and stray writes."""
    with RedZones() as zones:
        got: Tensor = getattr(pixel, name)(x, s, r)
    expected = reference(name)(x, s, r)
    assert got.dtype == expected.dtype
    if expected.untyped_storage().data_ptr() != x.untyped_storage().data_ptr():  # a view has arbitrary strides
        assert strides(got) == strides(expected)
    assert torch.equal(got, expected), (name, x.shape, x.stride(), s, r)
    assert zones.overrun() is None
    return got


@pytest.mark.parametrize("c", [1, 3, 4])
@pytest.mark.parametrize(("s", "r"), [(1, 1), (2, 2), (2, 1), (1, 4), (3, 2)])
def test_shuffle_inverts_unshuffle(kernel_device: torch.device, s: int, r: int, c: int) -> None:
    for dtype in FLOATS:
        for last in (False, True):
            x = noise(kernel_device, 2, c, s, 8 * r, last=last).to(dtype)
            assert torch.equal(check("shuffle", check("unshuffle", x, s, r), s, r), x)
    assert check("unshuffle", x[:0], s, r).shape == (0, c * s * r, 1, 8)


def test_crops_equal_the_reference(kernel_device: torch.device) -> None:
    """Strides with gaps, with rows that start at vectors or between them."""
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
def test_strides_between_vectors_equal_the_reference(kernel_device: torch.device, strides: tuple[int, ...]) -> None:
    memory = noise(kernel_device, 2048)
    for axis in range(4):
        odd = [step + (n == axis) for n, step in enumerate(strides)]
        check("shuffle", memory.as_strided((2, 12, 2, 8), odd), 2, 2)


sizes = st.integers(1, 3)


@given(sizes, st.integers(1, 5), sizes, st.integers(1, 9), sizes, sizes, st.booleans())
@settings(max_examples=25)
def test_any_shape_equals_the_reference(b: int, c: int, h: int, w: int, s: int, r: int, last: bool) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    x = noise(device, b, c, h * s, w * r, last=last)
    low = check("unshuffle", x, s, r)
    assert torch.equal(check("shuffle", low, s, r), x)
    check("shuffle", low[:, :, ::2], s, r)


@pytest.mark.parametrize("channels", [60, 300])
def test_many_channels_equal_the_reference(kernel_device: torch.device, channels: int) -> None:
    for last in (False, True):
        x = noise(kernel_device, 1, channels, 4, 6, last=last)
        check("shuffle", x, 2, 1)
        check("unshuffle", x, 2, 3)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.float64, torch.int64])
def test_other_dtypes_are_moved(kernel_device: torch.device, dtype: torch.dtype) -> None:
    x = torch.arange(48, device=kernel_device).reshape(1, 2, 4, 6).to(dtype)
    assert torch.equal(check("shuffle", check("unshuffle", x, 2, 3), 2, 3), x)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("last", [False, True])
def test_gradients_equal_the_reference(kernel_device: torch.device, dtype: torch.dtype, last: bool) -> None:
    high, low = noise(kernel_device, 2, 3, 4, 6, last=last), noise(kernel_device, 2, 12, 2, 3, last=last)
    for name, x in (("unshuffle", high), ("shuffle", low)):
        x = x.to(dtype)
        for upstream in (torch.randn_like(reference(name)(x, 2, 2)), torch.ones_like(x[:1, :1, :1, :1])):
            leaf_of_kernel, leaf_of_reference = x.clone().requires_grad_(), x.clone().requires_grad_()
            for leaf, run in ((leaf_of_kernel, getattr(pixel, name)), (leaf_of_reference, reference(name))):
                y = run(leaf, 2, 2)
                y.backward(upstream.expand_as(y))
            assert leaf_of_kernel.grad is not None
            assert leaf_of_reference.grad is not None
            assert leaf_of_kernel.grad.dtype == leaf_of_reference.grad.dtype
            assert torch.equal(leaf_of_kernel.grad, leaf_of_reference.grad), name


def test_second_derivative_equals_the_reference(kernel_device: torch.device) -> None:
    x = torch.rand(1, 2, 4, 6, device=kernel_device, requires_grad=True)

    def second(unshuffle: Move) -> Tensor:
        low = unshuffle(x, 2, 3)
        (first,) = torch.autograd.grad((low**3).sum(), x, create_graph=True)
        return torch.autograd.grad((first * x).sum(), x)[0]

    assert torch.equal(second(pixel.unshuffle), second(reference("unshuffle")))


def test_factors_of_one_return_a_view(kernel_device: torch.device) -> None:
    x = torch.rand(1, 2, 4, 6, device=kernel_device)
    assert pixel.unshuffle(x, 1, 1).data_ptr() == x.data_ptr()


def test_refused_calls_are_never_launched(kernel_device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    def launch(*args: object) -> None:
        raise AssertionError("a kernel was launched")

    monkeypatch.setattr(pixel, "_move", launch)
    x = noise(kernel_device, 1, 3, 4, 6)
    for name in ("unshuffle", "shuffle"):
        for y, factors in ((x, (3, 4)), (x, (0, 1)), (x, (2, -3)), (x[0], (2, 3))):
            with pytest.raises(ResizeShapeError) as expected:
                reference(name)(y, *factors)
            with pytest.raises(ResizeShapeError) as got:
                getattr(pixel, name)(y, *factors)
            assert str(got.value) == str(expected.value)


@pytest.mark.parametrize(
    ("shape", "factors"),
    [((3, 1, 1, 2), (1, 1)), ((1, 3, 1, 2), (1, 1)), ((1, 1, 3, 2), (1, 1)), ((1, 1, 3, 2), (3, 1)),
     ((1, 1, 1, 3), (1, 1)), ((1, 1, 1, 3), (1, 3))],
)  # fmt: skip
@pytest.mark.parametrize("to_small", [True, False])
def test_offsets_have_64_bits(
    kernel_device: torch.device, shape: tuple[int, ...], factors: tuple[int, int], to_small: bool
) -> None:
    """The third element along an axis is 2**31 bytes from the first, on either side.

    Untouched memory costs nothing on the CPU; a 32-bit offset would be negative and lead to zeros before the first
    element.
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
