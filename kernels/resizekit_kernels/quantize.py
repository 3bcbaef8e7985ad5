"""Rounding to 8 bits: network output (+ guide) ─► clamp ─► round half even ─► low, codes, or both, in one pass."""

from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from resizekit import Kernel
from resizekit.ops import Quantized, reference
from resizekit.ops.quantize import SCALE, check_quantize
from resizekit_kernels.arithmetic import code, narrow, times
from resizekit_kernels.launch import (
    FLOATS,
    Block,
    Wrap,
    any_grad,
    autograd_function,
    block_for,
    direct,
    on_cpu,
    traced,
    triton_op,
    wrap_triton,
)  # fmt: skip

__all__ = [
    "GRADIENTS", "KERNELS",
    "launch_backward", "quantize_backward_kernel", "quantize_backward_op", "quantize_kernel", "quantize_op", "rounded",
]  # fmt: skip

_BLOCKS = {0: Block(2048, 4), 9: Block(2048, 4), 10: Block(4096, 8)}
GRADIENTS = {"plain": 0, "inward": 1, "clipped": 2}
"""The rules as numbers, which ops can take; only "plain" needs to know nothing of what was rounded."""


@triton.jit
def rounded(v, low, codes, side, o, mask, OUT: tl.constexpr, SCALE: tl.constexpr):
    """Round float32 values and store, at offsets o, what OUT asks for as in `quantize_kernel`."""
    k = code(v)
    if OUT & 1:
        exact = tl.where(v == v, times(k, SCALE), v)  # NaN stays visible in training
        tl.store(low + o, narrow(exact, low.dtype.element_ty), mask=mask)
    if OUT & 2:
        tl.store(codes + o, k.to(tl.uint8), mask=mask)
    if OUT & 4:
        tl.store(side + o, (v > 1.0).to(tl.int8) - (v < 0.0).to(tl.int8), mask=mask)


@triton.jit
def _quantize(x, guide, low, codes, side, o, mask, GUIDE: tl.constexpr, OUT: tl.constexpr, SCALE: tl.constexpr):
    v = tl.load(x + o, mask=mask).to(tl.float32)
    if GUIDE:
        v = v + tl.load(guide + o, mask=mask).to(tl.float32)
    rounded(v, low, codes, side, o, mask, OUT, SCALE)


@triton.jit
def quantize_kernel(
    x, guide, low, codes, side, n, GUIDE: tl.constexpr, OUT: tl.constexpr, SCALE: tl.constexpr, B: tl.constexpr
):  # fmt: skip
    """Round n values; OUT is a sum of 1 (low), 2 (codes), 4 (side: -1 below 0, 1 above 1)."""
    start = tl.program_id(0).to(tl.int64) * B
    o = start + tl.arange(0, B)
    if start + B <= n:  # whole blocks carry no mask, so an odd n costs no vector access
        _quantize(x, guide, low, codes, side, o, None, GUIDE, OUT, SCALE)
    else:
        _quantize(x, guide, low, codes, side, o, o < n, GUIDE, OUT, SCALE)


@triton.jit
def _pass(gradient, side, out, o, mask, CLIPPED: tl.constexpr):
    g = tl.load(gradient + o, mask=mask).to(tl.float32)
    s = tl.load(side + o, mask=mask)
    if CLIPPED:
        keep = s == 0
    else:  # a step goes against the gradient: above 1 a positive one leads back; NaN is kept to be seen
        keep = ~(((s > 0) & (g < 0.0)) | ((s < 0) & (g > 0.0)))
    tl.store(out + o, tl.where(keep, g, 0.0).to(out.dtype.element_ty), mask=mask)


@triton.jit
def quantize_backward_kernel(gradient, side, out, n, CLIPPED: tl.constexpr, B: tl.constexpr):
    """Let n gradients through where `side` allows it."""
    start = tl.program_id(0).to(tl.int64) * B
    o = start + tl.arange(0, B)
    if start + B <= n:
        _pass(gradient, side, out, o, None, CLIPPED)
    else:
        _pass(gradient, side, out, o, o < n, CLIPPED)


def _dense(x: Tensor) -> Tensor:
    """Give the values without gaps, in the order in which they lie."""
    if x.is_contiguous() or (x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)):
        return x
    return x.contiguous()


def _launch(x: Tensor, guide: Tensor | None, outputs: int, wrap: Wrap = direct) -> tuple[Tensor, Tensor, Tensor]:
    """Round; outputs that were not asked for are empty."""
    x = _dense(x)
    if guide is not None and guide.stride() != x.stride():
        guide = torch.empty_like(x, dtype=guide.dtype).copy_(guide)
    kind = x.dtype if guide is None else torch.promote_types(x.dtype, guide.dtype)
    low = torch.empty_like(x, dtype=kind) if outputs & 1 else x.new_empty(0)
    stored = torch.empty_like(x, dtype=torch.uint8) if outputs & 2 else x.new_empty(0, dtype=torch.uint8)
    side = torch.empty_like(x, dtype=torch.int8) if outputs & 4 else x.new_empty(0, dtype=torch.int8)
    n = x.numel()
    if n:
        block = block_for(x, _BLOCKS)
        wrap(quantize_kernel)[(triton.cdiv(n, block.size),)](
            x, x if guide is None else guide, low, stored, side, n,
            GUIDE=guide is not None, OUT=outputs, SCALE=SCALE, B=block.size, num_warps=block.warps,
        )  # fmt: skip
    return low, stored, side


def launch_backward(gradient: Tensor, side: Tensor, clipped: bool, wrap: Wrap = direct) -> Tensor:
    """Let gradients through where `side` (1 above 1, -1 below 0) allows it; laid out as `side` is."""
    if any_grad(gradient):  # a second derivative is wanted, and a launch leaves no trace to follow
        return _let_through(gradient, side, clipped)
    if gradient.stride() != side.stride():
        gradient = torch.empty_like(side, dtype=gradient.dtype).copy_(gradient)
    out = torch.empty_like(gradient)
    n = gradient.numel()
    if n:
        block = block_for(gradient, _BLOCKS)
        wrap(quantize_backward_kernel)[(triton.cdiv(n, block.size),)](
            gradient, side, out, n, CLIPPED=clipped, B=block.size, num_warps=block.warps
        )
    return out


def _let_through(gradient: Tensor, side: Tensor, clipped: bool) -> Tensor:
    outward = side != 0 if clipped else ((side > 0) & (gradient < 0)) | ((side < 0) & (gradient > 0))
    return gradient.masked_fill(outward, 0)


@triton_op("resizekit::quantize", mutates_args={})
def quantize_op(x: Tensor, guide: Tensor | None, outputs: int, gradient: int) -> tuple[Tensor, Tensor, Tensor]:
    """Round as the compiler sees it: (low, codes, side), those not asked for empty."""
    if not on_cpu(x):
        return _launch(x, guide, outputs, wrap_triton)
    wide = x.float() if guide is None else x.float() + guide.float()
    kind = x.dtype if guide is None else torch.promote_types(x.dtype, guide.dtype)
    side = (wide > 1).to(torch.int8) - (wide < 0).to(torch.int8) if outputs & 4 else x.new_empty(0, dtype=torch.int8)
    stored = reference("to_uint8")(wide) if outputs & 2 else x.new_empty(0, dtype=torch.uint8)
    return (reference("quantize")(wide).to(kind) if outputs & 1 else x.new_empty(0)), stored, side


@triton_op("resizekit::quantize_backward", mutates_args={})
def quantize_backward_op(gradient: Tensor, side: Tensor, clipped: bool) -> Tensor:
    """Let gradients through as the compiler sees it."""
    if not on_cpu(gradient):
        return launch_backward(gradient, side, clipped, wrap_triton)
    return _let_through(gradient, side, clipped)


def _setup(ctx: Any, inputs: tuple[Tensor, Tensor | None, int, int], output: tuple[Tensor, Tensor, Tensor]) -> None:
    x, guide, _, ctx.gradient = inputs
    ctx.kinds = x.dtype, None if guide is None else guide.dtype
    ctx.save_for_backward(output[2])


def _backward(run: Callable[[Tensor, Tensor, bool], Tensor]) -> Callable[..., tuple[Tensor | None, ...]]:
    def backward(ctx: Any, gradient: Tensor, *_: object) -> tuple[Tensor | None, ...]:
        (side,) = ctx.saved_tensors
        if ctx.gradient:
            gradient = run(gradient, side, ctx.gradient == GRADIENTS["clipped"])
        to_x, to_guide = ctx.kinds
        return gradient.to(to_x), None if to_guide is None else gradient.to(to_guide), None, None

    return backward


quantize_op.register_autograd(_backward(quantize_backward_op), setup_context=_setup)
_differentiable = autograd_function(
    "Quantize", lambda x, guide, outputs, gradient: _launch(x, guide, outputs), _setup, _backward(launch_backward)
)


def _run(x: Tensor, guide: Tensor | None, outputs: int, gradient: str) -> tuple[Tensor, Tensor, Tensor]:
    if outputs & 1 and any_grad(x, guide):
        rule = GRADIENTS[gradient]
        outputs |= 4 if rule else 0
        return (quantize_op if traced() else _differentiable)(x, guide, outputs, rule)
    if traced():  # detached, or an empty `low` would carry a gradient where codes alone are asked for
        return quantize_op(x.detach(), None if guide is None else guide.detach(), outputs, 0)
    return _launch(x, guide, outputs)


def _fits(x: Tensor, guide: Tensor | None) -> bool:
    return x.dtype in FLOATS and (guide is None or guide.dtype in FLOATS)


def to_uint8(x: Tensor, guide: Tensor | None = None) -> Tensor:
    """Stand in for `resizekit.ops.to_uint8`."""
    check_quantize(x, guide, "inward")
    return _run(x, guide, 2, "plain")[1] if _fits(x, guide) else reference("to_uint8")(x, guide)


def quantize(x: Tensor, guide: Tensor | None = None, *, gradient: str = "inward") -> Tensor:
    """Stand in for `resizekit.ops.quantize`."""
    check_quantize(x, guide, gradient)
    return _run(x, guide, 1, gradient)[0] if _fits(x, guide) else reference("quantize")(x, guide, gradient=gradient)


def quantize_codes(x: Tensor, guide: Tensor | None = None, *, gradient: str = "inward") -> Quantized:
    """Stand in for `resizekit.ops.quantize_codes`."""
    check_quantize(x, guide, gradient)
    if not _fits(x, guide):
        return reference("quantize_codes")(x, guide, gradient=gradient)
    return Quantized(*_run(x, guide, 3, gradient)[:2])


def _bytes(outputs: int) -> Any:
    def bytes_moved(x: Tensor, guide: Tensor | None = None, **_: object) -> int:
        kind = x.dtype if guide is None else torch.promote_types(x.dtype, guide.dtype)
        read = x.element_size() + (guide.element_size() if guide is not None else 0)
        written = kind.itemsize * (outputs & 1) + (outputs >> 1 & 1)
        return x.numel() * (read + written)

    return bytes_moved


KERNELS = (
    Kernel(op="to_uint8", device_type="cuda", run=to_uint8, bytes_moved=_bytes(2)),
    Kernel(op="quantize", device_type="cuda", run=quantize, bytes_moved=_bytes(1)),
    Kernel(op="quantize_codes", device_type="cuda", run=quantize_codes, bytes_moved=_bytes(3)),
)
