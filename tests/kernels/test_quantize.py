"""Rounding to 8 bits by kernels: values and gradients are bit-equal to the references."""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

pytest.importorskip("triton", reason="Triton is not installed")

from resizekit.errors import ResizeShapeError, UsageError
from resizekit.ops import reference
from resizekit.ops.quantize import SCALE
from resizekit.testing.memory import RedZones
from resizekit_kernels import quantize as module

KERNELS = {kernel.op: kernel for kernel in module.KERNELS}
FLOATS = (torch.float32, torch.float16, torch.bfloat16)
RULES = ("identity_if_towards", "identity", "disconnected")
BLOCK = 2048

exactly = partial(torch.testing.assert_close, rtol=0, atol=0, equal_nan=True)


def values(*shape: int, seed: int = 0) -> Tensor:
    """Random values, a third of them outside [0, 1]."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 1.5 - 0.25


def layouts(x: Tensor) -> dict[str, Tensor]:
    """The same values with other strides."""
    wider = torch.zeros(*x.shape[:-1], x.shape[-1] + 3, dtype=x.dtype, device=x.device)
    wider[..., 2:-1] = x
    last = x.contiguous(memory_format=torch.channels_last)
    return {"plain": x, "channels last": last, "transposed": x.mT.contiguous().mT, "crop": wider[..., 2:-1]}


def agree(x: Tensor, guide: Tensor | None = None) -> None:
    for op, kernel in KERNELS.items():
        exactly(kernel.run(x, guide), reference(op)(x, guide))


# --- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
def test_every_dtype_and_layout_equals_the_reference(dtype: torch.dtype, kernel_device: torch.device) -> None:
    for x in layouts(values(2, 3, 5, 7).to(dtype)).values():
        agree(x.to(kernel_device))
        for guide in layouts(values(2, 3, 5, 7, seed=1)).values():
            agree(x.to(kernel_device), guide.to(kernel_device))


def test_result_has_the_wider_dtype(kernel_device: torch.device) -> None:
    x = values(3, 40).to(kernel_device)
    for dtypes in product(FLOATS, FLOATS):
        first, second = (x.to(dtype) for dtype in dtypes)
        agree(first, second * 0.5)
        assert KERNELS["quantize"].run(first, second).dtype == torch.promote_types(*dtypes)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_outputs_have_the_strides_of_the_input(memory_format: torch.memory_format, kernel_device: torch.device) -> None:
    x = values(2, 3, 4, 5).contiguous(memory_format=memory_format).to(kernel_device)
    for y in KERNELS["quantize_codes"].run(x):
        assert y.stride() == x.stride()


@pytest.mark.parametrize("n", [1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
def test_blocks_cover_all_values_and_nothing_else(n: int, kernel_device: torch.device) -> None:
    x, guide = values(n).to(kernel_device), values(n, seed=1).to(kernel_device)
    for op, kernel in KERNELS.items():
        with RedZones() as zones:
            got = kernel.run(x, guide)
        exactly(got, reference(op)(x, guide))
        assert zones.overrun() is None


@settings(max_examples=25)
@given(st.lists(st.integers(0, 5), max_size=4), st.randoms(use_true_random=False), st.sampled_from(FLOATS))
def test_any_shape_and_order_equals_the_reference(shape: list[int], random: Any, dtype: torch.dtype) -> None:
    order = random.sample(range(len(shape)), len(shape))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    agree(values(*shape).to(device, dtype).permute(order))


@pytest.mark.parametrize("dtype", FLOATS)
def test_all_256_values_survive(dtype: torch.dtype, kernel_device: torch.device) -> None:
    numbers = torch.arange(256, dtype=torch.uint8, device=kernel_device)
    read = (numbers.float() * SCALE).to(dtype)
    exactly(KERNELS["to_uint8"].run(read), numbers)
    exactly(KERNELS["quantize"].run(read), read)


@pytest.mark.parametrize("dtype", FLOATS)
def test_ties_and_their_neighbors_round_as_the_reference(dtype: torch.dtype, kernel_device: torch.device) -> None:
    middle, far = (torch.arange(256) + 0.5) / 255, torch.tensor(torch.inf)
    x = torch.stack([middle.nextafter(-far), middle, middle.nextafter(far)]).to(kernel_device, dtype)
    agree(x)
    agree(x - 0.25, torch.full_like(x, 0.25))
    if dtype == torch.float32:  # exact ties, independent of the reference
        tie = x[1].double() * 255 == torch.arange(256, device=kernel_device) + 0.5
        tie &= x[1] * 255 == torch.arange(256, device=kernel_device) + 0.5
        assert (KERNELS["to_uint8"].run(x[1])[tie] % 2 == 0).all()


def test_sum_is_rounded_before_it_is_scaled(kernel_device: torch.device) -> None:
    """A fused multiply-add would keep bits that a float32 sum loses, and give other results."""
    middle = (torch.arange(255) + 0.5) / 255
    guide = torch.tensor([2.0**-25, -(2.0**-25), 2.0**-26, 0.0])[:, None]
    agree(middle.expand(4, 255).contiguous().to(kernel_device), guide.expand(4, 255).contiguous().to(kernel_device))


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")  # from NumPy, in the interpreter
@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_and_infinity_give_the_reference_result(dtype: torch.dtype, kernel_device: torch.device) -> None:
    odd = torch.tensor([torch.nan, torch.inf, -torch.inf, -0.0, torch.finfo(dtype).max, torch.finfo(dtype).min])
    x, guide = (y.flatten().to(kernel_device, dtype) for y in torch.meshgrid(odd, odd, indexing="ij"))
    agree(x)
    agree(x, guide)
    assert KERNELS["to_uint8"].run(x[:1]).item() == 0
    assert KERNELS["quantize"].run(x[:1]).isnan().item()


def test_empty_batch_launches_nothing(monkeypatch: pytest.MonkeyPatch, kernel_device: torch.device) -> None:
    monkeypatch.setattr(module, "quantize_kernel", None)
    monkeypatch.setattr(module, "quantize_backward_kernel", None)
    x = torch.zeros(0, 3, 4, 5, device=kernel_device, requires_grad=True)
    agree(x.detach(), x.detach())
    KERNELS["quantize"].run(x).sum().backward()
    exactly(x.grad, x.detach())


# --- gradients ---------------------------------------------------------------------------------


def gradients_of(
    run: Callable[..., Any], x: Tensor, guide: Tensor | None, upstream: Tensor, **options: Any
) -> list[Any]:
    """Return the gradients of every tensor that requires one."""
    leaves = [t for t in (x, guide) if t is not None and t.requires_grad]
    result = run(x, guide, **options)
    low = result if isinstance(result, Tensor) else result[0]
    assert isinstance(result, Tensor) or not result[1].requires_grad
    return list(torch.autograd.grad(low, leaves, upstream.to(low.dtype)))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("op", ["quantize", "quantize_codes"])
def test_gradients_equal_the_reference(op: str, rule: str, kernel_device: torch.device) -> None:
    shape, run = (2, 3, 5, 7), KERNELS[op].run
    upstream = values(*shape, seed=2).to(kernel_device) - 0.5
    upstream[0, 0, 0, 0] = torch.nan
    upstream_layouts = {**layouts(upstream), "of a sum": torch.ones((), device=kernel_device).expand(shape)}
    cases: list[tuple[torch.dtype, torch.dtype | None, bool, bool]] = [
        (torch.float32, None, True, False),
        (torch.float32, torch.float32, True, True),
        (torch.float32, torch.float32, False, True),
        (torch.float16, torch.float32, True, True),
        (torch.float32, torch.bfloat16, True, False),
        (torch.bfloat16, torch.float16, False, True),
        (torch.bfloat16, None, True, False),
    ]
    for (dtype, guide_dtype, x_grad, guide_grad), upstream_gradient in zip(
        cases, 2 * list(upstream_layouts.values()), strict=False
    ):
        x = values(*shape).to(kernel_device, dtype).requires_grad_(x_grad)
        guide = None if guide_dtype is None else values(*shape, seed=1).sub(0.4).to(kernel_device, guide_dtype)
        guide = guide if guide is None else guide.requires_grad_(guide_grad)
        expected = gradients_of(reference(op), x, guide, upstream_gradient, clamp_gradient=rule)
        exactly(gradients_of(run, x, guide, upstream_gradient, clamp_gradient=rule), expected)


@pytest.mark.parametrize("rule", RULES)
def test_gradients_of_nan_and_infinity_equal_the_reference(rule: str, kernel_device: torch.device) -> None:
    odd = torch.tensor([torch.nan, torch.inf, -torch.inf, -0.0, 0.0, 1.0])
    x, upstream = (y.flatten().to(kernel_device) for y in torch.meshgrid(odd, odd, indexing="ij"))
    expected = gradients_of(reference("quantize"), x.requires_grad_(), None, upstream, clamp_gradient=rule)
    exactly(gradients_of(KERNELS["quantize"].run, x, None, upstream, clamp_gradient=rule), expected)


@pytest.mark.parametrize("rule", RULES)
def test_second_derivatives_equal_the_reference(rule: str, kernel_device: torch.device) -> None:
    def twice(run: Callable[..., Tensor]) -> Tensor:
        x = values(40).to(kernel_device).requires_grad_()
        scale = values(40, seed=1).to(kernel_device).sub(0.5).requires_grad_()
        (once,) = torch.autograd.grad(run(x, clamp_gradient=rule), x, scale, create_graph=True)
        (again,) = torch.autograd.grad(once.square().sum(), scale)
        return again

    exactly(twice(KERNELS["quantize"].run), twice(reference("quantize")))


def test_backward_writes_nothing_outside_its_output(kernel_device: torch.device) -> None:
    x = values(BLOCK + 1).to(kernel_device).requires_grad_()
    with RedZones() as zones:
        gradients_of(KERNELS["quantize"].run, x, None, torch.ones_like(x))
    assert zones.overrun() is None


@pytest.mark.parametrize("quiet", [torch.no_grad, torch.inference_mode])
def test_no_graph_is_recorded_without_gradients(quiet: Any, kernel_device: torch.device) -> None:
    x = values(5).to(kernel_device).requires_grad_()
    with quiet():
        assert not KERNELS["quantize"].run(x).requires_grad


# --- calls without a launch ---------------------------------------------------------------------


@pytest.mark.usefixtures("no_launch")
def test_errors_equal_those_of_the_reference() -> None:
    x = values(2, 3)
    bad: list[tuple[type[Exception], tuple[Any, ...], dict[str, Any]]] = [
        (ResizeShapeError, (x.int(),), {}),
        (ResizeShapeError, (x, x.byte()), {}),
        (ResizeShapeError, (x, x[:1]), {}),
        (ResizeShapeError, (x, x.to("meta")), {}),
        (UsageError, (x,), {"clamp_gradient": "outward"}),
    ]
    for (error, args, options), (op, kernel) in product(bad, KERNELS.items()):
        if op == "to_uint8" and options:
            continue
        with pytest.raises(error) as expected:
            reference(op)(*args, **options)
        with pytest.raises(error) as got:
            kernel.run(*args, **options)
        assert str(got.value) == str(expected.value)


@pytest.mark.usefixtures("no_launch")
def test_float64_goes_to_the_reference() -> None:
    x = values(2, 3).double()
    agree(x)
    agree(x, x.half())
    agree(x.half(), x)
    expected = gradients_of(reference("quantize"), x.requires_grad_(), None, x.detach())
    exactly(gradients_of(KERNELS["quantize"].run, x, None, x.detach()), expected)


def test_bytes_moved_counts_inputs_and_outputs() -> None:
    x, guide = values(2, 3, 4, 5), values(2, 3, 4, 5).half()
    counted = {op: (k.bytes_moved(x), k.bytes_moved(x, guide)) for op, k in KERNELS.items() if k.bytes_moved}
    assert counted == {
        "to_uint8": (120 * 5, 120 * 7),
        "quantize": (120 * 8, 120 * 10),
        "quantize_codes": (120 * 9, 120 * 11),
    }
