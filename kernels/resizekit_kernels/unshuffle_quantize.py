"""From a float picture to its phases in 8 bits: `b c (h s) (w r)` ─► unshuffle ─► round half even ─► low and codes.

x fastest (as torch lies by default): a program takes a stretch of the rows i, i + s, … of one channel, which go to r
planes.  It reads them whole and deals them out in registers, so that reads and writes both have no gaps.
Channels fastest: a program takes whole output pixels.  Their c·s·r values come from s places, near one another.
"""

from collections.abc import Callable
from operator import index
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from resizekit import Kernel
from resizekit.ops import Quantized, reference, shuffle
from resizekit.ops.fused import check_floats
from resizekit.ops.pixel import check_unshuffle, in_channels_last
from resizekit.ops.quantize import SCALE, check_quantize
from resizekit_kernels.launch import (
    FLOATS,
    Wrap,
    any_grad,
    autograd_function,
    direct,
    on_cpu,
    traced,
    triton_op,
    vector,
    wrap_triton,
)
from resizekit_kernels.quantize import GRADIENTS, launch_backward, quantize_backward_op, quantize_op, rounded
from resizekit_kernels.registers import columns

__all__ = ["KERNELS", "unshuffle_quantize_kernel"]

_BLOCK = 2048
"""Values that a program works on."""
_WIDEST = 32
"""The largest r: so many planes a program writes."""


@triton.jit
def unshuffle_quantize_kernel(
    x, low, codes, side, h, n, width, blocks, sb, sc, sy, sx,
    C: tl.constexpr, S: tl.constexpr, R: tl.constexpr, V: tl.constexpr, LAST: tl.constexpr, WHOLE: tl.constexpr,
    OUT: tl.constexpr, SCALE: tl.constexpr, B: tl.constexpr, P: tl.constexpr,
):  # fmt: skip
    """Round the n = h w values of each output plane, B of them in a program; OUT is that of `quantize_kernel`.

    LAST: channels are fastest in the outputs, and P is the next power of two from their number.  V divides the input's
    width and its strides but sx; they are counted in such vectors, so that the compiler knows them for aligned.
    WHOLE: r is a power of two and sx 1, so that rows are read as they lie.
    """
    part = (tl.program_id(0) // blocks).to(tl.int64)
    block = tl.program_id(0) % blocks
    t = block * B + tl.arange(0, B)
    line = width * V
    down = tl.cast(sy, tl.int64) * V
    right = tl.cast(sx, tl.int64)
    if LAST:
        p = tl.arange(0, P)[None, :]
        y, at = t // (line // R), t % (line // R)
        pixel = x + part * sb * V + (y * (down * S) + at * (right * R))[:, None]
        v = tl.load(
            pixel + (p // (S * R) * (tl.cast(sc, tl.int64) * V) + p // R % S * down + p % R * right),
            mask=(t < n)[:, None] & (p < C * S * R),
        )
        o = (part * n + t)[:, None] * (C * S * R) + p
        rounded(v.to(tl.float32), low, codes, side, o, (t < n)[:, None] & (p < C * S * R), OUT, SCALE)
    else:
        rows = x + (part // S // C * sb + part // S % C * sc) * V + part % S * down
        if WHOLE:
            q = block * (B * R) + tl.arange(0, B * R)
            v = tl.load(rows + q // line * (down * S) + q % line, mask=q < h * line).to(tl.float32)
            values = columns(tl.reshape(v, [B, R]), R)
        else:
            at = rows + t // (line // R) * (down * S) + t % (line // R) * (right * R)
            values = ()
            for j in tl.static_range(R):
                values += (tl.load(at + j * right, mask=t < n).to(tl.float32),)
        for j in tl.static_range(R):
            rounded(values[j], low, codes, side, (part * R + j) * n + t, t < n, OUT, SCALE)


def _launch(x: Tensor, s: int, r: int, outputs: int, wrap: Wrap = direct) -> tuple[Tensor, Tensor, Tensor]:
    """Unshuffle and round; `side` is empty if it was not asked for."""
    b, c, height, width = x.shape
    c, h, w = index(c), height // s, width // r
    last = in_channels_last(x)
    layout = torch.channels_last if last else torch.contiguous_format

    def empty(kind: torch.dtype, wanted: bool = True) -> Tensor:
        shape = (b, c * s * r, h, w) if wanted else (0, 1, 1, 1)
        return torch.empty(shape, dtype=kind, device=x.device, memory_format=layout)

    low, stored, side = empty(x.dtype), empty(torch.uint8), empty(torch.int8, bool(outputs & 4))
    if low.numel():
        sb, sc, sy, sx = x.stride()
        whole = sx == 1 and r & (r - 1) == 0 and not last
        v = vector(x, width, sb, sc, sy) if whole else 1
        wide = triton.next_power_of_2(c * s * r if last else r)
        size = max(_BLOCK // wide, 1)
        blocks = triton.cdiv(h * w, size)
        wrap(unshuffle_quantize_kernel)[(blocks * b * (1 if last else c * s),)](
            x, low, stored, side, h, h * w, width // v, blocks, sb // v, sc // v, sy // v, sx,
            C=c, S=s, R=r, V=v, LAST=last, WHOLE=whole, OUT=outputs, SCALE=SCALE, B=size, P=wide, num_warps=4,
        )  # fmt: skip
    return low, stored, side


@triton_op("resizekit::unshuffle_quantize", mutates_args={})
def unshuffle_quantize_op(x: Tensor, s: int, r: int, outputs: int, gradient: int) -> tuple[Tensor, Tensor, Tensor]:
    """Unshuffle and round as the compiler sees it: (low, codes, side), side empty if not asked for."""
    if on_cpu(x):
        return quantize_op(reference("unshuffle")(x, s, r), None, outputs, gradient)
    return _launch(x, s, r, outputs, wrap_triton)


def _setup(ctx: Any, inputs: tuple[Tensor, int, int, int, int], output: tuple[Tensor, Tensor, Tensor]) -> None:
    _, ctx.s, ctx.r, _, ctx.gradient = inputs
    ctx.save_for_backward(output[2])


def _backward(through: Callable[..., Tensor], back: Callable[..., Tensor]) -> Callable[..., tuple[Tensor | None, ...]]:
    def backward(ctx: Any, gradient: Tensor, *_: object) -> tuple[Tensor | None, ...]:
        (side,) = ctx.saved_tensors
        if ctx.gradient:
            gradient = through(gradient, side, ctx.gradient == GRADIENTS["clipped"])
        return back(gradient, ctx.s, ctx.r), None, None, None, None

    return backward


unshuffle_quantize_op.register_autograd(_backward(quantize_backward_op, reference("shuffle")), setup_context=_setup)
_differentiable = autograd_function(
    "UnshuffleQuantize",
    lambda x, s, r, outputs, gradient: _launch(x, s, r, outputs),
    _setup,
    _backward(launch_backward, shuffle),
)


def unshuffle_quantize(x: Tensor, s: int, r: int, *, gradient: str = "inward") -> Quantized:
    """Stand in for `resizekit.ops.unshuffle_quantize`."""
    check_floats(x)
    check_unshuffle(x, s, r)
    check_quantize(x, None, gradient)
    fits = r <= _WIDEST and x.shape[1] * s * r <= _BLOCK and x.shape[2] * x.shape[3] < 2**30  # pixels are int32
    if x.dtype not in FLOATS or not fits:
        return reference("unshuffle_quantize")(x, s, r, gradient=gradient)
    if any_grad(x):
        rule = GRADIENTS[gradient]
        run = unshuffle_quantize_op if traced() else _differentiable
        return Quantized(*run(x, s, r, 7 if rule else 3, rule)[:2])
    return Quantized(*(unshuffle_quantize_op(x, s, r, 3, 0) if traced() else _launch(x, s, r, 3))[:2])


def _bytes_moved(x: Tensor, s: int, r: int, **_: Any) -> int:
    return x.numel() * (2 * x.element_size() + 1)


KERNELS = (Kernel(op="unshuffle_quantize", device_type="cuda", run=unshuffle_quantize, bytes_moved=_bytes_moved),)
