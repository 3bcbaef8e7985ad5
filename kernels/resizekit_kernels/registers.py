"""Tiles `b n` and their columns `b`, to and fro: a thread that has a row in registers can name each of its values.

Columns join in halves: k and k + n / 2 lie together, then those pairs, so that after the last join all lie in order.
"""

import triton
import triton.language as tl

__all__ = ["WIDEST", "columns", "tile"]

WIDEST = 128
"""Columns of a tile, at most: all of them sit in registers."""
_LEVELS = tl.constexpr(WIDEST.bit_length())
"""How often as many can be halved."""


@triton.jit
def columns(tile, N: tl.constexpr):
    """Take a tile `b n` apart into n columns `b`; n is a power of two."""
    parts = (tile,)
    for _ in tl.static_range(_LEVELS):
        if len(parts) < N:
            even = ()
            odd = ()
            for k in tl.static_range(len(parts)):
                left, right = tl.split(tl.reshape(parts[k], [tile.shape[0], N // len(parts) // 2, 2]))
                even += (left,)
                odd += (right,)
            parts = even + odd
    flat = ()
    for k in tl.static_range(N):
        flat += (tl.reshape(parts[k], [tile.shape[0]]),)
    return flat


@triton.jit
def tile(columns, N: tl.constexpr):
    """Put columns `b` together to a tile `b n`; n is a power of two, and the last column stands in for missing ones."""
    parts = columns
    for _ in tl.static_range(N - len(columns)):
        parts += (columns[len(columns) - 1],)
    for _ in tl.static_range(_LEVELS):
        if len(parts) > 1:
            joined = ()
            for k in tl.static_range(len(parts) // 2):
                joined += (tl.join(parts[k], parts[k + len(parts) // 2]),)
            parts = joined
    return tl.reshape(parts[0], [columns[0].shape[0], N])
