"""From network output to bytes: `b (c s r) h w` floats ─► shuffle ─► clamp ─► round half even ─► `b (h s) (w r) c`.

Inputs have x fastest, as torch lays them out by default, or channels; the bytes have c fastest, three to a pixel.  So
the order has to be turned, and stores of single bytes would starve a GPU.  Each thread takes a group of G neighbouring
pixels, as few as fill whole words of 4 bytes, and all their channels:

    G·c·s·r values ─► bytes in registers, reordered by naming ─► s lines of G·r·c bytes ─► shared memory ─► stores

It reads scalars that lie side by side across threads where x is fastest, and vectors of V channels where those are.
Only finished words cross shared memory, so that a warp's store has no gaps.

Read off the code for sm_90, 3 channels by 2x2 from bfloat16 (no timings): 12 instructions a value with channels fastest
and 15 with x fastest; loads touch a cache line for every 21 (8 if padded to 16 channels) and 32 values.  The simple
form, a gather for every output byte in turn, takes 19 and touches a line for every 7.  Near the bandwidth of memory 5
values are due in a clock, and no more than a line a clock can be counted on.
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
from resizekit_kernels.arithmetic import code
from resizekit_kernels.launch import FLOATS, Wrap, direct, on_cpu, traced, triton_op, vector, wrap_triton
from resizekit_kernels.registers import WIDEST, columns, tile

__all__ = ["KERNELS", "shuffle_codes_kernel"]

_GROUPS = 128
"""Groups a program works on: one a thread, which keeps 24 values in flight each (3 channels by 2x2)."""


@triton.jit
def shuffle_codes_kernel(
    x, out, shift, h, groups, blocks, sb, sy, sg, sx, sc,
    C: tl.constexpr, S: tl.constexpr, R: tl.constexpr, G: tl.constexpr, V: tl.constexpr, RUNS: tl.constexpr,
    WIDTH: tl.constexpr, B: tl.constexpr,
):  # fmt: skip
    """Round B groups of G pixels.

    The values of a group lie in RUNS runs, sx apart, of channels that are sc apart, and are read V at a time.  All
    other strides (sb from image to image, sy from row to row, sg from group to group, sx) count such vectors, so that
    the compiler knows them for aligned.  WIDTH is the next power of two from a group's bytes in an output row.
    """
    row = tl.program_id(0) // blocks
    g = (tl.program_id(0) % blocks) * B + tl.arange(0, B)[:, None]
    inside = g < groups
    start = (row // h).to(tl.int64) * sb + (row % h).to(tl.int64) * sy + g.to(tl.int64) * sg
    plane = tl.cast(sc, tl.int64)
    at = x + start * V + tl.arange(0, V)[None, :] * plane
    values = ()
    for _ in tl.static_range(RUNS):
        for p in tl.static_range(0, G * C * S * R // RUNS, V):
            v = tl.load(at + plane * p, mask=inside).to(tl.float32)
            values += columns(v, V) if V > 1 else (tl.reshape(v, [B]),)
        at += tl.cast(sx, tl.int64) * V
    f = tl.arange(0, WIDTH)[None, :]
    for i in tl.static_range(S):
        line = ()
        for k in tl.static_range(WIDTH):  # (pixel, j, c); those beyond the group's bytes are there to be masked
            line += (values[(k // (C * R)) % G * (C * S * R) + (k % C * S + i) * R + k // C % R],)
        pixels = out + (row.to(tl.int64) * S + i) * groups * (G * R * C) + g * (G * R * C)
        u = code(tile(line, WIDTH) + shift).to(tl.uint8)
        tl.store(pixels + f, u, mask=inside & (f < G * R * C))


def _group(x: Tensor, s: int, r: int) -> int:
    """Count the neighbouring pixels whose bytes in an output row fill words of 4, or of 2 if w is odd; 0: too many."""
    values, w = index(x.shape[1]), x.shape[3]
    sizes = (word // gcd(word, values // s) for word in (4, 2, 1))
    return next((g for g in sizes if w % g == 0 and g * values <= WIDEST), 0)


def _launch(x: Tensor, s: int, r: int, shift: float, wrap: Wrap = direct) -> Tensor:
    b, channels, h, w = x.shape
    c = index(channels) // (s * r)
    out = torch.empty((b, c, h * s, w * r), dtype=torch.uint8, device=x.device, memory_format=torch.channels_last)
    if out.numel():
        g = _group(x, s, r)
        sb, sc, sy, sx = x.stride()
        runs = 1 if sc == 1 and sx == channels else g
        v = vector(x, g * channels // runs, sb, sy, g * sx, sx * (runs > 1)) if sc == 1 else 1
        blocks = triton.cdiv(w // g, _GROUPS)
        wrap(shuffle_codes_kernel)[(b * h * blocks,)](
            x, out, float(shift), h, w // g, blocks, sb // v, sy // v, g * sx // v, sx // v, sc,
            C=c, S=s, R=r, G=g, V=v, RUNS=runs, WIDTH=triton.next_power_of_2(g * c * r), B=_GROUPS, num_warps=4,
        )  # fmt: skip
    return out


@triton_op("resizekit::shuffle_codes", mutates_args={})
def shuffle_codes_op(x: Tensor, s: int, r: int, shift: float) -> Tensor:
    """Turn floats to bytes as the compiler sees it."""
    return reference("shuffle_codes")(x, s, r, shift=shift) if on_cpu(x) else _launch(x, s, r, shift, wrap_triton)


def shuffle_codes(x: Tensor, s: int, r: int, *, shift: float = 0.0) -> Tensor:
    """Stand in for `resizekit.ops.shuffle_codes`."""
    check_floats(x)
    check_shuffle(x, s, r)
    if x.dtype not in FLOATS or not _group(x, s, r):
        return reference("shuffle_codes")(x, s, r, shift=shift)
    return shuffle_codes_op(x.detach(), s, r, shift) if traced() else _launch(x, s, r, shift)


def _bytes_moved(x: Tensor, s: int, r: int, **_: Any) -> int:
    return x.numel() * (x.element_size() + 1)


KERNELS = (Kernel(op="shuffle_codes", device_type="cuda", run=shuffle_codes, bytes_moved=_bytes_moved),)
