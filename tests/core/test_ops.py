"""Ops: moving pixels, 8-bit rounding and the fused pairs; test_ops_dispatch.py has the dispatch to kernels."""

from collections.abc import Callable
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from resizekit import ops
from resizekit.errors import ResizeShapeError, UsageError
from resizekit.ops.quantize import SCALE

small = st.integers(1, 4)


def numbered(*shape: int) -> Tensor:
    return torch.arange(float(torch.Size(shape).numel())).reshape(shape)


# --- pixels ------------------------------------------------------------------------------------


@given(small, small, small, small, small, small)
def test_shuffle_and_unshuffle_are_inverse(b: int, c: int, h: int, w: int, s: int, r: int) -> None:
    high = numbered(b, c, h * s, w * r)
    low = ops.unshuffle(high, s, r)
    assert low.shape == (b, c * s * r, h, w)
    assert torch.equal(ops.shuffle(low, s, r), high)
    assert torch.equal(ops.unshuffle(ops.shuffle(low, s, r), s, r), low)


@given(small, small, small, small, small)
def test_equal_factors_agree_with_torch_pixel_shuffle(b: int, c: int, h: int, w: int, s: int) -> None:
    high = numbered(b, c, h * s, w * s)
    low = F.pixel_unshuffle(high, s)
    assert torch.equal(ops.unshuffle(high, s, s), low)
    assert torch.equal(ops.shuffle(low, s, s), F.pixel_shuffle(low, s))


@given(small, small, small, small, small, st.data())
def test_unshuffle_moves_each_pixel_as_documented(c: int, h: int, w: int, s: int, r: int, data: st.DataObject) -> None:
    high = numbered(1, c, h * s, w * r)
    i, y, x, dy, dx = (data.draw(st.integers(0, n - 1)) for n in (c, h, w, s, r))
    # b c (h s) (w r) -> b (c s r) h w
    assert ops.unshuffle(high, s, r)[0, (i * s + dy) * r + dx, y, x] == high[0, i, y * s + dy, x * r + dx]


def test_sizes_that_do_not_divide_name_the_fix() -> None:
    with pytest.raises(ResizeShapeError, match=r"5x7.*crop to 4x6"):
        ops.unshuffle(torch.zeros(1, 1, 5, 7), 2, 3)
    with pytest.raises(ResizeShapeError, match="got 8 channels: expected a multiple of 6 channels"):
        ops.shuffle(torch.zeros(1, 8, 2, 2), 2, 3)


# --- rounding ----------------------------------------------------------------------------------


def test_all_256_values_survive_rounding() -> None:
    values = torch.arange(256, dtype=torch.uint8)
    read = values.float() * SCALE
    assert torch.equal(ops.to_uint8(read), values)
    assert torch.equal(ops.quantize(read), read)


@given(st.lists(st.floats(-3, 3, width=32), min_size=1))
def test_quantize_equals_the_stored_values_read_back(values: list[float]) -> None:
    x = torch.tensor(values)
    assert torch.equal(ops.quantize(x), ops.to_uint8(x).float() * SCALE)
    assert torch.equal(ops.quantize(x.requires_grad_()).detach(), ops.to_uint8(x.detach()).float() * SCALE)


def test_ties_round_to_the_even_value() -> None:
    k = torch.arange(255)
    x = (k + 0.5) / 255
    exact = x * 255 == k + 0.5  # the others differ from the middle by a rounding error
    assert exact.sum() > 100
    even = k + k % 2
    assert torch.equal(ops.to_uint8(x)[exact].long(), even[exact])
    assert torch.equal(ops.quantize(x)[exact], even[exact] * SCALE)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1), st.integers(0, 2**32))
def test_gradient_passes_except_away_from_the_range(values: list[float], seed: int) -> None:
    x = torch.tensor(values, requires_grad=True)
    upstream = torch.randn(len(values), generator=torch.Generator().manual_seed(seed))
    (gradient,) = torch.autograd.grad(ops.quantize(x), x, upstream)
    stepped = x.detach().double() - upstream  # outside, a step away from the range is not taken
    outward = ((x < 0) & (stepped < x)) | ((x > 1) & (stepped > x))
    assert torch.equal(gradient, torch.where(outward, torch.zeros_like(upstream), upstream))


def test_nan_becomes_0_as_uint8_and_stays_nan_as_float() -> None:
    x = torch.tensor([torch.nan, torch.inf, -torch.inf])
    assert ops.to_uint8(x).tolist() == [0, 255, 0]
    assert ops.quantize(x).isnan().tolist() == [True, False, False]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_every_value(dtype: torch.dtype) -> None:
    """Because it is computed in float32: most values would be lost if 255 x were rounded to bfloat16."""
    values = torch.arange(256, dtype=torch.uint8)
    read = (values.float() * SCALE).to(dtype)
    assert torch.equal(ops.to_uint8(read), values)
    assert torch.equal(ops.quantize(read), read)


@given(st.lists(st.tuples(st.floats(-2, 2, width=32), st.floats(-2, 2, width=32)), min_size=1))
def test_guide_is_added_before_rounding(pairs: list[tuple[float, float]]) -> None:
    x, guide = (torch.tensor(values) for values in zip(*pairs, strict=True))
    low, stored = ops.quantize_codes(x, guide)
    assert torch.equal(low, ops.quantize(x + guide))
    assert torch.equal(stored, ops.to_uint8(x + guide))
    assert torch.equal(stored, ops.to_uint8(x, guide))
    assert ops.quantize(x.half(), guide.double()).dtype == torch.float64


def test_clamp_gradient_rules_outside_the_range() -> None:
    x, upstream = torch.tensor([-1.0, -1.0, 0.5, 2.0, 2.0]), torch.tensor([1.0, -1.0, 3.0, 1.0, -1.0])
    expected = {"identity": upstream, "disconnected": [0, 0, 3, 0, 0], "identity_if_towards": [0, -1, 3, 1, 0]}
    for rule, gradient in expected.items():
        x.requires_grad_().grad = None
        guide = torch.zeros_like(x, requires_grad=True)
        ops.quantize(x, guide, clamp_gradient=rule).backward(upstream)
        assert torch.equal(x.grad, torch.as_tensor(gradient, dtype=x.dtype)), rule
        assert torch.equal(guide.grad, x.grad), rule


@pytest.mark.parametrize("run", [ops.to_uint8, ops.quantize, ops.quantize_codes])
def test_rounding_refuses_invalid_arguments(run: Callable[..., object]) -> None:
    with pytest.raises(ResizeShapeError, match=r"torch.uint8.*floating"):
        run(torch.zeros(2, dtype=torch.uint8))
    with pytest.raises(ResizeShapeError, match=r"guide of shape \(1,\)"):
        run(torch.zeros(2), torch.zeros(1))
    if run is not ops.to_uint8:
        with pytest.raises(UsageError, match="identity_if_towards, identity, disconnected"):
            run(torch.zeros(2), clamp_gradient="outward")


# --- fused -------------------------------------------------------------------------------------


def image(b: int, c: int, h: int, w: int) -> Tensor:
    generator = torch.Generator().manual_seed(b + c + h + w)
    return torch.randint(0, 256, (b, h, w, c), dtype=torch.uint8, generator=generator).permute(0, 3, 1, 2)


@given(small, small, small, small, small, small, st.sampled_from([0.0, -0.5]), st.booleans())
def test_unshuffle_codes_equals_its_parts(
    b: int, c: int, h: int, w: int, s: int, r: int, shift: float, channels_last: bool
) -> None:
    x = image(b, c, h * s, w * r)
    unshuffled = ops.unshuffle_codes(x, s, r, shift=shift, channels_last=channels_last)
    assert torch.equal(unshuffled, ops.unshuffle(x.float() * SCALE + shift, s, r))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert unshuffled.is_contiguous(memory_format=layout)
    padded = ops.unshuffle_codes(x, s, r, shift=shift, multiple=16, channels_last=channels_last)
    assert padded.shape[1] % 16 == 0
    assert torch.equal(padded[:, : c * s * r], unshuffled)
    assert not padded[:, c * s * r :].any()


@given(small, small, small, small, small, small)
def test_shuffle_codes_inverts_unshuffle_codes(b: int, c: int, h: int, w: int, s: int, r: int) -> None:
    x = image(b, c, h * s, w * r)
    stored = ops.shuffle_codes(ops.unshuffle_codes(x, s, r, shift=-0.5), s, r, shift=0.5)
    assert torch.equal(stored, x)
    assert stored.is_contiguous(memory_format=torch.channels_last)


@given(small, small, small, small, small, small)
def test_fused_ops_equal_their_parts(b: int, c: int, h: int, w: int, s: int, r: int) -> None:
    x = image(b, c, h * s, w * r)
    unshuffled, guide = ops.unshuffle_guide(x, s, r, shift=-0.5)
    assert torch.equal(unshuffled, ops.unshuffle_codes(x, s, r, shift=-0.5))
    assert torch.equal(guide, ops.resample(x.float() * SCALE, (h, w), scale=(Fraction(s), Fraction(r))))
    floats = torch.randn(b, c, h * s, w * r, requires_grad=True)
    low, stored = ops.unshuffle_quantize(floats, s, r)
    assert torch.equal(low, ops.quantize(ops.unshuffle(floats, s, r)))
    assert torch.equal(stored, ops.to_uint8(low))
    (fused,) = torch.autograd.grad(low.square().sum(), floats)
    (separate,) = torch.autograd.grad(ops.quantize(ops.unshuffle(floats, s, r)).square().sum(), floats)
    assert torch.equal(fused, separate)


def test_unshuffle_codes_accepts_any_strides() -> None:
    x = image(2, 3, 12, 18)
    for view in (x, x.contiguous(), x[:, :, 2:10, 3:15], x.flip(3), x[:, :1].expand(2, 3, 12, 18)):
        height, width = view.shape[2] // 4 * 4, view.shape[3] // 6 * 6
        view = view[:, :, :height, :width]
        assert torch.equal(ops.unshuffle_codes(view, 2, 3), ops.unshuffle_codes(view.clone(), 2, 3))


def test_channels_last_format_is_preserved() -> None:
    x = torch.rand(2, 3, 8, 12).contiguous(memory_format=torch.channels_last)
    low = ops.unshuffle(x, 2, 3)
    assert low.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(low, ops.unshuffle(x.contiguous(), 2, 3))
    assert ops.shuffle(low, 2, 3).stride() == x.stride()
    assert ops.unshuffle(x.contiguous(), 2, 3).is_contiguous()


def test_fused_ops_refuse_invalid_arguments() -> None:
    for run in (ops.unshuffle_codes, ops.unshuffle_guide):
        with pytest.raises(ResizeShapeError, match=r"torch.float32.*uint8"):
            run(torch.zeros(1, 1, 2, 2), 2, 2)
        with pytest.raises(ResizeShapeError, match="crop to 4x6"):
            run(image(1, 1, 5, 7), 2, 3)
        with pytest.raises(ResizeShapeError, match=r"cannot convert uint8 to torch\.int32"):
            run(image(1, 1, 2, 2), 2, 2, dtype=torch.int32)
        with pytest.raises(ResizeShapeError, match="multiple of 0"):
            run(image(1, 1, 2, 2), 2, 2, multiple=0)
    for run in (ops.shuffle_codes, ops.unshuffle_quantize):
        with pytest.raises(ResizeShapeError, match="floating"):
            run(image(1, 4, 2, 2), 2, 2)
    with pytest.raises(ResizeShapeError, match="got 3 channels: expected a multiple of 4 channels"):
        ops.shuffle_codes(torch.zeros(1, 3, 2, 2), 2, 2)
    with pytest.raises(ResizeShapeError, match="factors above 0"):
        ops.unshuffle(torch.zeros(1, 3, 2, 2), 0, 2)


@pytest.mark.parametrize("factor", [2.0, "2", None, Fraction(3, 2), 0, -1])
def test_factors_must_be_positive_integers(factor: object) -> None:
    for run in (ops.unshuffle, ops.shuffle):
        with pytest.raises(ResizeShapeError, match="integer factors above 0"):
            run(torch.zeros(1, 4, 4, 4), factor, 2)


def test_wrong_dtypes_are_refused() -> None:
    with pytest.raises(ResizeShapeError, match="cannot convert uint8 to 'bfloat16': choose a floating type"):
        ops.unshuffle_codes(image(1, 1, 2, 2), 2, 2, dtype="bfloat16")
    with pytest.raises(ResizeShapeError, match=r"torch\.uint8.*floating"):
        ops.to_uint8(torch.zeros(2), torch.zeros(2, dtype=torch.uint8))
