"""Peak signal-to-noise ratio on pictures of 8 or 16 bits, RGB or luma."""

import math

import numpy as np

from resizekit.errors import ResizeShapeError
from resizekit.ops.quantize import LEVELS, LEVELS16
from resizekit.storage.formats import Pixels

__all__ = ["LUMA", "luma", "psnr"]

# MATLAB's rgb2ycbcr: BT.601, studio range 16..235.
LUMA = np.array((65.481, 128.553, 24.966)) / 255


def psnr(a: Pixels, b: Pixels, *, border: int = 0) -> float:
    """PSNR in dB of two pictures of the same shape, `h w` or `h w c` codes, without `border` pixels on each side.

    The peak is the largest code, 255 or 65535; of float32 values it is 1.  Equal pictures give infinity.  Raises
    `ResizeShapeError` for shapes or types that differ or a border that leaves nothing.
    """
    if a.shape != b.shape or a.dtype != b.dtype:
        raise ResizeShapeError(
            f"PSNR needs two pictures of one shape and type, got {a.shape} {a.dtype} and {b.shape} {b.dtype}"
        )
    if 2 * border >= min(a.shape[:2]):
        raise ResizeShapeError(f"a border of {border} leaves nothing of {a.shape}; use a smaller one")
    inside = slice(border, a.shape[0] - border), slice(border, a.shape[1] - border)
    error = np.mean((a[inside].astype(np.float64) - b[inside].astype(np.float64)) ** 2)
    return math.inf if error == 0 else 10 * math.log10(_peak(a) ** 2 / error)


def luma(pixels: Pixels) -> Pixels:
    """The Y of YCbCr as MATLAB's `rgb2ycbcr` gives it: `h w c -> h w`, codes; grey stays as it is.

    It goes from 16 to 235, of 16 bits to 257 times that, of floats in [0, 1] to that divided by 255.
    """
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return pixels.reshape(pixels.shape[:2])
    y = pixels.astype(np.float64) @ LUMA + 16 / 255 * _peak(pixels)
    return (y if pixels.dtype == np.float32 else np.floor(y + 0.5)).astype(pixels.dtype)


def _peak(pixels: Pixels) -> int:
    return {"uint8": LEVELS, "uint16": LEVELS16}.get(str(pixels.dtype), 1)
