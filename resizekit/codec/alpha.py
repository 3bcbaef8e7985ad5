"""Transparency: resize alpha, and replace hidden colours so that they do not bleed into visible ones.

The colours of transparent pixels are arbitrary, often black. A resize would mix them into the visible colours and
leave a dark rim, so before the resize they are replaced with a smooth continuation of the visible colours (push-pull:
Gortler et al. 1996, "The Lumigraph", 3.4).
"""

from fractions import Fraction
from typing import cast

import numpy as np
import numpy.typing as npt
import torch

from resizekit.codec.grid import Grid, over_tiles
from resizekit.ops import resample_codes
from resizekit.ops.resample import reach
from resizekit.spec import ResizeSpec
from resizekit.storage.formats import Pixels
from resizekit.system.scratch import check_memory, smallest

__all__ = ["alpha_down", "alpha_up", "fill_hidden"]

_VISIBLE = {np.dtype(np.uint8): 8, np.dtype(np.uint16): 8 * 257}
"""Colours with at least this alpha do not change. Below it, a colour fades into the fill colour, which
changes the visible result by at most two 8-bit values."""
_SIDE = 1024
"""Side of the tiles in high pixels; the result does not depend on it."""
_BYTES = 24
"""Bytes of memory for each pixel."""
_ROWS = 256
"""Full-size rows that are in memory as floats at once."""

_Floats = npt.NDArray[np.float32]


def alpha_down(spec: ResizeSpec, alpha: Pixels) -> Pixels:
    """Shrink alpha with antialiasing: `(s h) (r w) -> h w`, uint8 or uint16; opaque stays opaque."""
    return _resize(alpha, (spec.s, spec.r))


def alpha_up(spec: ResizeSpec, alpha: Pixels) -> Pixels:
    """Enlarge alpha: `h w -> (s h) (r w)`, uint8 or uint16."""
    return _resize(alpha, (1 / spec.s, 1 / spec.r))


def _resize(alpha: Pixels, factors: tuple[Fraction, Fraction]) -> Pixels:
    halo = [-(-reach(factor) // factor.numerator) for factor in factors]
    grid = Grid.of(factors, (halo[0], halo[1]))

    def run(tile: Pixels) -> Pixels:
        (h, w), (p, q), (h2, w2) = tile.shape[:2], grid.taken, grid.given
        x = torch.from_numpy(tile.copy())[None, None, :, :, 0]
        y = resample_codes(x, (h // p * h2, w // q * w2), scale=factors)
        return cast(Pixels, y[0, 0, :, :, None].numpy())

    return over_tiles(run, alpha[:, :, None], grid, _SIDE, dtype=alpha.dtype)[:, :, 0]


def fill_hidden(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Replace the colours of transparent pixels by a smooth continuation of the visible ones.

    Colours with an alpha of at least 8 (of 255) do not change; if no pixel is visible, no colour changes.

    Args:
        pixels: `h w c`, uint8 or uint16.
        alpha: `h w`, of the same type.

    Returns:
        `h w c`, of the same type.

    Raises:
        ImageError: The picture has transparent pixels, and does not fit the memory that the process may use.

    Examples:
        >>> pixels = np.array([[[200], [0]]], np.uint8)
        >>> fill_hidden(pixels, np.array([[255, 0]], np.uint8)).tolist()
        [[[200], [200]]]
    """
    if smallest(alpha) >= _VISIBLE[alpha.dtype] or not alpha.any():
        return pixels
    check_memory(_BYTES * alpha.size, "transparent pixels are filled in one piece: put the picture on a background")
    filled = pixels.copy()
    bands = [slice(top, top + _ROWS) for top in range(0, len(alpha), _ROWS)]
    halves = [_push(*_weighted(pixels[band], alpha[band])) for band in bands]
    colours, weight = (np.concatenate(parts) for parts in zip(*halves, strict=True))
    half = _pull(colours, weight)
    for band in bands:
        first, last = max(0, band.start // 2 - 1), band.stop // 2 + 1
        colours, weight = _weighted(pixels[band], alpha[band])
        begin = band.start - 2 * first
        fill = _double(half[first:last])[begin : begin + len(colours), : colours.shape[1]]
        filled[band] = np.rint(colours + (1 - weight) * (fill - colours)).astype(pixels.dtype)
    return filled


def _weighted(pixels: Pixels, alpha: Pixels) -> tuple[_Floats, _Floats]:
    """Give colours `h w c` and their weights `h w 1` in [0, 1], as floats."""
    visible = _VISIBLE[alpha.dtype]
    weight = np.minimum(alpha, visible).astype(np.float32) / np.float32(visible)
    return pixels.astype(np.float32), weight[:, :, None]


def _push(colours: _Floats, weight: _Floats) -> tuple[_Floats, _Floats]:
    """Average 2x2 blocks by weight, with zero padding of odd sides: `(h 2) (w 2) c -> h w c`."""
    padding = [(0, n % 2) for n in weight.shape[:2]] + [(0, 0)]
    weight = np.pad(weight, padding)
    total = _sum_blocks(weight)
    sums = _sum_blocks(np.pad(colours, padding) * weight)
    mean = np.divide(sums, np.maximum(total, 1e-6), dtype=np.float32)
    return mean, np.minimum(total, 1, dtype=np.float32)


def _sum_blocks(x: _Floats) -> _Floats:
    rows = x[0::2] + x[1::2]
    return rows[:, 0::2] + rows[:, 1::2]


def _pull(colours: _Floats, weight: _Floats) -> _Floats:
    """Fill from coarse to fine: where the weight is below 1, mix in the next coarser level."""
    if weight.min() >= 1 or weight.shape[:2] == (1, 1):
        return colours
    fill = _double(_pull(*_push(colours, weight)))[: colours.shape[0], : colours.shape[1]]
    return fill + weight * (colours - fill)


def _double(x: _Floats) -> _Floats:
    """Interpolate linearly: `h w c -> (h 2) (w 2) c`."""
    return _double_rows(_double_rows(x).swapaxes(0, 1)).swapaxes(0, 1)


def _double_rows(x: _Floats) -> _Floats:
    padded = np.concatenate((x[:1], x, x[-1:]))
    pairs = np.stack((0.75 * x + 0.25 * padded[:-2], 0.75 * x + 0.25 * padded[2:]), axis=1)
    return pairs.reshape(-1, *x.shape[1:])
