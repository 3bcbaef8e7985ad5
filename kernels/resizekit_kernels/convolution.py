"""A 3×3 convolution with its bias, sum and ReLU in one pass: `b i h w` in channels last ─► `b o h w`.

A program computes a tile of pixels with all output channels. For each of the nine positions of the kernel it multiplies
the shifted pixels by a matrix of weights on the tensor cores, and sums in float32. Every result is the same sum in the
same order, wherever its pixel is in the image, so tiles of an image give the bits of the whole image.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from resizekit import Kernel
from resizekit.ops import reference
from resizekit.ops.convolution import check_conv3x3
from resizekit_kernels.arithmetic import INTERPRETED, narrow
from resizekit_kernels.launch import Wrap, direct, is_compiling, needs_grad, runs_reference, triton_op, wrap_triton

__all__ = ["KERNELS", "conv3x3_kernel"]

_HALF = (torch.float16, torch.bfloat16)
_TILE = (8, 16)
"""Height and width of the tile of a program: 128 pixels, one block of rows for the tensor cores."""
_LARGEST = 128
"""Most output channels: a program keeps the sums of all of them in registers."""


@triton.jit
def conv3x3_kernel(
    x, weight, bias, other, out, height, width, columns, tiles,
    INPUTS: tl.constexpr, OUTPUTS: tl.constexpr, ADDS: tl.constexpr, RELU: tl.constexpr,
    STEP: tl.constexpr, PADDED: tl.constexpr, TILE_Y: tl.constexpr, TILE_X: tl.constexpr,
):  # fmt: skip
    """Compute one of the `tiles` tiles of an image, of which a row has `columns`.

    The memory order is b h w c for the images and o 3 3 i for the weights. STEP input channels are multiplied at once;
    PADDED is the next power of two of OUTPUTS.
    """
    image = (tl.program_id(0) // tiles).to(tl.int64)
    tile = tl.program_id(0) % tiles
    pixel = tl.arange(0, TILE_Y * TILE_X)
    y = tile // columns * TILE_Y + pixel // TILE_X
    column = tile % columns * TILE_X + pixel % TILE_X
    channel = tl.arange(0, STEP)
    output = tl.arange(0, PADDED)
    start = x + image * height * width * INPUTS
    total = tl.zeros((TILE_Y * TILE_X, PADDED), tl.float32)
    for position in range(9):
        source_y, source_x = y + (position // 3 - 1), column + (position % 3 - 1)
        inside = (source_y >= 0) & (source_y < height) & (source_x >= 0) & (source_x < width)
        pixels = start + (source_y * width + source_x) * INPUTS
        weights = weight + position * INPUTS + output * (9 * INPUTS)
        for first in tl.static_range(0, INPUTS, STEP):
            a = tl.load(pixels[:, None] + first + channel[None, :], mask=inside[:, None], other=0.0)
            b = tl.load(weights[None, :] + first + channel[:, None], mask=(output < OUTPUTS)[None, :], other=0.0)
            if INTERPRETED:  # its products of half precision are wrong
                a, b = a.to(tl.float32), b.to(tl.float32)
            total = tl.dot(a, b, total, input_precision="ieee")
    total += tl.load(bias + output, mask=output < OUTPUTS, other=0.0).to(tl.float32)[None, :]
    offset = (image * height * width + y * width + column)[:, None] * OUTPUTS + output[None, :]
    inside = ((y < height) & (column < width))[:, None] & (output < OUTPUTS)[None, :]
    if ADDS:
        total += tl.load(other + offset, mask=inside, other=0.0).to(tl.float32)
    if RELU:
        total = tl.where(total < 0.0, 0.0, total)  # keeps NaN, as PyTorch does
    tl.store(out + offset, narrow(total, out.dtype.element_ty), mask=inside)


def _launch(x: Tensor, weight: Tensor, bias: Tensor, other: Tensor | None, relu: bool, wrap: Wrap = direct) -> Tensor:
    b, inputs, height, width = x.shape
    outputs = weight.shape[0]
    out = torch.empty((b, outputs, height, width), dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    if out.numel():
        columns, rows = triton.cdiv(width, _TILE[1]), triton.cdiv(height, _TILE[0])
        wrap(conv3x3_kernel)[(columns * rows * b,)](
            _by_pixels(x), _by_pixels(weight), bias.contiguous(), out if other is None else _by_pixels(other), out,
            height, width, columns, columns * rows, INPUTS=inputs, OUTPUTS=outputs, ADDS=other is not None, RELU=relu,
            STEP=min(inputs & -inputs, 64), PADDED=max(16, triton.next_power_of_2(outputs)), TILE_Y=_TILE[0],
            TILE_X=_TILE[1], num_warps=4 if outputs <= 64 else 8, num_stages=3,
        )  # fmt: skip
    return out


def _by_pixels(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


@triton_op("resizekit::conv3x3", mutates_args={})
def conv3x3_op(x: Tensor, weight: Tensor, bias: Tensor, other: Tensor | None, relu: bool) -> Tensor:
    """Convolve as an op for the compiler; without gradients."""
    if runs_reference(x):
        result: Tensor = reference("conv3x3")(x, weight, bias, other, relu=relu)
        return result
    return _launch(x, weight, bias, other, relu, wrap_triton)


def conv3x3(x: Tensor, weight: Tensor, bias: Tensor, other: Tensor | None = None, *, relu: bool = False) -> Tensor:
    """Replace `resizekit.ops.conv3x3` for half precision without gradients."""
    check_conv3x3(x, weight, bias, other)
    inputs, outputs = weight.shape[1], weight.shape[0]
    fits = inputs % 16 == 0 and outputs <= _LARGEST and x.shape[2] * x.shape[3] * max(inputs, outputs) < 2**31
    if x.dtype not in _HALF or not fits or needs_grad(x, weight, bias, other):
        result: Tensor = reference("conv3x3")(x, weight, bias, other, relu=relu)
        return result
    return (conv3x3_op if is_compiling() else _launch)(x, weight, bias, other, relu)


def _bytes_moved(x: Tensor, weight: Tensor, bias: Tensor, other: Tensor | None = None, **_: Any) -> int:
    result = x.shape[0] * weight.shape[0] * x.shape[2] * x.shape[3]
    values = x.numel() + weight.numel() + bias.numel() + result * (1 if other is None else 2)
    return values * x.element_size()


KERNELS = (Kernel(op="conv3x3", device_type="cuda", run=conv3x3, bytes_moved=_bytes_moved),)
