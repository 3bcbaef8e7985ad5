"""Convert bytes to the input of a network: `b c (h s) (w r)` uint8 ─► floats `b (c s r) h w`, padded with zeros.

There are two kernels. The packed kernel takes images in the memory order `b h w c`, as image files have it. Loads of
single bytes would use little of a GPU's bandwidth, so a thread reads a group of four neighboring output pixels by
words,

    4 pixels = s rows of 4·r·c bytes = s·r·c words ─► bytes by shifts, in registers ─► 16 bytes at a time

and writes four neighbors of each plane or, for channels last, pixels that it assembles in shared memory.
The general kernel gathers bytes by strides and takes every other layout and every size.
"""

from operator import index
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from resizekit import Kernel
from resizekit.ops import reference
from resizekit.ops.fused import check_codes
from resizekit.ops.quantize import SCALE
from resizekit_kernels.arithmetic import multiply, narrow
from resizekit_kernels.launch import (
    FLOATS,
    Wrap,
    block_size,
    direct,
    is_compiling,
    padded_channels,
    runs_reference,
    triton_op,
    vector_width,
    wrap_triton,
)
from resizekit_kernels.registers import join_columns

__all__ = ["KERNELS", "packed_kernel", "unshuffle_codes_kernel", "unshuffle_codes_op"]

_VALUES = 2048
"""Values of a program of the general kernel: 16 per thread."""
_MAX_CHANNELS = 1024
"""Maximum channels of the result: a program of the general kernel writes all of them."""
_GROUPS = 64
"""Maximum groups of four pixels in a program of the packed kernel: one per thread, so that few threads wait."""
_WORDS = 48
"""Maximum words in a group (RGB by 4x4): all of them are in registers."""
_MAX_PACKED_CHANNELS = 64
"""Maximum channels of the packed kernel: its code repeats for each."""
_PIECE = 16
"""Values of a thread that go through shared memory at once: complete sectors, and few registers."""


@triton.jit
def unshuffle_codes_kernel(
    x, out, shift, height, row_vectors, blocks_per_row, stride_b, stride_c, stride_y, stride_x,
    IMAGE_C: tl.constexpr, CHANNELS: tl.constexpr, S: tl.constexpr, R: tl.constexpr, VEC: tl.constexpr,
    CHANNELS_LAST: tl.constexpr, SCALE: tl.constexpr, BLOCK: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Write BLOCK pixels of one output row: IMAGE_C·S·R channels of values, then zeros up to CHANNELS.

    A row has row_vectors·VEC pixels and `out` has no gaps, so that the compiler knows the alignment of its rows. Each
    offset is the sum of a pixel offset and a channel offset, which saves 64-bit products.
    """
    row = tl.program_id(0) // blocks_per_row
    b, y = (row // height).to(tl.int64), (row % height).to(tl.int64)
    column = (tl.program_id(0) % blocks_per_row) * BLOCK + tl.arange(0, BLOCK)
    channel = tl.arange(0, BLOCK_C)
    width = row_vectors * VEC
    pixel_offset = column.to(tl.int64) * R * stride_x
    channel_offset = (
        (channel // (S * R)).to(tl.int64) * stride_c
        + (channel // R % S).to(tl.int64) * stride_y
        + (channel % R).to(tl.int64) * stride_x
    )
    if CHANNELS_LAST:  # channels are adjacent: they vary fastest over the threads
        column, channel = column[:, None], channel[None, :]
        pixel_offset, channel_offset = pixel_offset[:, None], channel_offset[None, :]
        target = out + row.to(tl.int64) * width * CHANNELS + (column * CHANNELS + channel)
    else:
        column, channel = column[None, :], channel[:, None]
        pixel_offset, channel_offset = pixel_offset[None, :], channel_offset[:, None]
        target = out + (b * CHANNELS * height + y) * width + channel.to(tl.int64) * height * width + column
    loaded = (column < width) & (channel < IMAGE_C * S * R)
    source = x + b * stride_b + y * S * stride_y + pixel_offset + channel_offset
    value = tl.load(source, mask=loaded, other=0).to(tl.float32)
    scaled = multiply(value, SCALE) + shift
    if CHANNELS > IMAGE_C * S * R:
        scaled = tl.where(channel < IMAGE_C * S * R, scaled, 0.0)
    tl.store(target, narrow(scaled, out.dtype.element_ty), mask=(column < width) & (channel < CHANNELS))


@triton.jit
def packed_kernel(
    x, out, shift, height, groups_per_row, blocks_per_row, stride_b, stride_y,
    IMAGE_C: tl.constexpr, CHANNELS: tl.constexpr, S: tl.constexpr, R: tl.constexpr, CHANNELS_LAST: tl.constexpr,
    SCALE: tl.constexpr, BLOCK: tl.constexpr, PIECE: tl.constexpr,
):  # fmt: skip
    """Write BLOCK groups of four pixels of one output row; stride_b and stride_y count words of four bytes.

    CHANNELS_LAST: the 4 CHANNELS values of a group form one run (pixel, c, i, j), written in pieces of PIECE values, a
    power of two.
    """
    row = tl.program_id(0) // blocks_per_row
    b, y = (row // height).to(tl.int64), (row % height).to(tl.int64)
    group = (tl.program_id(0) % blocks_per_row) * BLOCK + tl.arange(0, BLOCK)
    line = x.to(tl.pointer_type(tl.int32)) + b * stride_b + y * S * stride_y + group * (R * IMAGE_C)
    words = ()
    for _ in tl.static_range(S):
        for k in tl.static_range(R * IMAGE_C):
            words += (tl.load(line + k, mask=group < groups_per_row, other=0),)
        line += stride_y
    values = ()  # in the order of the output, (pixel, c, i, j); the words hold them as (i, pixel, j, c)
    for pixel in tl.static_range(4):
        for c in tl.static_range(IMAGE_C):
            for i in tl.static_range(S):
                for j in tl.static_range(R):
                    # byte (pixel R + j) IMAGE_C + c of row i; a variable for it would not be a compile-time constant
                    values += (
                        words[i * R * IMAGE_C + ((pixel * R + j) * IMAGE_C + c) // 4]
                        >> ((pixel * R + j) * IMAGE_C + c) % 4 * 8
                        & 255,
                    )
        for _ in tl.static_range(CHANNELS - IMAGE_C * S * R):
            values += (tl.zeros_like(words[0]),)
    group = group[:, None]
    if CHANNELS_LAST:
        run = out + row.to(tl.int64) * groups_per_row * (4 * CHANNELS) + group * (4 * CHANNELS)
        for start in tl.static_range(0, 4 * CHANNELS, PIECE):
            position = tl.arange(0, PIECE)[None, :] + start
            scaled = multiply(join_columns(values[start : start + PIECE], PIECE).to(tl.float32), SCALE) + shift
            if CHANNELS > IMAGE_C * S * R:
                scaled = tl.where(position % CHANNELS < IMAGE_C * S * R, scaled, 0.0)
            tl.store(
                run + position,
                narrow(scaled, out.dtype.element_ty),
                mask=(group < groups_per_row) & (position < 4 * CHANNELS),
            )
    else:
        target = out + (b * CHANNELS * height + y) * groups_per_row * 4 + (group * 4 + tl.arange(0, 4)[None, :])
        for channel in tl.static_range(CHANNELS):
            four = (values[channel], values[CHANNELS + channel])
            four += (values[2 * CHANNELS + channel], values[3 * CHANNELS + channel])
            scaled = (
                multiply(join_columns(four, 4).to(tl.float32), SCALE) + shift
                if channel < IMAGE_C * S * R
                else tl.full([BLOCK, 4], 0.0, tl.float32)
            )
            tl.store(target, narrow(scaled, out.dtype.element_ty), mask=group < groups_per_row)
            target += tl.cast(height, tl.int64) * groups_per_row * 4


def _whole_words(x: Tensor, s: int, r: int, wrap: Wrap) -> bool:
    """Return whether groups of four output pixels of an image `b h w c` are complete words, and few enough."""
    c, width = index(x.shape[1]), x.shape[3]
    dense = (x.stride(1) == 1 or c == 1) and x.stride(3) == c
    if not dense or c * s * r > _WORDS or width % (4 * r):
        return False
    # inside an op only the offset counts: the compiler checks the alignment of the storage itself
    start = x.storage_offset() if wrap is not direct else x.data_ptr()
    return start % 4 == 0 and x.stride(2) % 4 == 0 and (x.shape[0] == 1 or x.stride(0) % 4 == 0)


def _launch(
    x: Tensor, s: int, r: int, dtype: torch.dtype, shift: float, multiple: int, channels_last: bool, wrap: Wrap = direct
) -> Tensor:
    b, c, height, width = x.shape
    c, h, w = index(c), height // s, width // r
    channels = padded_channels(c * s * r, multiple)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    out = torch.empty((b, channels, h, w), dtype=dtype, device=x.device, memory_format=layout)
    if not out.numel():
        return out
    stride_b, stride_c, stride_y, stride_x = x.stride()
    if channels <= _MAX_PACKED_CHANNELS and _whole_words(x, s, r, wrap):
        groups = w // 4
        block = max(block_size(groups, _GROUPS), 32)
        blocks_per_row = triton.cdiv(groups, block)
        wrap(packed_kernel)[(b * h * blocks_per_row,)](
            x, out, float(shift), h, groups, blocks_per_row, stride_b // 4, stride_y // 4,
            IMAGE_C=c, CHANNELS=channels, S=s, R=r, CHANNELS_LAST=channels_last, SCALE=SCALE, BLOCK=block,
            PIECE=min(_PIECE, triton.next_power_of_2(4 * channels)), num_warps=block // 32,
        )  # fmt: skip
        return out
    block_c = triton.next_power_of_2(channels)
    block = block_size(w, max(_VALUES // block_c, 1))
    vec = 1 if channels_last else vector_width(out, w)
    blocks_per_row = triton.cdiv(w, block)
    wrap(unshuffle_codes_kernel)[(b * h * blocks_per_row,)](
        x, out, float(shift), h, w // vec, blocks_per_row, stride_b, stride_c, stride_y, stride_x,
        IMAGE_C=c, CHANNELS=channels, S=s, R=r, VEC=vec, CHANNELS_LAST=channels_last, SCALE=SCALE, BLOCK=block,
        BLOCK_C=block_c, num_warps=4,
    )  # fmt: skip
    return out


@triton_op("resizekit::unshuffle_codes", mutates_args={})
def unshuffle_codes_op(
    x: Tensor, s: int, r: int, dtype: torch.dtype, shift: float, multiple: int, channels_last: bool
) -> Tensor:
    """Convert bytes to floats as an op for the compiler."""
    if not runs_reference(x):
        return _launch(x, s, r, dtype, shift, multiple, channels_last, wrap_triton)
    return reference("unshuffle_codes")(
        x, s, r, dtype=dtype, shift=shift, multiple=multiple, channels_last=channels_last
    )


def unshuffle_codes(
    x: Tensor,
    s: int,
    r: int,
    *,
    dtype: torch.dtype = torch.float32,
    shift: float = 0.0,
    multiple: int = 1,
    channels_last: bool = False,
) -> Tensor:
    """Replace `resizekit.ops.unshuffle_codes`."""
    check_codes(x, s, r, dtype, multiple)
    if dtype not in FLOATS or padded_channels(x.shape[1] * s * r, multiple) > _MAX_CHANNELS:
        return reference("unshuffle_codes")(
            x, s, r, dtype=dtype, shift=shift, multiple=multiple, channels_last=channels_last
        )
    run = unshuffle_codes_op if is_compiling() else _launch
    return run(x, s, r, dtype, shift, multiple, channels_last)


def _bytes_moved(x: Tensor, s: int, r: int, *, dtype: torch.dtype = torch.float32, multiple: int = 1, **_: Any) -> int:
    b, c, height, width = x.shape
    return x.numel() + b * padded_channels(c * s * r, multiple) * (height // s) * (width // r) * dtype.itemsize


KERNELS = (Kernel(op="unshuffle_codes", device_type="cuda", run=unshuffle_codes, bytes_moved=_bytes_moved),)
