"""Turning pictures the right way up, by the orientation that a camera noted."""

from collections.abc import Callable

import numpy as np

from resizekit.storage.formats import Pixels

__all__ = ["apply_exif_orientation"]

_TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x[::-1].swapaxes(0, 1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: x[:, ::-1].swapaxes(0, 1),
}


def apply_exif_orientation(pixels: Pixels, orientation: int) -> Pixels:
    """Turn `h w c` by EXIF's orientation, 1 to 8; any other number turns nothing."""
    return np.ascontiguousarray(_TURNS[orientation](pixels)) if orientation in _TURNS else pixels
