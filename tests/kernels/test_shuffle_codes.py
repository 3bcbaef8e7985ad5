"""From network output to bytes in one kernel: bit-equal to the reference for any memory format."""

from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

pytest.importorskip("triton", reason="Triton is not installed")

from resizekit.errors import ResizeShapeError
from resizekit.ops import reference
from resizekit.ops.quantize import SCALE
from resizekit.testing.memory import RedZones, placed
from resizekit_kernels import shuffle_codes as module

(KERNEL,) = module.KERNELS
FLOATS = (torch.float32, torch.float16, torch.bfloat16)
LAYOUTS = ("plain", "channels last", "padded", "crop", "transposed", "every second")
FACTORS = ((1, 1), (2, 2), (2, 1), (1, 4), (3, 2))

exactly = partial(torch.testing.assert_close, rtol=0, atol=0)


def values(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 1.5 - 0.25


def with_layout(x: Tensor, layout: str) -> Tensor:
    """The same values with other strides."""
    b, c, h, w = x.shape
    if layout == "plain":
        return x
    if layout == "channels last":
        return x.contiguous(memory_format=torch.channels_last)
    if layout == "padded":  # like the output of a network whose channels are a multiple of 16
        return with_layout(torch.cat([x, x.new_full((b, -c % 16 + 16, h, w), torch.nan)], 1), "channels last")[:, :c]
    if layout == "crop":
        wider = x.new_full((b, c, h + 1, w + 3), torch.nan)
        wider[:, :, 1:, 2:-1] = x
        return wider[:, :, 1:, 2:-1]
    if layout == "transposed":
        return x.mT.contiguous().mT
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)[:, :, ::2, ::2]


def agree(x: Tensor, s: int, r: int, shift: float = 0.0) -> None:
    got, expected = KERNEL.run(x, s, r, shift=shift), reference("shuffle_codes")(x, s, r, shift=shift)
    exactly(got, expected)
    assert got.is_contiguous(memory_format=torch.channels_last)


# --- layouts and sizes -------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("s", "r"), FACTORS)
@pytest.mark.parametrize("c", [1, 3])
def test_every_layout_equals_the_reference(c: int, s: int, r: int, layout: str, kernel_device: torch.device) -> None:
    for i, w in enumerate((5, 8)):  # rows of 5 pixels are not a multiple of 4 bytes
        x = values(2, c * s * r, 2, w).to(FLOATS[(c + s + r + i) % 3])
        agree(placed(with_layout(x, layout), kernel_device), s, r, shift=0.1)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_dtype_equals_the_reference(layout: str, dtype: torch.dtype, kernel_device: torch.device) -> None:
    agree(placed(with_layout(values(1, 12, 2, 6).to(dtype), layout), kernel_device), 2, 2)


@pytest.mark.parametrize(
    ("c", "s", "r", "w", "pixels"),
    [(3, 2, 2, 8, 2), (3, 2, 2, 7, 1), (3, 1, 1, 8, 4), (3, 1, 1, 6, 2), (1, 4, 4, 3, 1)],
)
def test_groups_fill_words(c: int, s: int, r: int, w: int, pixels: int, kernel_device: torch.device) -> None:
    x = values(1, c * s * r, 2, w)
    assert module._group(x, s, r) == pixels
    agree(x.to(kernel_device), s, r)


@pytest.mark.parametrize("more", [1, 2, 4])
def test_any_pixel_stride_equals_the_reference(more: int, kernel_device: torch.device) -> None:
    x = with_layout(values(1, 12 + more, 2, 16), "channels last")[:, more:]
    agree(placed(x, kernel_device), 2, 2)
    agree(placed(x.half(), kernel_device), 2, 2)


@pytest.mark.parametrize("layout", ["plain", "channels last"])
@pytest.mark.parametrize("w", [255, 256, 258, 514])
def test_blocks_cover_all_values_and_nothing_else(w: int, layout: str, kernel_device: torch.device) -> None:
    x = placed(with_layout(values(1, 12, 1, w), layout), kernel_device)
    with RedZones() as zones:
        got = KERNEL.run(x, 2, 2)
    exactly(got, reference("shuffle_codes")(x, 2, 2))
    assert zones.overrun() is None


@settings(max_examples=25)
@given(st.tuples(*6 * [st.integers(1, 4)]), st.sampled_from(LAYOUTS), st.sampled_from(FLOATS), st.floats(-1, 1))
def test_any_shape_equals_the_reference(shape: tuple[int, ...], layout: str, dtype: torch.dtype, shift: float) -> None:
    b, c, s, r, h, w = shape
    x = with_layout(values(min(b, 2), c * s * r, min(h, 2), w).to(dtype), layout)
    agree(x.to("cuda" if torch.cuda.is_available() else "cpu"), s, r, shift)


def test_empty_batch_launches_nothing(monkeypatch: pytest.MonkeyPatch, kernel_device: torch.device) -> None:
    monkeypatch.setattr(module, "shuffle_codes_kernel", None)
    agree(torch.zeros(0, 12, 4, 5, device=kernel_device), 2, 2)
    agree(torch.zeros(2, 12, 4, 0, device=kernel_device), 2, 2)


# --- rounding ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
def test_all_256_values_survive(dtype: torch.dtype, kernel_device: torch.device) -> None:
    numbers = torch.arange(256, dtype=torch.uint8, device=kernel_device).reshape(1, 4, 8, 8)
    read = (numbers.float() * SCALE).to(dtype)
    exactly(KERNEL.run(read, 2, 2), reference("shuffle")(numbers, 2, 2))
    exactly(KERNEL.run((read.float() - 0.5).to(torch.float32), 2, 2, shift=0.5), reference("shuffle")(numbers, 2, 2))


@pytest.mark.parametrize("shift", [0.0, 0.5, -0.25])
@pytest.mark.parametrize("dtype", FLOATS)
def test_ties_and_their_neighbors_round_as_the_reference(
    dtype: torch.dtype, shift: float, kernel_device: torch.device
) -> None:
    middle, far = (torch.arange(256) + 0.5) / 255, torch.tensor(torch.inf)
    x = torch.stack([middle.nextafter(-far), middle, middle.nextafter(far)]).reshape(1, 12, 8, 8) - shift
    agree(x.to(kernel_device, dtype), 2, 2, shift)


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")  # from NumPy, in the interpreter
@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_and_infinity_give_the_reference_result(dtype: torch.dtype, kernel_device: torch.device) -> None:
    odd = [torch.nan, torch.inf, -torch.inf, -0.0, torch.finfo(dtype).max, torch.finfo(dtype).min, 1.0, 0.0]
    x = torch.tensor(odd, dtype=dtype, device=kernel_device).reshape(1, 4, 1, 2)
    agree(x, 2, 2)
    agree(x, 2, 2, shift=0.5)
    agree(x, 2, 2, shift=torch.inf)
    assert KERNEL.run(x, 1, 1)[0, 0, 0].tolist() == [0, 255]


def test_shuffle_codes_has_no_gradient(kernel_device: torch.device) -> None:
    assert not KERNEL.run(values(1, 4, 2, 2).to(kernel_device).requires_grad_(), 2, 2).requires_grad


# --- calls without a launch ---------------------------------------------------------------------


@pytest.mark.usefixtures("no_launch")
@pytest.mark.parametrize(
    ("x", "s", "r"),
    [
        (values(1, 6, 2, 2), 2, 2),
        (values(1, 4, 2, 2), 0, 2),
        (values(1, 4, 2, 2), 2, -2),
        (values(4, 2, 2), 2, 2),
        (values(1, 4, 2, 2).byte(), 2, 2),
    ],
)
def test_errors_equal_those_of_the_reference(x: Any, s: int, r: int) -> None:
    with pytest.raises(ResizeShapeError) as expected:
        reference("shuffle_codes")(x, s, r)
    with pytest.raises(ResizeShapeError) as got:
        KERNEL.run(x, s, r)
    assert str(got.value) == str(expected.value)


@pytest.mark.usefixtures("no_launch")
def test_float64_and_many_channels_go_to_the_reference() -> None:
    agree(values(1, 12, 2, 3).double(), 2, 2, shift=0.1)
    agree(values(1, 3 * 64, 1, 2), 8, 8)


def test_bytes_moved_counts_inputs_and_outputs() -> None:
    assert KERNEL.bytes_moved is not None
    assert KERNEL.bytes_moved(values(2, 12, 3, 5), 2, 2) == 360 * 5
    assert KERNEL.bytes_moved(values(2, 12, 3, 5).bfloat16(), 2, 2, shift=0.5) == 360 * 3
