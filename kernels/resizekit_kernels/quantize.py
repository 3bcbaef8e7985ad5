"""Round to 8 bits in one pass: network output (+ guide) ─► clamp ─► round half to even ─► floats, uint8, or both."""

from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from resizekit import Kernel
from resizekit.ops import Quantized, reference
from resizekit.ops.quantize import SCALE, check_quantize
from resizekit_kernels.arithmetic import multiply, narrow, to_level
from resizekit_kernels.launch import (
    FLOATS,
    Block,
    Wrap,
    autograd_function,
    block_for,
    direct,
    is_compiling,
    needs_grad,
    or_reference,
    runs_reference,
    triton_op,
    wrap_triton,
)  # fmt: skip

__all__ = [
    "CLAMP_GRADIENTS", "KERNELS",
    "launch_backward", "let_through",
    "quantize_backward_kernel", "quantize_backward_op", "quantize_kernel", "quantize_op", "store_rounded",
]  # fmt: skip

_BLOCKS = {0: Block(2048, 4), 9: Block(2048, 4), 10: Block(4096, 8)}
CLAMP_GRADIENTS = {"identity": 0, "identity_if_towards": 1, "disconnected": 2}
"""`resizekit.ops.quantize.ClampGradient` as numbers, for ops; only "identity" does not need the saved sides."""


@triton.jit
def store_rounded(value, low, codes, side, offset, mask, OUTPUTS: tl.constexpr, SCALE: tl.constexpr):
    """Round float32 values and store the outputs that OUTPUTS selects, as in `quantize_kernel`, at the offsets."""
    level = to_level(value)
    if OUTPUTS & 1:
        exact = tl.where(value == value, multiply(level, SCALE), value)  # NaN stays NaN in training
        tl.store(low + offset, narrow(exact, low.dtype.element_ty), mask=mask)
    if OUTPUTS & 2:
        tl.store(codes + offset, level.to(tl.uint8), mask=mask)
    if OUTPUTS & 4:
        tl.store(side + offset, (value > 1.0).to(tl.int8) - (value < 0.0).to(tl.int8), mask=mask)


@triton.jit
def _quantize(
    x, guide, low, codes, side, offset, mask, HAS_GUIDE: tl.constexpr, OUTPUTS: tl.constexpr, SCALE: tl.constexpr
):
    value = tl.load(x + offset, mask=mask).to(tl.float32)
    if HAS_GUIDE:
        value = value + tl.load(guide + offset, mask=mask).to(tl.float32)
    store_rounded(value, low, codes, side, offset, mask, OUTPUTS, SCALE)


@triton.jit
def quantize_kernel(
    x, guide, low, codes, side, count, HAS_GUIDE: tl.constexpr, OUTPUTS: tl.constexpr, SCALE: tl.constexpr,
    BLOCK: tl.constexpr
):  # fmt: skip
    """Round `count` values.

    OUTPUTS is a sum of 1 (`low`, the floats), 2 (`codes`, the uint8 values) and 4 (`side`: -1 below 0, 1 above 1).
    """
    start = tl.program_id(0).to(tl.int64) * BLOCK
    offset = start + tl.arange(0, BLOCK)
    if start + BLOCK <= count:  # full blocks need no mask: an odd count then does not prevent vector access
        _quantize(x, guide, low, codes, side, offset, None, HAS_GUIDE, OUTPUTS, SCALE)
    else:
        _quantize(x, guide, low, codes, side, offset, offset < count, HAS_GUIDE, OUTPUTS, SCALE)


@triton.jit
def _pass_gradient(gradient, side, out, offset, mask, DISCONNECTED: tl.constexpr):
    value = tl.load(gradient + offset, mask=mask).to(tl.float32)
    outside = tl.load(side + offset, mask=mask)
    if DISCONNECTED:
        keep = outside == 0
    else:  # descent subtracts the gradient: above 1 a positive one leads towards [0, 1]; NaN stays NaN
        keep = ~(((outside > 0) & (value < 0.0)) | ((outside < 0) & (value > 0.0)))
    tl.store(out + offset, tl.where(keep, value, 0.0).to(out.dtype.element_ty), mask=mask)


@triton.jit
def quantize_backward_kernel(gradient, side, out, count, DISCONNECTED: tl.constexpr, BLOCK: tl.constexpr):
    """Pass `count` gradients where `side` permits it."""
    start = tl.program_id(0).to(tl.int64) * BLOCK
    offset = start + tl.arange(0, BLOCK)
    if start + BLOCK <= count:
        _pass_gradient(gradient, side, out, offset, None, DISCONNECTED)
    else:
        _pass_gradient(gradient, side, out, offset, offset < count, DISCONNECTED)


def _dense(x: Tensor) -> Tensor:
    """Return the values without gaps, in the order of the memory."""
    if x.is_contiguous() or (x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)):
        return x
    return x.contiguous()


def _launch(x: Tensor, guide: Tensor | None, outputs: int, wrap: Wrap = direct) -> tuple[Tensor, Tensor, Tensor]:
    """Round; outputs that are not selected are empty."""
    x = _dense(x)
    if guide is not None and guide.stride() != x.stride():
        guide = torch.empty_like(x, dtype=guide.dtype).copy_(guide)
    dtype = x.dtype if guide is None else torch.promote_types(x.dtype, guide.dtype)
    low = torch.empty_like(x, dtype=dtype) if outputs & 1 else x.new_empty(0)
    codes = torch.empty_like(x, dtype=torch.uint8) if outputs & 2 else x.new_empty(0, dtype=torch.uint8)
    side = torch.empty_like(x, dtype=torch.int8) if outputs & 4 else x.new_empty(0, dtype=torch.int8)
    count = x.numel()
    if count:
        block = block_for(x, _BLOCKS)
        wrap(quantize_kernel)[(triton.cdiv(count, block.size),)](
            x, x if guide is None else guide, low, codes, side, count,
            HAS_GUIDE=guide is not None, OUTPUTS=outputs, SCALE=SCALE, BLOCK=block.size, num_warps=block.warps,
        )  # fmt: skip
    return low, codes, side


def launch_backward(gradient: Tensor, side: Tensor, disconnected: bool, wrap: Wrap = direct) -> Tensor:
    """Pass gradients where `side` (1 above 1, -1 below 0) permits it, in the memory layout of `side`."""
    if needs_grad(gradient):  # for second derivatives: autograd cannot see into a launch
        return let_through(gradient, side, disconnected)
    if gradient.stride() != side.stride():
        gradient = torch.empty_like(side, dtype=gradient.dtype).copy_(gradient)
    out = torch.empty_like(gradient)
    count = gradient.numel()
    if count:
        block = block_for(gradient, _BLOCKS)
        wrap(quantize_backward_kernel)[(triton.cdiv(count, block.size),)](
            gradient, side, out, count, DISCONNECTED=disconnected, BLOCK=block.size, num_warps=block.warps
        )
    return out


def let_through(gradient: Tensor, side: Tensor, disconnected: bool) -> Tensor:
    """Pass gradients as `launch_backward` does, without a kernel."""
    blocked = side != 0 if disconnected else ((side > 0) & (gradient < 0)) | ((side < 0) & (gradient > 0))
    return gradient.masked_fill(blocked, 0)


@triton_op("resizekit::quantize", mutates_args={})
def quantize_op(x: Tensor, guide: Tensor | None, outputs: int, clamp_gradient: int) -> tuple[Tensor, Tensor, Tensor]:
    """Round as an op for the compiler: (low, codes, side); outputs that are not selected are empty."""
    if not runs_reference(x):
        return _launch(x, guide, outputs, wrap_triton)
    wide = x.float() if guide is None else x.float() + guide.float()
    dtype = x.dtype if guide is None else torch.promote_types(x.dtype, guide.dtype)
    side = (wide > 1).to(torch.int8) - (wide < 0).to(torch.int8) if outputs & 4 else x.new_empty(0, dtype=torch.int8)
    codes = reference("to_uint8")(wide) if outputs & 2 else x.new_empty(0, dtype=torch.uint8)
    return (reference("quantize")(wide).to(dtype) if outputs & 1 else x.new_empty(0)), codes, side


@triton_op("resizekit::quantize_backward", mutates_args={})
def quantize_backward_op(gradient: Tensor, side: Tensor, disconnected: bool) -> Tensor:
    """Pass gradients as an op for the compiler."""
    if not runs_reference(gradient):
        return launch_backward(gradient, side, disconnected, wrap_triton)
    return let_through(gradient, side, disconnected)


def _setup(ctx: Any, inputs: tuple[Tensor, Tensor | None, int, int], output: tuple[Tensor, Tensor, Tensor]) -> None:
    x, guide, _, ctx.clamp_gradient = inputs
    ctx.dtypes = x.dtype, None if guide is None else guide.dtype
    ctx.save_for_backward(output[2])


def _backward(run: Callable[[Tensor, Tensor, bool], Tensor]) -> Callable[..., tuple[Tensor | None, ...]]:
    def backward(ctx: Any, gradient: Tensor, *_: object) -> tuple[Tensor | None, ...]:
        (side,) = ctx.saved_tensors
        if ctx.clamp_gradient:
            gradient = run(gradient, side, ctx.clamp_gradient == CLAMP_GRADIENTS["disconnected"])
        dtype_of_x, dtype_of_guide = ctx.dtypes
        return gradient.to(dtype_of_x), None if dtype_of_guide is None else gradient.to(dtype_of_guide), None, None

    return backward


quantize_op.register_autograd(_backward(quantize_backward_op), setup_context=_setup)
_differentiable = autograd_function(
    "Quantize",
    lambda x, guide, outputs, clamp_gradient: _launch(x, guide, outputs),
    _setup,
    _backward(or_reference(launch_backward, let_through)),
)


def _run(x: Tensor, guide: Tensor | None, outputs: int, clamp_gradient: str) -> tuple[Tensor, Tensor, Tensor]:
    if outputs & 1 and needs_grad(x, guide):
        rule = CLAMP_GRADIENTS[clamp_gradient]
        outputs |= 4 if rule else 0
        return (quantize_op if is_compiling() else _differentiable)(x, guide, outputs, rule)
    if is_compiling():  # detached: otherwise an empty `low` would carry a gradient
        return quantize_op(x.detach(), None if guide is None else guide.detach(), outputs, 0)
    return _launch(x, guide, outputs)


def _fits(x: Tensor, guide: Tensor | None) -> bool:
    return x.dtype in FLOATS and (guide is None or guide.dtype in FLOATS)


def to_uint8(x: Tensor, guide: Tensor | None = None) -> Tensor:
    """Replace `resizekit.ops.to_uint8`."""
    check_quantize(x, guide, "identity_if_towards")
    return _run(x, guide, 2, "identity")[1] if _fits(x, guide) else reference("to_uint8")(x, guide)


def quantize(x: Tensor, guide: Tensor | None = None, *, clamp_gradient: str = "identity_if_towards") -> Tensor:
    """Replace `resizekit.ops.quantize`."""
    check_quantize(x, guide, clamp_gradient)
    return (
        _run(x, guide, 1, clamp_gradient)[0]
        if _fits(x, guide)
        else reference("quantize")(x, guide, clamp_gradient=clamp_gradient)
    )


def quantize_codes(x: Tensor, guide: Tensor | None = None, *, clamp_gradient: str = "identity_if_towards") -> Quantized:
    """Replace `resizekit.ops.quantize_codes`."""
    check_quantize(x, guide, clamp_gradient)
    if not _fits(x, guide):
        return reference("quantize_codes")(x, guide, clamp_gradient=clamp_gradient)
    return Quantized(*_run(x, guide, 3, clamp_gradient)[:2])


def _bytes_moved(outputs: int) -> Any:
    def bytes_moved(x: Tensor, guide: Tensor | None = None, **_: object) -> int:
        dtype = x.dtype if guide is None else torch.promote_types(x.dtype, guide.dtype)
        read = x.element_size() + (guide.element_size() if guide is not None else 0)
        written = dtype.itemsize * (outputs & 1) + (outputs >> 1 & 1)
        return x.numel() * (read + written)

    return bytes_moved


KERNELS = (
    Kernel(op="to_uint8", device_type="cuda", run=to_uint8, bytes_moved=_bytes_moved(2)),
    Kernel(op="quantize", device_type="cuda", run=quantize, bytes_moved=_bytes_moved(1)),
    Kernel(op="quantize_codes", device_type="cuda", run=quantize_codes, bytes_moved=_bytes_moved(3)),
)
