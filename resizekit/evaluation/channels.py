"""Pictures as the weights that are measured or trained take them: the right channels, values of [0, 1] or codes."""

from pathlib import Path

import numpy as np

from resizekit.convert import Pixels, with_bits
from resizekit.errors import ImageError
from resizekit.evaluation.metrics import luma

__all__ = ["shown", "with_channels"]


def with_channels(path: Path, pixels: Pixels, channels: int) -> Pixels:
    """Give `h w c` so many channels: one is the luma of three, grey is repeated to three, or `ImageError`."""
    have = pixels.shape[2]
    if have == channels:
        return pixels
    if (have, channels) == (3, 1):
        return luma(pixels)[:, :, None]
    if (have, channels) == (1, 3):
        return pixels.repeat(3, axis=2)
    raise ImageError(f"{path} has {have} channel(s), and these weights take {channels}")


def shown(pixels: Pixels) -> Pixels:
    """Make a picture to look at: 8 bits, of a cube three bands from its far end to its near one, `h w 1` or `h w 3`."""
    channels = pixels.shape[2]
    if channels not in (1, 3):
        pixels = pixels[:, :, [channels * 5 // 6, channels // 2, channels // 6]]
    return np.ascontiguousarray(with_bits(pixels, 8))
