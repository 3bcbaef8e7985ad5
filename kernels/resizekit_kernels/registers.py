"""Convert between a tile `b n` and its n columns `b`, so that a thread can address each value in its registers.

Each join interleaves two halves: first columns k and k + n / 2, then these pairs. After the last join they are in
order.
"""

import triton
import triton.language as tl

__all__ = ["WIDEST", "join_columns", "split_columns"]

WIDEST = 128
"""Maximum columns of a tile: all of them are in registers."""
_STEPS = tl.constexpr(WIDEST.bit_length())
"""The number of times WIDEST can be halved, plus 1."""


@triton.jit
def split_columns(tile, COUNT: tl.constexpr):
    """Split a tile `b n` into n columns `b`; n is a power of two."""
    parts = (tile,)
    for _ in tl.static_range(_STEPS):
        if len(parts) < COUNT:
            even = ()
            odd = ()
            for k in tl.static_range(len(parts)):
                left, right = tl.split(tl.reshape(parts[k], [tile.shape[0], COUNT // len(parts) // 2, 2]))
                even += (left,)
                odd += (right,)
            parts = even + odd
    flat = ()
    for k in tl.static_range(COUNT):
        flat += (tl.reshape(parts[k], [tile.shape[0]]),)
    return flat


@triton.jit
def join_columns(columns, COUNT: tl.constexpr):
    """Join columns `b` into a tile `b n`; n is a power of two, and the last column fills missing ones."""
    parts = columns
    for _ in tl.static_range(COUNT - len(columns)):
        parts += (columns[len(columns) - 1],)
    for _ in tl.static_range(_STEPS):
        if len(parts) > 1:
            joined = ()
            for k in tl.static_range(len(parts) // 2):
                joined += (tl.join(parts[k], parts[k + len(parts) // 2]),)
            parts = joined
    return tl.reshape(parts[0], [columns[0].shape[0], COUNT])
