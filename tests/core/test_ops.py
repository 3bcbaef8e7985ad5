"""Ops: the laws of moving pixels, of 8-bit rounding, and of the table that kernels enter."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from resizekit import ops
from resizekit.errors import PluginError, ResizeShapeError
from resizekit.ops import Kernel
from resizekit.ops.quantize import SCALE

small = st.integers(1, 4)


def counted(*shape: int) -> Tensor:
    return torch.arange(float(torch.Size(shape).numel())).reshape(shape)


# --- pixels ------------------------------------------------------------------------------------


@given(small, small, small, small, small, small)
def test_shuffle_and_unshuffle_undo_one_another(b: int, c: int, h: int, w: int, s: int, r: int) -> None:
    high = counted(b, c, h * s, w * r)
    low = ops.unshuffle(high, s, r)
    assert low.shape == (b, c * s * r, h, w)
    assert torch.equal(ops.shuffle(low, s, r), high)
    assert torch.equal(ops.unshuffle(ops.shuffle(low, s, r), s, r), low)


@given(small, small, small, small, small)
def test_equal_factors_are_torchs_own(b: int, c: int, h: int, w: int, s: int) -> None:
    high = counted(b, c, h * s, w * s)
    low = F.pixel_unshuffle(high, s)
    assert torch.equal(ops.unshuffle(high, s, s), low)
    assert torch.equal(ops.shuffle(low, s, s), F.pixel_shuffle(low, s))


@given(small, small, small, small, small, st.data())
def test_each_pixel_goes_where_the_docstring_says(c: int, h: int, w: int, s: int, r: int, data: st.DataObject) -> None:
    high = counted(1, c, h * s, w * r)
    i, y, x, dy, dx = (data.draw(st.integers(0, n - 1)) for n in (c, h, w, s, r))
    # b c (h s) (w r) -> b (c s r) h w
    assert ops.unshuffle(high, s, r)[0, (i * s + dy) * r + dx, y, x] == high[0, i, y * s + dy, x * r + dx]


def test_sizes_that_do_not_divide_name_what_would() -> None:
    with pytest.raises(ResizeShapeError, match=r"5x7.*crop to 4x6"):
        ops.unshuffle(torch.zeros(1, 1, 5, 7), 2, 3)
    with pytest.raises(ResizeShapeError, match="multiple of 6 channels, got 8"):
        ops.shuffle(torch.zeros(1, 8, 2, 2), 2, 3)


# --- rounding ----------------------------------------------------------------------------------


def test_all_256_codes_survive() -> None:
    every = torch.arange(256, dtype=torch.uint8)
    read = every.float() * SCALE
    assert torch.equal(ops.codes(read), every)
    assert torch.equal(ops.quantize(read), read)


@given(st.lists(st.floats(-3, 3, width=32), min_size=1))
def test_quantize_is_what_reading_the_codes_gives(values: list[float]) -> None:
    x = torch.tensor(values)
    assert torch.equal(ops.quantize(x), ops.codes(x).float() * SCALE)
    assert torch.equal(ops.quantize(x.requires_grad_()).detach(), ops.codes(x.detach()).float() * SCALE)


def test_ties_go_to_the_even_code() -> None:
    k = torch.arange(255)
    x = (k + 0.5) / 255
    exact = x * 255 == k + 0.5  # the others lie a rounding error off the middle
    assert exact.sum() > 100
    even = k + k % 2
    assert torch.equal(ops.codes(x)[exact].long(), even[exact])
    assert torch.equal(ops.quantize(x)[exact], even[exact] * SCALE)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1), st.integers(0, 2**32))
def test_the_gradient_passes_straight_through_but_never_further_out(values: list[float], seed: int) -> None:
    x = torch.tensor(values, requires_grad=True)
    upstream = torch.randn(len(values), generator=torch.Generator().manual_seed(seed))
    (gradient,) = torch.autograd.grad(ops.quantize(x), x, upstream)
    stepped = x.detach() - upstream  # outside, a step that leads further out is not taken
    outward = ((x < 0) & (stepped < x)) | ((x > 1) & (stepped > x))
    assert torch.equal(gradient, torch.where(outward, torch.zeros_like(upstream), upstream))


def test_nan_is_black_in_a_picture_and_stays_visible_in_training() -> None:
    x = torch.tensor([torch.nan, torch.inf, -torch.inf])
    assert ops.codes(x).tolist() == [0, 255, 0]
    assert ops.quantize(x).isnan().tolist() == [True, False, False]


# --- the table ---------------------------------------------------------------------------------


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    fake = Kernel(op="shuffle", device_type="cpu", run=lambda x, s, r: x - s * r)
    ops.install(fake)
    yield fake
    ops.uninstall(fake)


def test_a_kernel_serves_until_it_is_taken_out(kernel: Kernel) -> None:
    x = counted(1, 6, 1, 1)
    assert torch.equal(ops.shuffle(x, 2, 3), x - 6)
    assert torch.equal(ops.shuffle(x, s=2, r=3), x - 6)
    assert ops.unshuffle(x, 1, 1).equal(x), "another op is untouched"
    assert ops.shuffle(x.to("meta"), 2, 3).shape == (1, 1, 2, 3), "another device is untouched"
    ops.uninstall(kernel)
    assert torch.equal(ops.shuffle(x, 2, 3), x.reshape(1, 1, 2, 3))


def test_a_second_offer_is_refused_and_the_first_stays(kernel: Kernel) -> None:
    second = Kernel(op="shuffle", device_type="cpu", run=lambda x, s, r: x)
    with pytest.raises(PluginError, match="'shuffle' has a kernel on 'cpu' already"):
        ops.install(second)
    ops.uninstall(second)  # never came in, so nothing goes out
    assert ops.shuffle(torch.zeros(1, 1, 1, 1), 1, 1).item() == -1


def test_an_unknown_op_is_refused() -> None:
    with pytest.raises(PluginError, match=r"no op 'sharpen'.*codes, quantize, .*shuffle, unshuffle"):
        ops.install(Kernel(op="sharpen", device_type="cpu", run=lambda x: x))


def test_every_op_dispatches() -> None:
    assert {"codes", "quantize", "shuffle", "unshuffle"} <= set(ops.ops())
    for name in ops.ops():
        fake = Kernel(op=name, device_type="cpu", run=lambda *args, **kwargs: torch.tensor(7))
        ops.install(fake)
        try:
            assert getattr(ops, name)(torch.zeros(1, 1, 2, 2)) == 7, name
        finally:
            ops.uninstall(fake)
