"""Refine an entire image of any size: every level on all tiles, judged on the restored image."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from resizekit.codec.codec import Codec
from resizekit.codec.convert import convert_bits
from resizekit.codec.refine.effort import Effort
from resizekit.codec.refine.objective import BOUND
from resizekit.codec.refine.tiles import TiledRefinement
from resizekit.codec.tiling import Progress, Tile, tiled_up
from resizekit.storage import Pixels

__all__ = ["refine_pixels", "squared_error"]

_ROWS = 256
"""Rows that are in memory as float64 at once."""


def refine_pixels(
    codec: Codec,
    high: Pixels,
    low: Pixels,
    effort: Effort,
    *,
    weight: npt.NDArray[np.float32] | None = None,
    tile: Tile = "auto",
    squared_error: Callable[[Pixels], float] | None = None,
    progress: Progress | None = None,
    on_gain: Callable[[float], None] = lambda decibels: None,
) -> Pixels:
    """Refine low tile by tile and level by level; a level that does not improve the entire image is dropped.

    Args:
        codec: The codec.
        high: The original with padding, `(s h) (r w) (t c)`: uint8, uint16, or float32 in [0, 1].
        low: Low of effort 0 without padding, `h w c`. The decoder takes it reflected to the size of `high`.
        effort: The effort.
        weight: Weight of each pixel of high, `(s h) (r w)` in [0, 1]; None: 1.
        tile: Side of the tiles in pixels of high, "auto" or "off".
        squared_error: Restores a low image and returns its squared error; None: by the codec, without padding.
        progress: Called with (iterations done, all iterations) after each iteration on a tile.
        on_gain: Called after each level with the gain in PSNR so far, in dB.

    Returns:
        `h w c`, the pixel values to write.

    Raises:
        UsageError: As `refine`.
        ResizeShapeError: If the networks see the entire image, so that tiles are impossible.
    """
    if not effort.level:
        return low
    error_of = squared_error or (lambda candidate: _restored_error(codec, high, candidate, tile))
    refinement = TiledRefinement(codec, high, low, effort, weight=weight, tile=tile)
    bound = _Bound(codec, refinement.guide(), low, effort)
    before = error_of(low)
    best = bound.excess(low), before
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, refinement.steps)

    for level in range(1, effort.level + 1):
        candidate = refinement.run(low, level, step)
        found = bound.excess(candidate), error_of(candidate)
        if found < best:
            low, best = candidate, found
        on_gain(10 * math.log10(before / best[1]) if before and best[1] else 0.0)
    return low


class _Bound:
    """How far low may move from its guide, over the entire image."""

    def __init__(self, codec: Codec, guide: Pixels, first: Pixels, effort: Effort) -> None:
        self._codec, self._guide, target = codec, convert_bits(guide, 32), effort.target_low_psnr
        self._allowed = self._error(first) * BOUND if target is None else guide.size * 10 ** (-target / 10)

    def excess(self, low: Pixels) -> float:
        """Return the squared error of low, as it is read back, beyond the bound."""
        return max(0.0, self._error(low) - self._allowed)

    def _error(self, low: Pixels) -> float:
        storage = self._codec.storage
        read = low if storage.exact else storage.read_back(low)
        return squared_error(convert_bits(read, 32), self._guide)


def _restored_error(codec: Codec, high: Pixels, low: Pixels, tile: Tile) -> float:
    read = low if codec.storage.exact else codec.storage.read_back(low)
    return squared_error(tiled_up(codec, read, tile, dtype=high.dtype), high)


def squared_error(a: Pixels, b: Pixels, visible: npt.NDArray[np.bool_] | None = None) -> float:
    """Sum the squared differences of two images `h w c`, in the units of their values.

    Args:
        a: The first image.
        b: The second, of the same type.
        visible: Pixels to count, `h w`; None: all.
    """
    total = 0.0
    for top in range(0, len(a), _ROWS):
        rows = slice(top, top + _ROWS)
        squares = np.square(a[rows].astype(np.float64) - b[rows])
        total += float(squares.sum() if visible is None else squares[visible[rows]].sum())
    return total
