"""Rotate and flip pictures by their EXIF orientation."""

from collections.abc import Callable

from resizekit.storage.formats import Pixels
from resizekit.system.scratch import contiguous

__all__ = ["apply_exif_orientation"]

_TRANSFORMS: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x[::-1].swapaxes(0, 1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: x[:, ::-1].swapaxes(0, 1),
}


def apply_exif_orientation(pixels: Pixels, orientation: int) -> Pixels:
    """Rotate and flip a picture upright.

    Args:
        pixels: `h w c`.
        orientation: EXIF's orientation, 1 to 8; any other number changes nothing.

    Examples:
        >>> import numpy as np
        >>> apply_exif_orientation(np.array([[[1], [2]]], np.uint8), 6).shape
        (2, 1, 1)
    """
    return contiguous(_TRANSFORMS[orientation](pixels)) if orientation in _TRANSFORMS else pixels
