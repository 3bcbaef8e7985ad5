"""Compute the peak signal-to-noise ratio and the luma of pictures."""

import math

import numpy as np
import numpy.typing as npt

from resizekit.errors import ResizeShapeError
from resizekit.storage.formats import Pixels, peak

__all__ = ["LUMA", "Weight", "luma", "psnr"]

Weight = npt.NDArray[np.bool_ | np.uint8 | np.uint16 | np.float32]
"""Weights of pixels, `h w`: their alpha, or whether they are visible."""
LUMA = np.array((65.481, 128.553, 24.966)) / 255
"""Weights of R, G and B as in MATLAB's `rgb2ycbcr`: BT.601, studio range 16 to 235."""


def psnr(a: Pixels, b: Pixels, *, border: int = 0, weight: Weight | None = None) -> float:
    """Compute the PSNR of two pictures in dB.

    The peak is the largest value of the type: 255 for uint8, 65535 for uint16, 1 for float32.

    Args:
        a: A picture `h w` or `h w c`.
        b: A picture of the same shape and type.
        border: Number of pixels to leave out on each side.
        weight: Weight of each pixel, `h w`, such as its alpha; None: all are equal.

    Returns:
        PSNR in dB; infinity for equal pictures, and where all weights are 0.

    Raises:
        ResizeShapeError: If shapes or types differ, or if the border leaves nothing.

    Examples:
        >>> a, b = np.full((4, 4), 100, np.uint8), np.full((4, 4), 101, np.uint8)
        >>> round(psnr(a, b), 2)
        48.13
        >>> psnr(a, a)
        inf
    """
    if a.shape != b.shape or a.dtype != b.dtype:
        raise ResizeShapeError(
            f"PSNR needs two pictures of the same shape and type, got {a.shape} {a.dtype} and {b.shape} {b.dtype}"
        )
    if 2 * border >= min(a.shape[:2]):
        raise ResizeShapeError(f"a border of {border} leaves nothing of {a.shape}; use a smaller border")
    inside = slice(border, a.shape[0] - border), slice(border, a.shape[1] - border)
    squares = (a[inside].astype(np.float64) - b[inside].astype(np.float64)) ** 2
    if weight is None:
        error = float(np.mean(squares))
    else:
        shares = weight[inside].astype(np.float64)
        total = float(shares.sum())
        error = float(np.sum(squares.reshape(*shares.shape, -1).mean(2) * shares)) / total if total else 0.0
    return math.inf if error == 0 else 10 * math.log10(peak(a) ** 2 / error)


def luma(pixels: Pixels) -> Pixels:
    """Compute the Y of YCbCr, equal to MATLAB's `rgb2ycbcr`: `h w c -> h w`. Grey pictures stay as they are.

    Y ranges from 16 to 235 for uint8. The range is 257 times as large for uint16; for floats it is divided by 255.

    Examples:
        >>> luma(np.full((1, 1, 3), 255, np.uint8))
        array([[235]], dtype=uint8)
    """
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return pixels.reshape(pixels.shape[:2])
    y = pixels.astype(np.float64) @ LUMA + 16 / 255 * peak(pixels)
    return (y if pixels.dtype == np.float32 else np.floor(y + 0.5)).astype(pixels.dtype)
