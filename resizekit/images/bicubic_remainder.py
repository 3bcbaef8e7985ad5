"""What no learned step divides: a picture resized a little by bicubic, and that undone.

Undoing is bicubic the other way, set right by what it misses: resized again as on the way down, it has to give the
picture that it came from (iterative back-projection: Irani and Peleg 1991, "Improving Resolution by Image
Registration").
Each axis goes by itself, in strips along it, so that memory is bounded and every strip gives the same bits.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from resizekit.codec.convert import bits_of, from_batch
from resizekit.codec.tiling import Grid, over_tiles
from resizekit.ops import resample
from resizekit.spec import HW
from resizekit.storage.formats import Pixels

__all__ = ["bicubic_resize", "inverse_bicubic"]

_ROUNDS = 3
"""So often what is missing is put back; what the first rounds leave is small, and each costs as much again."""
_STRIP = 1_000_000
"""Pixels of a strip of up to seven channels, fewer of more: they are floats at once."""

Size = tuple[int, int]


def bicubic_resize(pixels: Pixels, size: Size) -> Pixels:
    """Resize to (height, width), antialiased where that is smaller: `h w c -> h2 w2 c`, codes or floats in [0, 1]."""
    for axis in (0, 1):
        pixels = _along(axis, pixels, size[axis], _rows)
    return pixels


def inverse_bicubic(pixels: Pixels, size: Size) -> Pixels:
    """Bring back what `resized` made of a picture of (height, width): `h2 w2 c -> h w c`, codes or floats in [0, 1]."""
    for axis in (1, 0):
        pixels = _along(axis, pixels, size[axis], _rows_back)
    return pixels


def _along(axis: int, pixels: Pixels, side: int, way: Callable[[Tensor, int], Tensor]) -> Pixels:
    if pixels.shape[axis] == side:
        return pixels
    turned = pixels.swapaxes(0, axis)
    length = turned.shape[0]
    grid = Grid(HW(length, 1), HW(side, 1), HW(0, 0))
    bits = bits_of(pixels)

    def run(strip: Pixels) -> Pixels:
        x = torch.from_numpy(strip.transpose(2, 0, 1)[None].astype(np.float32))
        made = way(x, side).clamp_(0, 1) if bits == 32 else way(x, side).round_().clamp_(0, 2**bits - 1)
        return from_batch(made).astype(pixels.dtype)

    strip = max(1, _STRIP // (max(length, side) * max(1, pixels.shape[2] // 4)))
    made = over_tiles(run, turned, grid, strip, dtype=pixels.dtype)
    return np.ascontiguousarray(made.swapaxes(0, axis))


def _rows(x: Tensor, side: int) -> Tensor:
    return resample(x, (side, x.shape[3]))


def _rows_back(x: Tensor, side: int) -> Tensor:
    back = _rows(x, side)
    for _ in range(_ROUNDS):
        back += _rows(x - _rows(back, x.shape[2]), side)
    return back
