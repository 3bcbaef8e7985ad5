"""Unshuffle a float image and round it to 8 bits in one pass: `b c (h s) (w r)` ─► unshuffle ─► round half to even.

Contiguous inputs: a program takes a part of the rows i, i + s, … of one channel, which belong to r output planes. It
reads these rows entirely and separates the planes in registers, so that reads and writes have no gaps.
Channels-last inputs: a program takes output pixels with all their channels, whose c·s·r values are in s places close to
each other.
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
    autograd_function,
    direct,
    is_compiling,
    needs_grad,
    or_reference,
    runs_reference,
    triton_op,
    vector_width,
    wrap_triton,
)
from resizekit_kernels.quantize import (
    CLAMP_GRADIENTS,
    launch_backward,
    let_through,
    quantize_backward_op,
    quantize_op,
    store_rounded,
)
from resizekit_kernels.registers import split_columns

__all__ = ["KERNELS", "unshuffle_quantize_kernel"]

_VALUES = 2048
"""Values that a program rounds."""
_MAX_R = 32
"""The largest r: a program writes r planes."""


@triton.jit
def unshuffle_quantize_kernel(
    x, low, codes, side, height, count, row_vectors, blocks, stride_b, stride_c, stride_y, stride_x,
    IMAGE_C: tl.constexpr, S: tl.constexpr, R: tl.constexpr, VEC: tl.constexpr, CHANNELS_LAST: tl.constexpr,
    CONTIGUOUS_ROWS: tl.constexpr, OUTPUTS: tl.constexpr, SCALE: tl.constexpr, BLOCK: tl.constexpr,
    BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Round the `count` = h w values of each output plane, BLOCK of them in a program; OUTPUTS as in `quantize_kernel`.

    CHANNELS_LAST: channels are adjacent in the outputs; BLOCK_C is the next power of two of their number. VEC divides
    the width of the input and its strides except stride_x; they count vectors of VEC values, so that the compiler knows
    their alignment. CONTIGUOUS_ROWS: r is a power of two and stride_x is 1, so that a program reads rows without gaps.
    """
    part = (tl.program_id(0) // blocks).to(tl.int64)
    block = tl.program_id(0) % blocks
    output = block * BLOCK + tl.arange(0, BLOCK)
    width = row_vectors * VEC
    row_step = tl.cast(stride_y, tl.int64) * VEC
    pixel_step = tl.cast(stride_x, tl.int64)
    if CHANNELS_LAST:
        channel = tl.arange(0, BLOCK_C)[None, :]
        y, column = output // (width // R), output % (width // R)
        pixel = x + part * stride_b * VEC + (y * (row_step * S) + column * (pixel_step * R))[:, None]
        channel_step = tl.cast(stride_c, tl.int64) * VEC
        channel_offset = channel // (S * R) * channel_step + channel // R % S * row_step + channel % R * pixel_step
        inside = (output < count)[:, None] & (channel < IMAGE_C * S * R)
        value = tl.load(pixel + channel_offset, mask=inside)
        offset = (part * count + output)[:, None] * (IMAGE_C * S * R) + channel
        store_rounded(value.to(tl.float32), low, codes, side, offset, inside, OUTPUTS, SCALE)
    else:
        rows = x + (part // S // IMAGE_C * stride_b + part // S % IMAGE_C * stride_c) * VEC + part % S * row_step
        if CONTIGUOUS_ROWS:
            position = block * (BLOCK * R) + tl.arange(0, BLOCK * R)
            inside = position < height * width
            value = tl.load(rows + position // width * (row_step * S) + position % width, mask=inside).to(tl.float32)
            values = split_columns(tl.reshape(value, [BLOCK, R]), R)
        else:
            source = rows + output // (width // R) * (row_step * S) + output % (width // R) * (pixel_step * R)
            values = ()
            for j in tl.static_range(R):
                values += (tl.load(source + j * pixel_step, mask=output < count).to(tl.float32),)
        for j in tl.static_range(R):
            store_rounded(values[j], low, codes, side, (part * R + j) * count + output, output < count, OUTPUTS, SCALE)


def _launch(x: Tensor, s: int, r: int, outputs: int, wrap: Wrap = direct) -> tuple[Tensor, Tensor, Tensor]:
    """Unshuffle and round; `side` is empty if it is not selected."""
    b, c, height, width = x.shape
    c, h, w = index(c), height // s, width // r
    channels_last = in_channels_last(x)
    layout = torch.channels_last if channels_last else torch.contiguous_format

    def empty(dtype: torch.dtype, selected: bool = True) -> Tensor:
        shape = (b, c * s * r, h, w) if selected else (0, 1, 1, 1)
        return torch.empty(shape, dtype=dtype, device=x.device, memory_format=layout)

    low, codes, side = empty(x.dtype), empty(torch.uint8), empty(torch.int8, bool(outputs & 4))
    if low.numel():
        stride_b, stride_c, stride_y, stride_x = x.stride()
        contiguous_rows = stride_x == 1 and r & (r - 1) == 0 and not channels_last
        vec = vector_width(x, width, stride_b, stride_c, stride_y) if contiguous_rows else 1
        block_c = triton.next_power_of_2(c * s * r if channels_last else r)
        block = max(_VALUES // block_c, 1)
        blocks = triton.cdiv(h * w, block)
        wrap(unshuffle_quantize_kernel)[(blocks * b * (1 if channels_last else c * s),)](
            x, low, codes, side, h, h * w, width // vec, blocks, stride_b // vec, stride_c // vec, stride_y // vec,
            stride_x, IMAGE_C=c, S=s, R=r, VEC=vec, CHANNELS_LAST=channels_last, CONTIGUOUS_ROWS=contiguous_rows,
            OUTPUTS=outputs, SCALE=SCALE, BLOCK=block, BLOCK_C=block_c, num_warps=4,
        )  # fmt: skip
    return low, codes, side


@triton_op("resizekit::unshuffle_quantize", mutates_args={})
def unshuffle_quantize_op(
    x: Tensor, s: int, r: int, outputs: int, clamp_gradient: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Unshuffle and round as an op for the compiler: (low, codes, side); side is empty if it is not selected."""
    if runs_reference(x):
        return quantize_op(reference("unshuffle")(x, s, r), None, outputs, clamp_gradient)
    return _launch(x, s, r, outputs, wrap_triton)


def _setup(ctx: Any, inputs: tuple[Tensor, int, int, int, int], output: tuple[Tensor, Tensor, Tensor]) -> None:
    _, ctx.s, ctx.r, _, ctx.clamp_gradient = inputs
    ctx.save_for_backward(output[2])


def _backward(
    pass_gradient: Callable[..., Tensor], shuffle_back: Callable[..., Tensor]
) -> Callable[..., tuple[Tensor | None, ...]]:
    def backward(ctx: Any, gradient: Tensor, *_: object) -> tuple[Tensor | None, ...]:
        (side,) = ctx.saved_tensors
        if ctx.clamp_gradient:
            gradient = pass_gradient(gradient, side, ctx.clamp_gradient == CLAMP_GRADIENTS["disconnected"])
        return shuffle_back(gradient, ctx.s, ctx.r), None, None, None, None

    return backward


unshuffle_quantize_op.register_autograd(_backward(quantize_backward_op, reference("shuffle")), setup_context=_setup)
_differentiable = autograd_function(
    "UnshuffleQuantize",
    lambda x, s, r, outputs, clamp_gradient: _launch(x, s, r, outputs),
    _setup,
    _backward(or_reference(launch_backward, let_through), shuffle),
)


def unshuffle_quantize(x: Tensor, s: int, r: int, *, clamp_gradient: str = "identity_if_towards") -> Quantized:
    """Replace `resizekit.ops.unshuffle_quantize`."""
    check_floats(x)
    check_unshuffle(x, s, r)
    check_quantize(x, None, clamp_gradient)
    fits = r <= _MAX_R and x.shape[1] * s * r <= _VALUES and x.shape[2] * x.shape[3] < 2**30  # pixel numbers are int32
    if x.dtype not in FLOATS or not fits:
        return reference("unshuffle_quantize")(x, s, r, clamp_gradient=clamp_gradient)
    if needs_grad(x):
        rule = CLAMP_GRADIENTS[clamp_gradient]
        run = unshuffle_quantize_op if is_compiling() else _differentiable
        return Quantized(*run(x, s, r, 7 if rule else 3, rule)[:2])
    return Quantized(*(unshuffle_quantize_op(x, s, r, 3, 0) if is_compiling() else _launch(x, s, r, 3))[:2])


def _bytes_moved(x: Tensor, s: int, r: int, **_: Any) -> int:
    return x.numel() * (2 * x.element_size() + 1)


KERNELS = (Kernel(op="unshuffle_quantize", device_type="cuda", run=unshuffle_quantize, bytes_moved=_bytes_moved),)
