"""Make the inputs of an encoder in one pass: bytes of an image ─► unshuffled floats and the antialiased bicubic guide.

The guide has the bits of `resample`: the same weights, the same order of the axes (the one with the larger factor goes
first) and of the taps, each product and each sum rounded. The order of the computation is therefore fixed; the kernel
only shares work between outputs. A thread computes a cell of CELL × CELL outputs of one channel:

    CELL·s + 3s rows and columns ─► sums over rows, CELL for each column ─► CELL × CELL sums over these sums

For 2x2 and CELL = 2 that is 25 loads and 48 products per output, where separate outputs would take 64 and 72. The
unshuffled values are the bytes below the cell; the kernel reads them again from a near cache, so that they need no
registers.
"""

from functools import lru_cache
from operator import index
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from resizekit import Kernel
from resizekit.ops import Guided, reference
from resizekit.ops.fused import check_codes
from resizekit.ops.quantize import SCALE
from resizekit.ops.resample import taps
from resizekit_kernels.arithmetic import INTERPRETED, multiply, narrow
from resizekit_kernels.launch import (
    FLOATS,
    Wrap,
    direct,
    is_compiling,
    padded_channels,
    runs_reference,
    triton_op,
    wrap_triton,
)
from resizekit_kernels.registers import join_columns

__all__ = ["KERNELS", "unshuffle_guide_kernel", "unshuffle_guide_op"]

_CELLS = 128
"""Cells of a program: one per thread."""
_SHARED = (1, 2, 3, 4, 6, 8)
"""Values of s * r for which a cell has 2 × 2 outputs; for others one output fills the registers."""
_MAX_FACTORS = 16
"""Maximum s * r.

The code repeats for every tap: 4x4 has 256 taps, 2000 instructions or 32 KB, and more would take long to compile.
Beyond the maximum, `unshuffle_codes` and `resample` compute the results."""


@triton.jit
def _weighted(values, start: tl.constexpr, step: tl.constexpr, WEIGHTS: tl.constexpr):
    """Sum values from `start` on, `step` apart, as `resample` does: in this order, without weights of 0."""
    if INTERPRETED:  # NumPy never fuses, and a call from a kernel takes the interpreter half a millisecond
        total = values[start] * WEIGHTS[0]
        for k in tl.static_range(1, len(WEIGHTS)):
            if WEIGHTS[k] != 0.0:
                total = total + values[start + k * step] * WEIGHTS[k]
    else:
        total = multiply(values[start], WEIGHTS[0])
        for k in tl.static_range(1, len(WEIGHTS)):
            if WEIGHTS[k] != 0.0:
                total = total + multiply(values[start + k * step], WEIGHTS[k])
    return total


@triton.jit
def _addresses_along(base, start, COUNT: tl.constexpr, last_pixel, stride):
    """Return the addresses of COUNT pixels from `start` along an axis, clamped to the border.

    Addresses are integers: the compiler then computes one with a single instruction, row * stride + column.
    """
    addresses = ()
    for i in tl.static_range(COUNT):
        addresses = addresses + (base + tl.minimum(tl.maximum(start + i, 0), last_pixel).to(tl.int64) * stride,)
    return addresses


@triton.jit
def _guide_values(
    first_axis, second_axis, FACTOR_1: tl.constexpr, WEIGHTS_1: tl.constexpr, FACTOR_2: tl.constexpr,
    WEIGHTS_2: tl.constexpr, CELL: tl.constexpr, SCALE: tl.constexpr,
):  # fmt: skip
    """Compute CELL * CELL outputs from addresses, factors and weights of both axes.

    The axis of the first pass varies faster in the result.
    """
    sums = ()
    for j in tl.static_range(len(second_axis)):
        band = ()
        for i in tl.static_range(len(first_axis)):
            value = tl.load((first_axis[i] + second_axis[j]).to(tl.pointer_type(tl.uint8)))
            band = band + (value.to(tl.float32) * SCALE,)  # products follow: there is no sum to fuse with
        for m in tl.static_range(CELL):
            sums = sums + (_weighted(band, m * FACTOR_1, 1, WEIGHTS_1),)
    outputs = ()
    for n in tl.static_range(CELL):
        for m in tl.static_range(CELL):
            outputs = outputs + (_weighted(sums, n * FACTOR_2 * CELL + m, CELL, WEIGHTS_2),)
    return outputs


@triton.jit
def _store_unshuffled(
    unshuffled, shift, rows, columns, c, y, x, height, width, S: tl.constexpr, R: tl.constexpr, IMAGE_C: tl.constexpr,
    CHANNELS: tl.constexpr, SCALE: tl.constexpr, CELL: tl.constexpr, CHANNELS_LAST: tl.constexpr, BLOCK: tl.constexpr,
    LINE: tl.constexpr,
):  # fmt: skip
    """Store the unshuffled values of a cell, then zeros up to CHANNELS.

    `rows` and `columns` are the addresses below the cell. One store writes the adjacent values: the S * R values of an
    output (CHANNELS_LAST), or the same channel of CELL outputs.
    """
    position = tl.arange(0, LINE)[None, :]
    for m in tl.static_range(CELL):
        for k in tl.static_range(CELL if CHANNELS_LAST else S * R):
            together = ()
            for j in tl.static_range(S * R if CHANNELS_LAST else CELL):
                if CHANNELS_LAST:
                    address = rows[m * S + j // R] + columns[k * R + j % R]
                else:
                    address = rows[m * S + k // R] + columns[j * R + k % R]
                together = together + (tl.load(address.to(tl.pointer_type(tl.uint8))),)
            values = multiply(join_columns(together, LINE).to(tl.float32), SCALE) + shift
            pixel = (y + m)[:, None] * width.to(tl.int64) + x[:, None]
            inside = (y + m < height)[:, None]
            if CHANNELS_LAST:
                inside = inside & (x[:, None] + k < width) & (position < S * R)
                channel = (c * S * R)[:, None] + position
                target = unshuffled + (pixel + k) * CHANNELS
                step = 1
            else:
                inside = inside & (x[:, None] + position < width)
                channel = (c * S * R + k)[:, None]
                target = unshuffled + pixel + position
                step = height * width.to(tl.int64)
            tl.store(target + channel * step, narrow(values, unshuffled.dtype.element_ty), mask=inside)
            for zero_from in range(IMAGE_C * S * R, CHANNELS, IMAGE_C * S * R):
                zeros = tl.zeros((BLOCK, LINE), unshuffled.dtype.element_ty)
                tl.store(target + (channel + zero_from) * step, zeros, mask=inside & (channel + zero_from < CHANNELS))


@triton.jit
def unshuffle_guide_kernel(
    image, unshuffled, guide, shift, height, width, stride_b, stride_c, stride_y, stride_x,
    S: tl.constexpr, R: tl.constexpr, IMAGE_C: tl.constexpr, CHANNELS: tl.constexpr, SCALE: tl.constexpr,
    FIRST_S: tl.constexpr, WEIGHTS_S: tl.constexpr, FIRST_R: tl.constexpr, WEIGHTS_R: tl.constexpr,
    INPUT_CHANNELS_LAST: tl.constexpr, OUTPUT_CHANNELS_LAST: tl.constexpr, CELL: tl.constexpr, BLOCK: tl.constexpr,
    LINE: tl.constexpr,
):  # fmt: skip
    """Compute BLOCK cells of one image: CELL by CELL outputs of a channel each, and the unshuffled values below them.

    FIRST_S and WEIGHTS_S are the first tap of output 0 and the weights along the height, FIRST_R and WEIGHTS_R along
    the width. INPUT_CHANNELS_LAST and OUTPUT_CHANNELS_LAST: the channels of a pixel are adjacent.
    """
    cells_down, cells_across = tl.cdiv(height, CELL), tl.cdiv(width, CELL)
    programs = tl.cdiv(cells_down * cells_across * IMAGE_C, BLOCK)
    b = (tl.program_id(0) // programs).to(tl.int64)
    cell = tl.program_id(0) % programs * BLOCK + tl.arange(0, BLOCK)
    cell = tl.minimum(cell, cells_down * cells_across * IMAGE_C - 1)  # surplus threads repeat the last cell
    if INPUT_CHANNELS_LAST:
        c = (cell % IMAGE_C).to(tl.int64)
        cell = cell // IMAGE_C
    else:
        c = (cell // (cells_down * cells_across)).to(tl.int64)
        cell = cell % (cells_down * cells_across)
    y = cell // cells_across * CELL
    x = cell % cells_across * CELL
    rows = _addresses_along(0, y * S + FIRST_S, S * (CELL - 1) + len(WEIGHTS_S), height * S - 1, stride_y)
    columns = _addresses_along(
        image.to(tl.int64) + b * stride_b + c * stride_c,
        x * R + FIRST_R,
        R * (CELL - 1) + len(WEIGHTS_R),
        width * R - 1,
        stride_x,
    )
    below = rows[-FIRST_S : CELL * S - FIRST_S], columns[-FIRST_R : CELL * R - FIRST_R]
    _store_unshuffled(
        unshuffled + b * CHANNELS * height * width, shift, below[0], below[1], c, y, x, height, width, S, R, IMAGE_C,
        CHANNELS, SCALE, CELL, OUTPUT_CHANNELS_LAST, BLOCK, LINE
    )  # fmt: skip
    if S >= R:
        outputs = _guide_values(rows, columns, S, WEIGHTS_S, R, WEIGHTS_R, CELL, SCALE)
    else:
        outputs = _guide_values(columns, rows, R, WEIGHTS_R, S, WEIGHTS_S, CELL, SCALE)
    guide += b * IMAGE_C * height * width
    column = tl.arange(0, CELL)[None, :]
    for m in tl.static_range(CELL):
        row = ()
        for k in tl.static_range(CELL):
            row = row + (outputs[k * CELL + m if S >= R else m * CELL + k],)
        pixel = (y + m) * width.to(tl.int64) + x
        if OUTPUT_CHANNELS_LAST:
            for k in tl.static_range(CELL):
                tl.store(guide + (pixel + k) * IMAGE_C + c, row[k], mask=(y + m < height) & (x + k < width))
        else:
            inside = (y + m < height)[:, None] & (x[:, None] + column < width)
            tl.store(guide + (c * height * width + pixel)[:, None] + column, join_columns(row, CELL), mask=inside)


class _Axis(NamedTuple):
    first: int
    """The first tap of output 0."""
    weights: tuple[float, ...]


@lru_cache(maxsize=64)
def _axis(factor: int) -> _Axis:
    """Return the taps along one axis, from the first to the last that has a weight."""
    first, weights = taps(factor)
    positions = [k for k, weight in enumerate(weights) if weight]
    return _Axis(first + positions[0], weights[positions[0] : positions[-1] + 1])


def _launch(
    x: Tensor, s: int, r: int, dtype: torch.dtype, shift: float, multiple: int, channels_last: bool, wrap: Wrap = direct
) -> tuple[Tensor, Tensor]:
    b, c, height, width = x.shape
    h, w, channels = height // s, width // r, padded_channels(index(c) * s * r, multiple)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    unshuffled = torch.empty((b, channels, h, w), dtype=dtype, device=x.device, memory_format=layout)
    guide = torch.empty((b, c, h, w), dtype=torch.float32, device=x.device, memory_format=layout)
    taps_down, taps_across = _axis(s), _axis(r)
    cell = 2 if s * r in _SHARED else 1
    programs = triton.cdiv(triton.cdiv(h, cell) * triton.cdiv(w, cell) * c, _CELLS)
    wrap(unshuffle_guide_kernel)[(programs * b,)](
        x, unshuffled, guide, float(shift), h, w, *x.stride(),
        S=s, R=r, IMAGE_C=c, CHANNELS=channels, SCALE=SCALE, FIRST_S=taps_down.first, WEIGHTS_S=taps_down.weights,
        FIRST_R=taps_across.first, WEIGHTS_R=taps_across.weights, INPUT_CHANNELS_LAST=x.stride(1) < x.stride(3),
        OUTPUT_CHANNELS_LAST=channels_last, CELL=cell, BLOCK=_CELLS,
        LINE=triton.next_power_of_2(s * r) if channels_last else cell, num_warps=_CELLS // 32,
    )  # fmt: skip
    return unshuffled, guide


@triton_op("resizekit::unshuffle_guide", mutates_args={})
def unshuffle_guide_op(
    x: Tensor, s: int, r: int, dtype: torch.dtype, shift: float, multiple: int, channels_last: bool
) -> tuple[Tensor, Tensor]:
    """Compute the unshuffled image and the guide as an op for the compiler."""
    if not runs_reference(x):
        return _launch(x, s, r, dtype, shift, multiple, channels_last, wrap_triton)
    options = {"dtype": dtype, "shift": shift, "multiple": multiple, "channels_last": channels_last}
    unshuffled, guide = reference("unshuffle_guide")(x, s, r, **options)
    return unshuffled, guide


def unshuffle_guide(
    x: Tensor,
    s: int,
    r: int,
    *,
    dtype: torch.dtype = torch.float32,
    shift: float = 0.0,
    multiple: int = 1,
    channels_last: bool = False,
) -> Guided:
    """Replace `resizekit.ops.unshuffle_guide`; if it cannot, the reference uses the kernel of `unshuffle_codes`."""
    check_codes(x, s, r, dtype, multiple)
    fits = index(x.shape[1]) * x.shape[2] * x.shape[3] < 2**31 - _CELLS  # numbers of cells are int32
    if dtype not in FLOATS or s * r > _MAX_FACTORS or not x.numel() or not fits:
        options = {"dtype": dtype, "shift": shift, "multiple": multiple, "channels_last": channels_last}
        result: Guided = reference("unshuffle_guide")(x, s, r, **options)
        return result
    run = unshuffle_guide_op if is_compiling() else _launch
    return Guided(*run(x, s, r, dtype, shift, multiple, channels_last))


def _bytes_moved(x: Tensor, s: int, r: int, *, dtype: torch.dtype = torch.float32, multiple: int = 1, **_: Any) -> int:
    b, c, height, width = x.shape
    values = padded_channels(c * s * r, multiple) * dtype.itemsize + c * torch.float32.itemsize
    return x.numel() + b * (height // s) * (width // r) * values


KERNELS = (Kernel(op="unshuffle_guide", device_type="cuda", run=unshuffle_guide, bytes_moved=_bytes_moved),)
