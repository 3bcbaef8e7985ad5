"""Refine an entire image of any size: every level on all tiles, judged on the restored image."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from resizekit.codec.codec import Codec
from resizekit.codec.convert import convert_bits, from_batch, to_batch
from resizekit.codec.grid import Progress, Tile
from resizekit.codec.refine.effort import Effort
from resizekit.codec.refine.objective import BOUND, bits_of, check_reachable, price_of
from resizekit.codec.refine.tiles import TiledRefinement
from resizekit.codec.tiling import tiled_up
from resizekit.nn import to_float
from resizekit.storage import Pixels
from resizekit.storage.formats import peak

__all__ = ["refine_pixels", "squared_error"]

_ROWS = 256
"""Rows that are in memory as float64 at once."""
_ROUNDING = 1e-6
"""Relative difference between the sum over the tiles and the sum over the image."""
_BISECTIONS = 7
"""Steps to find out how far low must move into its bound."""


def refine_pixels(
    codec: Codec,
    high: Pixels,
    low: Pixels,
    effort: Effort,
    *,
    weight: npt.NDArray[np.float32] | None = None,
    tile: Tile = "auto",
    error_of: Callable[[Pixels], float] | None = None,
    progress: Progress | None = None,
    on_gain: Callable[[float], None] = lambda decibels: None,
) -> Pixels:
    """Refine low tile by tile and level by level; a level that does not improve the entire image is dropped.

    Args:
        codec: The codec.
        high: The original with padding, `(s h) (r w) (t c)`: uint8, uint16, or float32 in [0, 1].
        low: Low before the compression and without padding, `h w c`, float32, from `tiled_encode`. The decoder takes it
            reflected to the size of `high`.
        effort: The effort.
        weight: Weight of each pixel of high, `(s h) (r w)` in [0, 1]; None: 1.
        tile: Side of the tiles in pixels of high, "auto" or "off".
        error_of: Restores an image from the pixel values that are written, and returns its squared error, with a peak
            of 1; None: by the codec, without padding.
        progress: Called with (iterations done, all iterations) after each iteration on a tile.
        on_gain: Called after each level with the gain in PSNR so far, in dB.

    Returns:
        `h w c`, uint8 or uint16: the pixel values to write.

    Raises:
        UsageError: As `refine`.
        ResizeShapeError: If the networks see the entire image, so that tiles are impossible.
    """
    if error_of is None:
        error_of = partial(_restored_error, codec, high, tile)
    with torch.inference_mode():
        low = from_batch(codec.round_to_file(to_batch(low).to(codec.device)).float().cpu())
    before = error_of(_stored(codec, low))
    price = price_of(before, low.size) if effort.smaller else None
    refinement = TiledRefinement(codec, high, low, effort, weight=weight, tile=tile, bit_price=price)
    bound = _Bound(codec, refinement.guide(), low, effort)

    def judge(low: Pixels) -> _Judgement:
        stored, excess = _stored(codec, low), bound.excess(low)
        error = error_of(stored)
        if price is None:
            return _Judgement(excess, error, error)
        return _Judgement(excess + max(0.0, error - before), error + price * _bits(codec, stored), error)

    low = bound.move_into(low, bound.guide)
    best = judge(low)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, refinement.steps)

    for level in range(1, effort.level + 1):
        candidate = bound.move_into(refinement.run(low, level, step), low)
        found = judge(candidate)
        if found < best:
            low, best = candidate, found
        on_gain(_gain(before, best.error))
    if progress is not None:
        progress(1, 1)
    return _stored(codec, low)


class _Judgement(NamedTuple):
    """How good a low image is; compared in this order."""

    excess: float
    """Squared errors beyond their bounds."""
    cost: float
    """Squared error of the restored image, and the price of the bits."""
    error: float
    """Squared error of the restored image alone."""


def _stored(codec: Codec, low: Pixels) -> Pixels:
    """Return the pixel values that are written: `h w c -> h w c`, uint8 or uint16."""
    with torch.inference_mode():
        return from_batch(codec.to_stored(to_batch(low).to(codec.device)).cpu())


def _bits(codec: Codec, stored: Pixels) -> float:
    with torch.inference_mode():
        return float(bits_of(to_float(to_batch(stored)), codec))


def _gain(before: float, after: float) -> float:
    """Return the gain in PSNR in dB; infinity where nothing is left of an error."""
    if not after:
        return math.inf if before else 0.0
    return 10 * math.log10(before / after) if before else 0.0


class _Bound:
    """How far low may move from its guide, over the entire image."""

    def __init__(self, codec: Codec, guide: Pixels, first: Pixels, effort: Effort) -> None:
        self.guide, self._codec, target = guide, codec, effort.target_low_psnr
        allowed = self._error(first) * BOUND if target is None else guide.size * 10 ** (-target / 10)
        self._allowed = allowed * (1 + _ROUNDING)
        if target is not None:
            check_reachable(self._error(guide) / guide.size, target, codec)

    def excess(self, low: Pixels) -> float:
        """Return the squared error of low, as it is read back, beyond the bound."""
        return max(0.0, self._error(low) - self._allowed)

    def move_into(self, low: Pixels, inside: Pixels) -> Pixels:
        """Move low towards another image, which is inside the bound, until it is inside too."""
        if not self.excess(low):
            return low
        share, step = 0.0, 0.5
        for _ in range(_BISECTIONS):
            if not self.excess(inside + np.float32(share + step) * (low - inside)):
                share += step
            step /= 2
        return inside + np.float32(share) * (low - inside)

    def _error(self, low: Pixels) -> float:
        return squared_error(convert_bits(_read_back(self._codec, _stored(self._codec, low)), 32), self.guide)


def _read_back(codec: Codec, stored: Pixels) -> Pixels:
    return stored if codec.storage.exact else codec.storage.read_back(stored)


def _restored_error(codec: Codec, high: Pixels, tile: Tile, stored: Pixels) -> float:
    restored = tiled_up(codec, _read_back(codec, stored), tile, dtype=high.dtype)
    return squared_error(restored, high) / peak(high) ** 2


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
