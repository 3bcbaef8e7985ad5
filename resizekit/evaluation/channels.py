"""Pictures as the weights that are measured or trained take them: the right channels, the right size."""

from pathlib import Path

import numpy as np

from resizekit.codec import Codec
from resizekit.codec.convert import with_bits
from resizekit.errors import ImageError, ResizeShapeError
from resizekit.evaluation.metrics import luma
from resizekit.images.channels import match_channels
from resizekit.images.io.read import read_picture
from resizekit.images.picture import Picture
from resizekit.images.pipeline import check_depth
from resizekit.images.value_range import ValueRange, normalize
from resizekit.storage.formats import Pixels

__all__ = ["read_measured", "read_values", "to_display", "with_channels"]


def read_values(path: Path, channels: int, *, folds: bool = False, value_range: ValueRange | None = None) -> Pixels:
    """Read a picture as weights for so many channels learn from it: `h w c`, codes, or with a value_range floats in [0, 1].

    For one channel a colour picture becomes its luma (16..235); otherwise as `fitted`.  Raises what `read_picture` and
    that raise.
    """
    return with_channels(path, read_picture(path, value_range), channels, folds=folds)


def read_measured(codec: Codec, path: Path, value_range: ValueRange | None = None) -> Pixels:
    """Read a picture as a codec is measured on it: as `read_values`, cropped to what the factors divide (4.1).

    Raises `ImageError` also for one that is too deep for the codec's storage or too small.
    """
    picture = read_picture(path, value_range)
    check_depth(picture, codec.storage, path)
    pixels = with_channels(path, picture, codec.channels, folds=codec.spec.t > 1)
    try:
        _, h, w = codec.spec.crop((codec.channels, *pixels.shape[:2]))
    except ResizeShapeError as error:
        raise ImageError(f"{path} is too small to be measured: {error}") from None
    return np.ascontiguousarray(pixels[:h, :w])


def with_channels(path: Path, picture: Picture, channels: int, *, folds: bool = False) -> Pixels:
    """Give a picture's values as weights for so many channels take them: `h w c`, as `read_values` does."""
    pixels = normalize(picture.pixels, picture.value_range)
    if (pixels.shape[2], channels) == (3, 1):
        return luma(pixels)[:, :, None]
    return match_channels(pixels, channels, folds=folds, where=path)


def to_display(pixels: Pixels) -> Pixels:
    """Make a picture to look at: 8 bits, of a cube three bands from its far end to its near one, `h w 1` or `h w 3`."""
    channels = pixels.shape[2]
    if channels not in (1, 3):
        pixels = pixels[:, :, [channels * 5 // 6, channels // 2, channels // 6]]
    return np.ascontiguousarray(with_bits(pixels, 8))
