"""From bytes to what a network takes: `b c (h s) (w r)` uint8 ─► floats `b (c s r) h w`, padded with channels of zeros.

Two forms.  The packed one serves pictures that lie `b h w c`, as those in files do.  Single bytes would starve a GPU,
so a thread reads a group of four neighbouring cells by whole words,

    4 cells = s rows of 4·r·c bytes = s·r·c words ─► bytes by shifts, in registers ─► 16 bytes at a time

and gives four neighbours of each plane, or, with channels fastest on the way out, cells put together in shared memory.
The general form gathers bytes by strides and serves every other layout and every size.
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
from resizekit_kernels.arithmetic import narrow, times
from resizekit_kernels.launch import (
    FLOATS,
    Wrap,
    direct,
    fitting,
    on_cpu,
    padded,
    traced,
    triton_op,
    vector,
    wrap_triton,
)
from resizekit_kernels.registers import tile

__all__ = ["KERNELS", "packed_kernel", "unshuffle_codes_kernel", "unshuffle_codes_op"]

_VALUES = 2048
"""Values a program of the general form makes: 16 a thread."""
_MOST = 1024
"""Channels that are made, at most: a program of the general form makes them all."""
_GROUPS = 64
"""Groups of four cells that a program of the packed form makes, at most: one a thread, and few threads that wait."""
_WORDS = 48
"""Words in a group, at most (RGB by 4x4): all of them sit in registers."""
_CHANNELS = 64
"""Channels that the packed form makes, at most: each is written out in its code."""
_PIECE = 16
"""Values of a thread that cross shared memory at once: whole sectors, and few registers."""


@triton.jit
def unshuffle_codes_kernel(
    x, out, shift, h, n, blocks, xb, xc, xy, xx,
    C: tl.constexpr, P: tl.constexpr, S: tl.constexpr, R: tl.constexpr, V: tl.constexpr, LAST: tl.constexpr,
    SCALE: tl.constexpr, B: tl.constexpr, PB: tl.constexpr,
):  # fmt: skip
    """Make B cells of one row of n V: C·S·R channels of values, then zeros up to P.

    `out` has no gaps; V tells the compiler how its rows are aligned.  Offsets are summed from one of the cell and one
    of the channel, so that few products are taken in 64 bits.
    """
    row = tl.program_id(0) // blocks
    b, y = (row // h).to(tl.int64), (row % h).to(tl.int64)
    u = (tl.program_id(0) % blocks) * B + tl.arange(0, B)
    p = tl.arange(0, PB)
    w = n * V
    across = u.to(tl.int64) * R * xx
    near = (p // (S * R)).to(tl.int64) * xc + (p // R % S).to(tl.int64) * xy + (p % R).to(tl.int64) * xx
    if LAST:  # channels lie together: they run fastest over the threads
        u, p, across, near = u[:, None], p[None, :], across[:, None], near[None, :]
        to = out + row.to(tl.int64) * w * P + (u * P + p)
    else:
        u, p, across, near = u[None, :], p[:, None], across[None, :], near[:, None]
        to = out + (b * P * h + y) * w + p.to(tl.int64) * h * w + u
    full = (u < w) & (p < C * S * R)
    k = tl.load(x + b * xb + y * S * xy + across + near, mask=full, other=0).to(tl.float32)
    v = times(k, SCALE) + shift
    if P > C * S * R:
        v = tl.where(p < C * S * R, v, 0.0)
    tl.store(to, narrow(v, out.dtype.element_ty), mask=(u < w) & (p < P))


@triton.jit
def packed_kernel(
    x, out, shift, h, groups, blocks, xb, xy,
    C: tl.constexpr, P: tl.constexpr, S: tl.constexpr, R: tl.constexpr, LAST: tl.constexpr, SCALE: tl.constexpr,
    B: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Make B groups of four cells of one row; xb and xy count words of four bytes.

    LAST: the 4 P values of a group lie in one run (cell, c, i, j), which is made in pieces of WIDTH, a power of two.
    """
    row = tl.program_id(0) // blocks
    b, y = (row // h).to(tl.int64), (row % h).to(tl.int64)
    g = (tl.program_id(0) % blocks) * B + tl.arange(0, B)
    line = x.to(tl.pointer_type(tl.int32)) + b * xb + y * S * xy + g * (R * C)
    words = ()
    for _ in tl.static_range(S):
        for k in tl.static_range(R * C):
            words += (tl.load(line + k, mask=g < groups, other=0),)
        line += xy
    codes = ()  # in the order of the output, (cell, c, i, j); the words hold them as (i, cell, j, c)
    for m in tl.static_range(4):
        for c in tl.static_range(C):
            for i in tl.static_range(S):
                for j in tl.static_range(R):
                    codes += ((words[i * R * C + ((m * R + j) * C + c) // 4] >> ((m * R + j) * C + c) % 4 * 8) & 255,)
        for _ in tl.static_range(P - C * S * R):
            codes += (tl.zeros_like(words[0]),)
    g = g[:, None]
    if LAST:
        run = out + row.to(tl.int64) * groups * (4 * P) + g * (4 * P)
        for n in tl.static_range(0, 4 * P, WIDTH):
            f = tl.arange(0, WIDTH)[None, :] + n
            v = times(tile(codes[n : n + WIDTH], WIDTH).to(tl.float32), SCALE) + shift
            if P > C * S * R:
                v = tl.where(f % P < C * S * R, v, 0.0)
            tl.store(run + f, narrow(v, out.dtype.element_ty), mask=(g < groups) & (f < 4 * P))
    else:
        cells = out + (b * P * h + y) * groups * 4 + (g * 4 + tl.arange(0, 4)[None, :])
        for p in tl.static_range(P):
            four = tile((codes[p], codes[P + p], codes[2 * P + p], codes[3 * P + p]), 4)
            v = times(four.to(tl.float32), SCALE) + shift if p < C * S * R else tl.full([B, 4], 0.0, tl.float32)
            tl.store(cells, narrow(v, out.dtype.element_ty), mask=g < groups)
            cells += tl.cast(h, tl.int64) * groups * 4


def _whole_words(x: Tensor, s: int, r: int, wrap: Wrap) -> bool:
    """Tell whether groups of four cells of a picture `b h w c` are whole words of memory, and few enough."""
    c, width = index(x.shape[1]), x.shape[3]
    dense = (x.stride(1) == 1 or c == 1) and x.stride(3) == c
    if not dense or c * s * r > _WORDS or width % (4 * r):
        return False
    begins = x.storage_offset() if wrap is not direct else x.data_ptr()  # the compiler sees to the rest for itself
    return begins % 4 == 0 and x.stride(2) % 4 == 0 and (x.shape[0] == 1 or x.stride(0) % 4 == 0)


def _launch(
    x: Tensor, s: int, r: int, dtype: torch.dtype, shift: float, multiple: int, last: bool, wrap: Wrap = direct
) -> Tensor:
    b, c, height, width = x.shape
    c, h, w = index(c), height // s, width // r
    channels = padded(c * s * r, multiple)
    layout = torch.channels_last if last else torch.contiguous_format
    out = torch.empty((b, channels, h, w), dtype=dtype, device=x.device, memory_format=layout)
    if not out.numel():
        return out
    xb, xc, xy, xx = x.stride()
    if channels <= _CHANNELS and _whole_words(x, s, r, wrap):
        groups = w // 4
        size = max(fitting(groups, _GROUPS), 32)
        blocks = triton.cdiv(groups, size)
        wrap(packed_kernel)[(b * h * blocks,)](
            x, out, float(shift), h, groups, blocks, xb // 4, xy // 4,
            C=c, P=channels, S=s, R=r, LAST=last, SCALE=SCALE, B=size,
            WIDTH=min(_PIECE, triton.next_power_of_2(4 * channels)), num_warps=size // 32,
        )  # fmt: skip
        return out
    wide = triton.next_power_of_2(channels)
    size = fitting(w, max(_VALUES // wide, 1))
    v = 1 if last else vector(out, w)
    blocks = triton.cdiv(w, size)
    wrap(unshuffle_codes_kernel)[(b * h * blocks,)](
        x, out, float(shift), h, w // v, blocks, xb, xc, xy, xx,
        C=c, P=channels, S=s, R=r, V=v, LAST=last, SCALE=SCALE, B=size, PB=wide, num_warps=4,
    )  # fmt: skip
    return out


@triton_op("resizekit::unshuffle_codes", mutates_args={})
def unshuffle_codes_op(
    x: Tensor, s: int, r: int, dtype: torch.dtype, shift: float, multiple: int, channels_last: bool
) -> Tensor:
    """Turn bytes to floats as the compiler sees it."""
    if not on_cpu(x):
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
    """Stand in for `resizekit.ops.unshuffle_codes`."""
    check_codes(x, s, r, dtype, multiple)
    if dtype not in FLOATS or padded(x.shape[1] * s * r, multiple) > _MOST:
        return reference("unshuffle_codes")(
            x, s, r, dtype=dtype, shift=shift, multiple=multiple, channels_last=channels_last
        )
    run = unshuffle_codes_op if traced() else _launch
    return run(x, s, r, dtype, shift, multiple, channels_last)


def _bytes_moved(x: Tensor, s: int, r: int, *, dtype: torch.dtype = torch.float32, multiple: int = 1, **_: Any) -> int:
    b, c, height, width = x.shape
    return x.numel() + b * padded(c * s * r, multiple) * (height // s) * (width // r) * dtype.itemsize


KERNELS = (Kernel(op="unshuffle_codes", device_type="cuda", run=unshuffle_codes, bytes_moved=_bytes_moved),)
