"""Ops: the laws of moving pixels, of 8-bit rounding, and of the table that kernels enter."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from resizekit import ops
from resizekit.errors import PluginError, ResizeShapeError, UsageError
from resizekit.ops import Kernel
from resizekit.ops.kernel import SWITCH
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
    assert torch.equal(ops.to_uint8(read), every)
    assert torch.equal(ops.quantize(read), read)


@given(st.lists(st.floats(-3, 3, width=32), min_size=1))
def test_quantize_is_what_reading_the_codes_gives(values: list[float]) -> None:
    x = torch.tensor(values)
    assert torch.equal(ops.quantize(x), ops.to_uint8(x).float() * SCALE)
    assert torch.equal(ops.quantize(x.requires_grad_()).detach(), ops.to_uint8(x.detach()).float() * SCALE)


def test_ties_go_to_the_even_code() -> None:
    k = torch.arange(255)
    x = (k + 0.5) / 255
    exact = x * 255 == k + 0.5  # the others lie a rounding error off the middle
    assert exact.sum() > 100
    even = k + k % 2
    assert torch.equal(ops.to_uint8(x)[exact].long(), even[exact])
    assert torch.equal(ops.quantize(x)[exact], even[exact] * SCALE)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1), st.integers(0, 2**32))
def test_the_gradient_passes_straight_through_but_never_further_out(values: list[float], seed: int) -> None:
    x = torch.tensor(values, requires_grad=True)
    upstream = torch.randn(len(values), generator=torch.Generator().manual_seed(seed))
    (gradient,) = torch.autograd.grad(ops.quantize(x), x, upstream)
    stepped = x.detach().double() - upstream  # outside, a step that leads further out is not taken
    outward = ((x < 0) & (stepped < x)) | ((x > 1) & (stepped > x))
    assert torch.equal(gradient, torch.where(outward, torch.zeros_like(upstream), upstream))


def test_nan_is_black_in_a_picture_and_stays_visible_in_training() -> None:
    x = torch.tensor([torch.nan, torch.inf, -torch.inf])
    assert ops.to_uint8(x).tolist() == [0, 255, 0]
    assert ops.quantize(x).isnan().tolist() == [True, False, False]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_every_code(kind: torch.dtype) -> None:
    """Computed in float32: 255 x rounded to bfloat16 would miss most codes."""
    every = torch.arange(256, dtype=torch.uint8)
    read = (every.float() * SCALE).to(kind)
    assert torch.equal(ops.to_uint8(read), every)
    assert torch.equal(ops.quantize(read), read)


@given(st.lists(st.tuples(st.floats(-2, 2, width=32), st.floats(-2, 2, width=32)), min_size=1))
def test_a_guide_is_added_first(pairs: list[tuple[float, float]]) -> None:
    x, guide = (torch.tensor(values) for values in zip(*pairs, strict=True))
    low, stored = ops.quantize_codes(x, guide)
    assert torch.equal(low, ops.quantize(x + guide))
    assert torch.equal(stored, ops.to_uint8(x + guide))
    assert torch.equal(stored, ops.to_uint8(x, guide))
    assert ops.quantize(x.half(), guide.double()).dtype == torch.float64


def test_the_three_rules_outside_the_range() -> None:
    x, upstream = torch.tensor([-1.0, -1.0, 0.5, 2.0, 2.0]), torch.tensor([1.0, -1.0, 3.0, 1.0, -1.0])
    wanted = {"plain": upstream, "clipped": [0, 0, 3, 0, 0], "inward": [0, -1, 3, 1, 0]}
    for rule, gradient in wanted.items():
        x.requires_grad_().grad = None
        guide = torch.zeros_like(x, requires_grad=True)
        ops.quantize(x, guide, gradient=rule).backward(upstream)
        assert torch.equal(x.grad, torch.as_tensor(gradient, dtype=x.dtype)), rule
        assert torch.equal(guide.grad, x.grad), rule


@pytest.mark.parametrize("run", [ops.to_uint8, ops.quantize, ops.quantize_codes])
def test_what_cannot_be_rounded_is_refused(run: Callable[..., object]) -> None:
    with pytest.raises(ResizeShapeError, match=r"torch.uint8.*floating"):
        run(torch.zeros(2, dtype=torch.uint8))
    with pytest.raises(ResizeShapeError, match=r"guide of shape \(1,\)"):
        run(torch.zeros(2), torch.zeros(1))
    if run is not ops.to_uint8:
        with pytest.raises(UsageError, match="inward, plain, clipped"):
            run(torch.zeros(2), gradient="outward")


# --- fused -------------------------------------------------------------------------------------


def picture(b: int, c: int, h: int, w: int) -> Tensor:
    generator = torch.Generator().manual_seed(b + c + h + w)
    return torch.randint(0, 256, (b, h, w, c), dtype=torch.uint8, generator=generator).permute(0, 3, 1, 2)


@given(small, small, small, small, small, small, st.sampled_from([0.0, -0.5]), st.booleans())
def test_from_bytes_to_a_network(
    b: int, c: int, h: int, w: int, s: int, r: int, shift: float, channels_last: bool
) -> None:
    x = picture(b, c, h * s, w * r)
    phases = ops.unshuffle_codes(x, s, r, shift=shift, channels_last=channels_last)
    assert torch.equal(phases, ops.unshuffle(x.float() * SCALE + shift, s, r))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert phases.is_contiguous(memory_format=layout)
    padded = ops.unshuffle_codes(x, s, r, shift=shift, multiple=16, channels_last=channels_last)
    assert padded.shape[1] % 16 == 0
    assert torch.equal(padded[:, : c * s * r], phases)
    assert not padded[:, c * s * r :].any()


@given(small, small, small, small, small, small)
def test_from_a_network_to_bytes(b: int, c: int, h: int, w: int, s: int, r: int) -> None:
    x = picture(b, c, h * s, w * r)
    stored = ops.shuffle_codes(ops.unshuffle_codes(x, s, r, shift=-0.5), s, r, shift=0.5)
    assert torch.equal(stored, x)
    assert stored.is_contiguous(memory_format=torch.channels_last)


@given(small, small, small, small, small, small)
def test_a_pair_is_its_parts(b: int, c: int, h: int, w: int, s: int, r: int) -> None:
    x = picture(b, c, h * s, w * r)
    phases, guide = ops.unshuffle_guide(x, s, r, shift=-0.5)
    assert torch.equal(phases, ops.unshuffle_codes(x, s, r, shift=-0.5))
    assert torch.equal(guide, ops.resample(x.float() * SCALE, (h, w), scale=(Fraction(s), Fraction(r))))
    floats = torch.randn(b, c, h * s, w * r, requires_grad=True)
    low, stored = ops.unshuffle_quantize(floats, s, r)
    assert torch.equal(low, ops.quantize(ops.unshuffle(floats, s, r)))
    assert torch.equal(stored, ops.to_uint8(low))
    (one,) = torch.autograd.grad(low.square().sum(), floats)
    (other,) = torch.autograd.grad(ops.quantize(ops.unshuffle(floats, s, r)).square().sum(), floats)
    assert torch.equal(one, other)


def test_bytes_in_any_strides() -> None:
    x = picture(2, 3, 12, 18)
    for view in (x, x.contiguous(), x[:, :, 2:10, 3:15], x.flip(3), x[:, :1].expand(2, 3, 12, 18)):
        height, width = view.shape[2] // 4 * 4, view.shape[3] // 6 * 6
        view = view[:, :, :height, :width]
        assert torch.equal(ops.unshuffle_codes(view, 2, 3), ops.unshuffle_codes(view.clone(), 2, 3))


def test_what_is_laid_out_channels_last_stays_so() -> None:
    x = torch.rand(2, 3, 8, 12).contiguous(memory_format=torch.channels_last)
    low = ops.unshuffle(x, 2, 3)
    assert low.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(low, ops.unshuffle(x.contiguous(), 2, 3))
    assert ops.shuffle(low, 2, 3).stride() == x.stride()
    assert ops.unshuffle(x.contiguous(), 2, 3).is_contiguous()


def test_bytes_that_do_not_fit_are_refused() -> None:
    for run in (ops.unshuffle_codes, ops.unshuffle_guide):
        with pytest.raises(ResizeShapeError, match=r"torch.float32.*uint8"):
            run(torch.zeros(1, 1, 2, 2), 2, 2)
        with pytest.raises(ResizeShapeError, match="crop to 4x6"):
            run(picture(1, 1, 5, 7), 2, 3)
        with pytest.raises(ResizeShapeError, match=r"cannot become torch\.int32"):
            run(picture(1, 1, 2, 2), 2, 2, dtype=torch.int32)
        with pytest.raises(ResizeShapeError, match="multiple of 0"):
            run(picture(1, 1, 2, 2), 2, 2, multiple=0)
    for run in (ops.shuffle_codes, ops.unshuffle_quantize):
        with pytest.raises(ResizeShapeError, match="floating"):
            run(picture(1, 4, 2, 2), 2, 2)
    with pytest.raises(ResizeShapeError, match="multiple of 4 channels, got 3"):
        ops.shuffle_codes(torch.zeros(1, 3, 2, 2), 2, 2)
    with pytest.raises(ResizeShapeError, match="factors above 0"):
        ops.unshuffle(torch.zeros(1, 3, 2, 2), 0, 2)


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
    with pytest.raises(PluginError, match=r"no op 'sharpen'.*quantize, .*shuffle, .*to_uint8, unshuffle"):
        ops.install(Kernel(op="sharpen", device_type="cpu", run=lambda x: x))


def test_references_can_be_forced(kernel: Kernel) -> None:
    x = counted(1, 6, 1, 1)
    with ops.references():
        assert ops.shuffle(x, 2, 3).shape == (1, 1, 2, 3)
        with ops.references():
            pass
        assert ops.shuffle(x, 2, 3).shape == (1, 1, 2, 3), "leaving the inner block ended the outer one"
    assert torch.equal(ops.shuffle(x, 2, 3), x - 6)
    assert ops.reference("shuffle")(x, 2, 3).shape == (1, 1, 2, 3)


@pytest.mark.parametrize(("value", "forced"), [("off", True), ("OFF", True), ("0", True), ("on", False), ("", False)])
def test_the_environment_can_force_them_too(value: str, forced: bool) -> None:
    told = "from resizekit.ops import kernel; print(bool(kernel._forced))"
    run = subprocess.run(
        [sys.executable, "-c", told], env={**os.environ, SWITCH: value}, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == str(forced)


def test_several_are_installed_together_or_not_at_all() -> None:
    fine = Kernel(op="shuffle", device_type="cpu", run=lambda x, s, r: x)
    with pytest.raises(PluginError, match="has a kernel on 'cpu' already"):
        ops.install(fine, fine)
    assert ops.shuffle(counted(1, 6, 1, 1), 2, 3).shape == (1, 1, 2, 3)


def test_arguments_may_be_named_in_any_order(kernel: Kernel) -> None:
    x = counted(1, 6, 1, 1)
    assert torch.equal(ops.shuffle(s=2, r=3, x=x), x - 6)


def test_what_is_no_tensor_is_told_apart() -> None:
    for call in (ops.to_uint8, lambda: ops.unshuffle([[1.0]], 1, 1)):
        with pytest.raises(UsageError, match=r"takes a torch\.Tensor"):
            call()


def test_an_op_is_defined_once() -> None:
    def to_uint8(x: Tensor) -> Tensor:
        return x

    with pytest.raises(PluginError, match="there is an op 'to_uint8' already"):
        ops.op(to_uint8)
    assert ops.to_uint8(torch.ones(1)).item() == 255


@pytest.mark.parametrize("factor", [2.0, "2", None, Fraction(3, 2), 0, -1])
def test_factors_are_whole(factor: object) -> None:
    for run in (ops.unshuffle, ops.shuffle):
        with pytest.raises(ResizeShapeError, match="whole factors above 0"):
            run(torch.zeros(1, 4, 4, 4), factor, 2)


def test_types_are_types() -> None:
    with pytest.raises(ResizeShapeError, match="cannot become 'bfloat16': choose a floating type"):
        ops.unshuffle_codes(picture(1, 1, 2, 2), 2, 2, dtype="bfloat16")
    with pytest.raises(ResizeShapeError, match=r"torch\.uint8.*floating"):
        ops.to_uint8(torch.zeros(2), torch.zeros(2, dtype=torch.uint8))


def test_every_op_dispatches() -> None:
    assert {"to_uint8", "quantize", "shuffle", "unshuffle"} <= set(ops.ops())
    for name in ops.ops():
        fake = Kernel(op=name, device_type="cpu", run=lambda *args, **kwargs: 7)
        ops.install(fake)
        try:
            assert getattr(ops, name)(torch.zeros(1, 1, 2, 2)) == 7, name
        finally:
            ops.uninstall(fake)
