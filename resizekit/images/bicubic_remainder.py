"""The part of a resize that no learned step covers: bicubic, and its approximate inverse.

The inverse is a bicubic resize in the other direction, corrected in several rounds: each round resizes the result again
and adds the remaining error (iterative back-projection: Irani and Peleg 1991, "Improving Resolution by Image
Registration").

Each axis is resized separately, in strips along it, so that memory is bounded and every strip gives the same bits.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from resizekit.codec.convert import bit_depth, from_batch
from resizekit.codec.grid import Grid, over_tiles
from resizekit.ops import resample
from resizekit.spec import HW
from resizekit.storage.formats import Pixels
from resizekit.system.scratch import contiguous

__all__ = ["bicubic_resize", "inverse_bicubic"]

_ROUNDS = 3
"""Number of back-projection rounds. More rounds would cost more and reduce the error only a little."""
_STRIP = 1_000_000
"""Pixels of a strip with up to seven channels, fewer with more: they are in memory as floats at once."""


def bicubic_resize(pixels: Pixels, size: HW) -> Pixels:
    """Resize a picture, with antialiasing along axes that shrink: `h w c -> h2 w2 c`.

    Args:
        pixels: uint8, uint16, or float32 in [0, 1].
        size: Size of the result.
    """
    for axis in (0, 1):
        pixels = _resize_axis(axis, pixels, size[axis], _resize_rows)
    return pixels


def inverse_bicubic(pixels: Pixels, size: HW) -> Pixels:
    """Restore a picture from the result of `bicubic_resize`: `h2 w2 c -> h w c`.

    Args:
        pixels: uint8, uint16, or float32 in [0, 1].
        size: Size of the original.
    """
    for axis in (1, 0):
        pixels = _resize_axis(axis, pixels, size[axis], _restore_rows)
    return pixels


def _resize_axis(axis: int, pixels: Pixels, side: int, resize: Callable[[Tensor, int], Tensor]) -> Pixels:
    if pixels.shape[axis] == side:
        return pixels
    transposed = pixels.swapaxes(0, axis)
    length = transposed.shape[0]
    grid = Grid(HW(length, 1), HW(side, 1), HW(0, 0))
    bits = bit_depth(pixels)

    def run(strip: Pixels) -> Pixels:
        if strip.shape[2] > 1 and max(length, side) > _STRIP:  # a single column fills the memory of a strip
            return np.concatenate([run(channel) for channel in np.split(strip, strip.shape[2], 2)], 2)
        x = torch.from_numpy(strip.transpose(2, 0, 1)[None].astype(np.float32))
        y = resize(x, side).clamp_(0, 1) if bits == 32 else resize(x, side).round_().clamp_(0, 2**bits - 1)
        return from_batch(y).astype(pixels.dtype)

    strip = max(1, _STRIP // (max(length, side) * max(1, pixels.shape[2] // 4)))
    resized = over_tiles(run, transposed, grid, strip, dtype=pixels.dtype)
    return contiguous(resized.swapaxes(0, axis))


def _resize_rows(x: Tensor, side: int) -> Tensor:
    return resample(x, (side, x.shape[3]))


def _restore_rows(x: Tensor, side: int) -> Tensor:
    restored = _resize_rows(x, side)
    for _ in range(_ROUNDS):
        restored += _resize_rows(x - _resize_rows(restored, x.shape[2]), side)
    return restored
