"""Unshuffling and rounding in one kernel: values and gradients are bit-equal to the reference."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

pytest.importorskip("triton", reason="Triton is not installed")

from resizekit.errors import ResizeShapeError, UsageError
from resizekit.ops import Quantized, reference
from resizekit.ops.quantize import SCALE
from resizekit.testing.memory import RedZones, placed
from resizekit_kernels import quantize
from resizekit_kernels import unshuffle_quantize as module

(KERNEL,) = module.KERNELS
FLOATS = (torch.float32, torch.float16, torch.bfloat16)
LAYOUTS = ("plain", "channels last", "crop", "crop, channels last", "transposed", "every second")
FACTORS = ((1, 1), (2, 2), (2, 1), (1, 4), (3, 2), (2, 3))
RULES = ("identity_if_towards", "identity", "disconnected")

exactly = partial(torch.testing.assert_close, rtol=0, atol=0, equal_nan=True)


def values(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 1.5 - 0.25


def with_layout(x: Tensor, layout: str) -> Tensor:
    """The same values with other strides."""
    b, c, h, w = x.shape
    if layout == "plain":
        return x
    if layout == "channels last":
        return x.contiguous(memory_format=torch.channels_last)
    if layout.startswith("crop"):
        wider = x.new_full((b, c, h + 1, w + 3), torch.nan)
        wider = with_layout(wider, layout.removeprefix("crop, ") if "," in layout else "plain")
        wider[:, :, 1:, 2:-1] = x
        return wider[:, :, 1:, 2:-1]
    if layout == "transposed":
        return x.mT.contiguous().mT
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)[:, :, ::2, ::2]


def agree(x: Tensor, s: int, r: int) -> tuple[Quantized, Quantized]:
    got, expected = KERNEL.run(x, s, r), reference("unshuffle_quantize")(x, s, r)
    exactly(got, expected)
    assert isinstance(got, Quantized)
    return got, expected


# --- layouts and sizes -------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("s", "r"), FACTORS)
@pytest.mark.parametrize("c", [1, 3])
def test_every_layout_equals_the_reference(c: int, s: int, r: int, layout: str, kernel_device: torch.device) -> None:
    turn = c + s + r + LAYOUTS.index(layout)
    x = values(1 + turn % 2, c, 2 * s, (5, 8)[turn // 2 % 2] * r).to(FLOATS[turn % 3])
    agree(placed(with_layout(x, layout), kernel_device), s, r)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_dtype_equals_the_reference(layout: str, dtype: torch.dtype, kernel_device: torch.device) -> None:
    agree(placed(with_layout(values(1, 3, 4, 16).to(dtype), layout), kernel_device), 2, 2)


@pytest.mark.parametrize("layout", ["plain", "channels last", "crop", "crop, channels last"])
def test_outputs_have_the_strides_of_the_reference(layout: str, kernel_device: torch.device) -> None:
    for s, r in FACTORS[1:]:
        got, expected = agree(with_layout(values(2, 2, 2 * s, 3 * r), layout).to(kernel_device), s, r)
        assert [y.stride() for y in got] == [y.stride() for y in expected]


@pytest.mark.parametrize("layout", ["plain", "channels last"])
@pytest.mark.parametrize(("r", "pixels"), [(2, 1023), (2, 1024), (2, 1025), (3, 513), (1, 2049)])
def test_blocks_cover_all_values_and_nothing_else(
    r: int, pixels: int, layout: str, kernel_device: torch.device
) -> None:
    x = placed(with_layout(values(1, 2, 1, pixels * r), layout), kernel_device).requires_grad_()
    with RedZones() as zones:
        got = KERNEL.run(x, 1, r)
        got.low.sum().backward()
    exactly(tuple(got), tuple(reference("unshuffle_quantize")(x, 1, r)))
    assert zones.overrun() is None


@settings(max_examples=20)
@given(st.tuples(*6 * [st.integers(1, 4)]), st.sampled_from(LAYOUTS), st.sampled_from(FLOATS))
def test_any_shape_equals_the_reference(shape: tuple[int, ...], layout: str, dtype: torch.dtype) -> None:
    b, c, s, r, h, w = shape
    x = with_layout(values(min(b, 2), min(c, 3), h * s, w * r).to(dtype), layout)
    agree(x.to("cuda" if torch.cuda.is_available() else "cpu"), s, r)


def test_empty_batch_launches_nothing(monkeypatch: pytest.MonkeyPatch, kernel_device: torch.device) -> None:
    monkeypatch.setattr(module, "unshuffle_quantize_kernel", None)
    monkeypatch.setattr(quantize, "quantize_backward_kernel", None)
    x = torch.zeros(0, 3, 4, 6, device=kernel_device, requires_grad=True)
    agree(x.detach(), 2, 3)
    KERNEL.run(x, 2, 3).low.sum().backward()
    exactly(x.grad, x.detach())


def test_forward_is_a_single_launch(monkeypatch: pytest.MonkeyPatch, kernel_device: torch.device) -> None:
    launched: list[object] = []
    kind = type(module.unshuffle_quantize_kernel)
    monkeypatch.setattr(kind, "__getitem__", lambda kernel, _: lambda *_, **__: launched.append(kernel))
    KERNEL.run(values(1, 3, 4, 6).to(kernel_device).requires_grad_(), 2, 2)
    assert launched == [module.unshuffle_quantize_kernel]


# --- rounding ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["plain", "channels last"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_all_256_values_survive(dtype: torch.dtype, layout: str, kernel_device: torch.device) -> None:
    numbers = torch.arange(256, dtype=torch.uint8, device=kernel_device).reshape(1, 2, 8, 16)
    low, codes = KERNEL.run(with_layout((numbers.float() * SCALE).to(dtype), layout), 2, 2)
    exactly(codes, reference("unshuffle")(numbers, 2, 2))
    exactly(low, (codes.float() * SCALE).to(dtype))


@pytest.mark.parametrize("dtype", FLOATS)
def test_ties_and_their_neighbors_round_as_the_reference(dtype: torch.dtype, kernel_device: torch.device) -> None:
    middle, far = (torch.arange(256) + 0.5) / 255, torch.tensor(torch.inf)
    x = torch.stack([middle.nextafter(-far), middle, middle.nextafter(far)]).reshape(1, 3, 16, 16)
    agree(x.to(kernel_device, dtype), 2, 2)
    agree(with_layout(x.to(kernel_device, dtype), "channels last"), 2, 2)


@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_and_infinity_give_the_reference_result(dtype: torch.dtype, kernel_device: torch.device) -> None:
    odd = [torch.nan, torch.inf, -torch.inf, -0.0, torch.finfo(dtype).max, torch.finfo(dtype).min, 1.0, 0.0]
    got, _ = agree(torch.tensor(odd, dtype=dtype, device=kernel_device).reshape(1, 1, 2, 4), 2, 2)
    assert got.low[0, 0, 0, 0].isnan()
    assert got.codes[0, 0, 0, 0] == 0


# --- gradients ---------------------------------------------------------------------------------


def gradients_of(run: Callable[..., Quantized], x: Tensor, s: int, r: int, upstream: Tensor, rule: str) -> Tensor:
    low, codes = run(x, s, r, clamp_gradient=rule)
    assert low.requires_grad
    assert not codes.requires_grad
    return torch.autograd.grad(low, x, upstream.to(low.dtype))[0]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_equal_the_reference(layout: str, rule: str, kernel_device: torch.device) -> None:
    upstream = values(2, 8, 2, 5, seed=1).to(kernel_device) - 0.5
    upstream[0, 0, 0, 0] = torch.nan
    arriving = [
        upstream,
        with_layout(upstream, "channels last"),
        torch.ones((), device=kernel_device).expand_as(upstream),
    ]
    for dtype, gradient in zip(FLOATS, arriving, strict=True):
        x = with_layout(values(2, 2, 4, 10).to(dtype), layout).to(kernel_device).requires_grad_()
        expected = gradients_of(reference("unshuffle_quantize"), x, 2, 2, gradient, rule)
        exactly(gradients_of(KERNEL.run, x, 2, 2, gradient, rule), expected)


@pytest.mark.parametrize("rule", RULES)
def test_gradients_of_nan_and_infinity_equal_the_reference(rule: str, kernel_device: torch.device) -> None:
    odd = torch.tensor([torch.nan, torch.inf, -torch.inf, -0.0, 0.0, 1.0])
    x, upstream = (y.to(kernel_device) for y in torch.meshgrid(odd, odd, indexing="ij"))
    x, upstream = x[None, None].requires_grad_(), reference("unshuffle")(upstream[None, None], 2, 3)
    expected = gradients_of(reference("unshuffle_quantize"), x, 2, 3, upstream, rule)
    exactly(gradients_of(KERNEL.run, x, 2, 3, upstream, rule), expected)


@pytest.mark.parametrize("rule", RULES)
def test_second_derivatives_equal_the_reference(rule: str, kernel_device: torch.device) -> None:
    def twice(run: Callable[..., Quantized]) -> Tensor:
        x = values(1, 2, 4, 6).to(kernel_device).requires_grad_()
        scale = values(1, 12, 2, 2, seed=1).to(kernel_device).sub(0.5).requires_grad_()
        (once,) = torch.autograd.grad(run(x, 2, 3, clamp_gradient=rule).low, x, scale, create_graph=True)
        return torch.autograd.grad(once.square().sum(), scale)[0]

    exactly(twice(KERNEL.run), twice(reference("unshuffle_quantize")))


@pytest.mark.parametrize("quiet", [torch.no_grad, torch.inference_mode])
def test_no_graph_is_recorded_without_gradients(quiet: Any, kernel_device: torch.device) -> None:
    with quiet():
        assert not KERNEL.run(values(1, 1, 2, 2).to(kernel_device).requires_grad_(), 2, 2).low.requires_grad


# --- calls without a launch ---------------------------------------------------------------------


@pytest.mark.usefixtures("no_launch")
@pytest.mark.parametrize(
    ("error", "x", "s", "r", "options"),
    [
        (ResizeShapeError, values(1, 1, 5, 6), 2, 2, {}),
        (ResizeShapeError, values(1, 1, 4, 5), 2, 2, {}),
        (ResizeShapeError, values(1, 1, 4, 4), 0, 2, {}),
        (ResizeShapeError, values(1, 4, 4), 2, 2, {}),
        (ResizeShapeError, values(1, 1, 4, 4).int(), 2, 2, {}),
        (ResizeShapeError, values(1, 1, 5, 4).int(), 2, 2, {"clamp_gradient": "outward"}),
        (UsageError, values(1, 1, 4, 4), 2, 2, {"clamp_gradient": "outward"}),
    ],
)
def test_errors_equal_those_of_the_reference(
    error: type[Exception], x: Tensor, s: int, r: int, options: dict[str, str]
) -> None:
    with pytest.raises(error) as expected:
        reference("unshuffle_quantize")(x, s, r, **options)
    with pytest.raises(error) as got:
        KERNEL.run(x, s, r, **options)
    assert str(got.value) == str(expected.value)


@pytest.mark.usefixtures("no_launch")
def test_float64_and_large_factors_go_to_the_reference() -> None:
    x = values(1, 3, 4, 6).double()
    agree(x, 2, 3)
    x.requires_grad_()
    expected = gradients_of(reference("unshuffle_quantize"), x, 1, 1, x.detach(), "identity_if_towards")
    exactly(gradients_of(KERNEL.run, x, 1, 1, x.detach(), "identity_if_towards"), expected)
    agree(values(1, 1, 1, 33), 1, 33)
    agree(values(1, 1, 47, 44 * 2), 47, 44)


def test_bytes_moved_counts_inputs_and_outputs() -> None:
    assert KERNEL.bytes_moved is not None
    assert KERNEL.bytes_moved(values(2, 3, 4, 6), 2, 2) == 144 * 9
    assert KERNEL.bytes_moved(values(2, 3, 4, 6).bfloat16(), 2, 3, clamp_gradient="identity") == 144 * 5
