"""Convert network output to bytes: `b (c s r) h w` floats ─► shuffle ─► clamp ─► round ─► `b (h s) (w r) c` uint8.

In the inputs x varies fastest (contiguous) or the channels (channels last); in the bytes c varies fastest, three to a
pixel. So the order must change, and stores of single bytes would use little of a GPU's bandwidth. Each thread takes a
group of neighboring pixels, as few as fill words of 4 bytes, with all their channels:

    group·c·s·r values ─► bytes in registers, reordered by name ─► s lines of group·r·c bytes ─► shared memory ─► stores

It reads scalars that are adjacent across threads if x varies fastest, and vectors of VEC channels if those do. Only
complete words go through shared memory, so that a warp's store has no gaps.

Counted in the code for sm_90, 3 channels by 2x2 from bfloat16 (not timed): 12 instructions per value for channels last
and 15 for contiguous inputs; loads touch a cache line for every 21 values (8 if padded to 16 channels) and 32 values.
A simple kernel with one gather for each output byte takes 19 instructions and touches a line for every 7 values. At
the bandwidth of the memory, 5 values are due per clock, and at most one line per clock is available.
"""

from math import gcd
from operator import index
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from resizekit import Kernel
from resizekit.ops import reference
from resizekit.ops.fused import check_floats
from resizekit.ops.pixel import check_shuffle
from resizekit_kernels.arithmetic import to_level
from resizekit_kernels.launch import (
    FLOATS,
    Wrap,
    direct,
    is_compiling,
    runs_reference,
    triton_op,
    vector_width,
    wrap_triton,
)
from resizekit_kernels.registers import WIDEST, join_columns, split_columns

__all__ = ["KERNELS", "shuffle_codes_kernel"]

_GROUPS = 128
"""Groups of a program: one per thread, each with 24 values in flight (3 channels by 2x2)."""


@triton.jit
def shuffle_codes_kernel(
    x, out, shift, height, groups_per_row, blocks_per_row, stride_b, stride_y, stride_group, stride_x, stride_c,
    IMAGE_C: tl.constexpr, S: tl.constexpr, R: tl.constexpr, GROUP: tl.constexpr, VEC: tl.constexpr, RUNS: tl.constexpr,
    LINE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Round BLOCK groups of GROUP pixels.

    The values of a group are in RUNS runs of channels; runs are stride_x apart, channels stride_c, and VEC values are
    read at a time. All other strides (stride_b between images, stride_y between rows, stride_group between groups,
    stride_x) count such vectors, so that the compiler knows their alignment. LINE is the next power of two of a
    group's bytes in an output row.
    """
    row = tl.program_id(0) // blocks_per_row
    group = (tl.program_id(0) % blocks_per_row) * BLOCK + tl.arange(0, BLOCK)[:, None]
    inside = group < groups_per_row
    start = (
        (row // height).to(tl.int64) * stride_b
        + (row % height).to(tl.int64) * stride_y
        + group.to(tl.int64) * stride_group
    )
    plane_step = tl.cast(stride_c, tl.int64)
    source = x + start * VEC + tl.arange(0, VEC)[None, :] * plane_step
    values = ()
    for _ in tl.static_range(RUNS):
        for channel in tl.static_range(0, GROUP * IMAGE_C * S * R // RUNS, VEC):
            value = tl.load(source + plane_step * channel, mask=inside).to(tl.float32)
            values += split_columns(value, VEC) if VEC > 1 else (tl.reshape(value, [BLOCK]),)
        source += tl.cast(stride_x, tl.int64) * VEC
    position = tl.arange(0, LINE)[None, :]
    for i in tl.static_range(S):
        columns = ()
        for k in tl.static_range(LINE):  # (pixel, j, c); the mask of the store excludes those beyond the group's bytes
            columns += (
                values[(k // (IMAGE_C * R)) % GROUP * (IMAGE_C * S * R) + (k % IMAGE_C * S + i) * R + k // IMAGE_C % R],
            )
        line = (row.to(tl.int64) * S + i) * groups_per_row
        pixels = out + line * (GROUP * R * IMAGE_C) + group * (GROUP * R * IMAGE_C)
        stored = to_level(join_columns(columns, LINE) + shift).to(tl.uint8)
        tl.store(pixels + position, stored, mask=inside & (position < GROUP * R * IMAGE_C))


def _group(x: Tensor, s: int, r: int) -> int:
    """Return how many neighboring pixels fill words of 4 bytes in an output row, or of 2 if w is odd; 0: too many."""
    values, w = index(x.shape[1]), x.shape[3]
    sizes = (word // gcd(word, values // s) for word in (4, 2, 1))
    return next((group for group in sizes if w % group == 0 and group * values <= WIDEST), 0)


def _launch(x: Tensor, s: int, r: int, shift: float, wrap: Wrap = direct) -> Tensor:
    b, channels, h, w = x.shape
    c = index(channels) // (s * r)
    out = torch.empty((b, c, h * s, w * r), dtype=torch.uint8, device=x.device, memory_format=torch.channels_last)
    if out.numel():
        group = _group(x, s, r)
        stride_b, stride_c, stride_y, stride_x = x.stride()
        runs = 1 if stride_c == 1 and stride_x == channels else group
        offsets = group * channels // runs, stride_b, stride_y, group * stride_x, stride_x * (runs > 1)
        vec = vector_width(x, *offsets) if stride_c == 1 else 1
        blocks_per_row = triton.cdiv(w // group, _GROUPS)
        wrap(shuffle_codes_kernel)[(b * h * blocks_per_row,)](
            x, out, float(shift), h, w // group, blocks_per_row, stride_b // vec, stride_y // vec,
            group * stride_x // vec, stride_x // vec, stride_c, IMAGE_C=c, S=s, R=r, GROUP=group, VEC=vec, RUNS=runs,
            LINE=triton.next_power_of_2(group * c * r), BLOCK=_GROUPS, num_warps=4,
        )  # fmt: skip
    return out


@triton_op("resizekit::shuffle_codes", mutates_args={})
def shuffle_codes_op(x: Tensor, s: int, r: int, shift: float) -> Tensor:
    """Convert floats to bytes as an op for the compiler."""
    return (
        reference("shuffle_codes")(x, s, r, shift=shift) if runs_reference(x) else _launch(x, s, r, shift, wrap_triton)
    )


def shuffle_codes(x: Tensor, s: int, r: int, *, shift: float = 0.0) -> Tensor:
    """Replace `resizekit.ops.shuffle_codes`."""
    check_floats(x)
    check_shuffle(x, s, r)
    if x.dtype not in FLOATS or not _group(x, s, r):
        return reference("shuffle_codes")(x, s, r, shift=shift)
    return shuffle_codes_op(x.detach(), s, r, shift) if is_compiling() else _launch(x, s, r, shift)


def _bytes_moved(x: Tensor, s: int, r: int, **_: Any) -> int:
    return x.numel() * (x.element_size() + 1)


KERNELS = (Kernel(op="shuffle_codes", device_type="cuda", run=shuffle_codes, bytes_moved=_bytes_moved),)
