"""Transparency: its own way down and up, and colours that it does not bleed into.

Colours below transparent pixels are whatever a program left there, often black.  A resize would
mix them into the visible ones and leave a dark rim, so before going down they are replaced with a
smooth continuation of what is visible (push-pull: Gortler et al. 1996, "The Lumigraph", 3.4).
"""

from fractions import Fraction
from typing import cast

import numpy as np
import numpy.typing as npt
import torch

from resizekit.codec.tiling import Grid, over_tiles
from resizekit.ops import resample_codes
from resizekit.ops.resample import reach
from resizekit.spec import ResizeSpec
from resizekit.storage.formats import Pixels

__all__ = ["alpha_down", "alpha_up", "fill_hidden"]

_VISIBLE = {np.dtype(np.uint8): 8, np.dtype(np.uint16): 8 * 257}
"""From this alpha on, a colour counts fully and is kept exactly; below, it fades into the filling,
which changes what is seen by at most two codes of 8 bits."""
_SIDE = 1024
"""Side of the tiles in high pixels; every tile gives the same bits here."""
_ROWS = 256
"""Rows of full size that are floats at once."""

_Floats = npt.NDArray[np.float32]


def alpha_down(spec: ResizeSpec, alpha: Pixels) -> Pixels:
    """Make alpha small, antialiased: `(s h) (r w) -> h w`, uint8 or uint16; opaque stays opaque."""
    return _resize(alpha, (spec.s, spec.r))


def alpha_up(spec: ResizeSpec, alpha: Pixels) -> Pixels:
    """Bring alpha back: `h w -> (s h) (r w)`, uint8 or uint16."""
    return _resize(alpha, (1 / spec.s, 1 / spec.r))


def _resize(alpha: Pixels, factors: tuple[Fraction, Fraction]) -> Pixels:
    halo = [-(-reach(factor) // factor.numerator) for factor in factors]
    grid = Grid.of(factors, (halo[0], halo[1]))

    def run(tile: Pixels) -> Pixels:
        (h, w), (p, q), (h2, w2) = tile.shape[:2], grid.taken, grid.given
        codes = torch.from_numpy(tile.copy())[None, None, :, :, 0]
        small = resample_codes(codes, (h // p * h2, w // q * w2), scale=factors)
        return cast(Pixels, small[0, 0, :, :, None].numpy())

    return over_tiles(run, alpha[:, :, None], grid, _SIDE, dtype=alpha.dtype)[:, :, 0]


def fill_hidden(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Replace the colours below transparent pixels: `h w c` and `h w` give `h w c`, codes.

    Colours of an alpha of 8 or more (of 255) are kept exactly; if nothing is visible, all are.
    """
    if alpha.min() >= _VISIBLE[alpha.dtype] or not alpha.any():
        return pixels
    filled = pixels.copy()
    bands = [slice(top, top + _ROWS) for top in range(0, len(alpha), _ROWS)]
    halves = [_push(*_floats(pixels[band], alpha[band])) for band in bands]
    colours, weight = (np.concatenate(parts) for parts in zip(*halves, strict=True))
    half = _pull(colours, weight)
    for band in bands:
        first, last = max(0, band.start // 2 - 1), band.stop // 2 + 1
        own, weight = _floats(pixels[band], alpha[band])
        begin = band.start - 2 * first
        behind = _double(half[first:last])[begin : begin + len(own), : own.shape[1]]
        filled[band] = np.rint(own + (1 - weight) * (behind - own)).astype(pixels.dtype)
    return filled


def _floats(pixels: Pixels, alpha: Pixels) -> tuple[_Floats, _Floats]:
    """Colours `h w c` and how much they count, `h w 1` in [0, 1]."""
    visible = _VISIBLE[alpha.dtype]
    weight = np.minimum(alpha, visible).astype(np.float32) / np.float32(visible)
    return pixels.astype(np.float32), weight[:, :, None]


def _push(colours: _Floats, weight: _Floats) -> tuple[_Floats, _Floats]:
    """Average 2x2 blocks by weight, beyond an odd side 0: `(h 2) (w 2) c -> h w c`."""
    odd = [(0, n % 2) for n in weight.shape[:2]] + [(0, 0)]
    weight = np.pad(weight, odd)
    total = _blocks(weight)
    sums = _blocks(np.pad(colours, odd) * weight)
    mean = np.divide(sums, np.maximum(total, 1e-6), dtype=np.float32)
    return mean, np.minimum(total, 1, dtype=np.float32)


def _blocks(x: _Floats) -> _Floats:
    rows = x[0::2] + x[1::2]
    return rows[:, 0::2] + rows[:, 1::2]


def _pull(colours: _Floats, weight: _Floats) -> _Floats:
    """Fill from coarse to fine: where the weight lacks, the next coarser level shows through."""
    if weight.min() >= 1 or weight.shape[:2] == (1, 1):
        return colours
    behind = _double(_pull(*_push(colours, weight)))[: colours.shape[0], : colours.shape[1]]
    return behind + weight * (colours - behind)


def _double(x: _Floats) -> _Floats:
    """Interpolate linearly: `h w c -> (h 2) (w 2) c`."""
    return _double_rows(_double_rows(x).swapaxes(0, 1)).swapaxes(0, 1)


def _double_rows(x: _Floats) -> _Floats:
    around = np.concatenate((x[:1], x, x[-1:]))
    pairs = np.stack((0.75 * x + 0.25 * around[:-2], 0.75 * x + 0.25 * around[2:]), axis=1)
    return pairs.reshape(-1, *x.shape[1:])
