"""Peak signal-to-noise ratio on 8-bit pictures, RGB or luma."""

import math

import numpy as np
import numpy.typing as npt

from resizekit.errors import ResizeShapeError

__all__ = ["luma", "psnr"]

Pixels = npt.NDArray[np.uint8]

# MATLAB's rgb2ycbcr: BT.601, studio range 16..235.
_LUMA = np.array((65.481, 128.553, 24.966)) / 255


def psnr(a: Pixels, b: Pixels, *, border: int = 0) -> float:
    """PSNR in dB of two pictures of the same shape, `h w` or `h w c` uint8, without `border` pixels on each side.

    Equal pictures give infinity.  Raises `ResizeShapeError` for shapes that differ or a border that leaves nothing.
    """
    if a.shape != b.shape:
        raise ResizeShapeError(f"PSNR needs two pictures of one shape, got {a.shape} and {b.shape}")
    if 2 * border >= min(a.shape[:2]):
        raise ResizeShapeError(f"a border of {border} leaves nothing of {a.shape}; use a smaller one")
    inside = slice(border, a.shape[0] - border), slice(border, a.shape[1] - border)
    error = np.mean((a[inside].astype(np.float64) - b[inside].astype(np.float64)) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def luma(pixels: Pixels) -> Pixels:
    """The Y of YCbCr as MATLAB's `rgb2ycbcr` gives it: `h w c -> h w`, uint8, 16..235; grey stays as it is."""
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return pixels.reshape(pixels.shape[:2])
    y = pixels.astype(np.float64) @ _LUMA + 16
    return np.floor(y + 0.5).astype(np.uint8)
