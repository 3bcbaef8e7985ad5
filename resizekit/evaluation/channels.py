"""Read pictures with the channels and the size that evaluation and training need."""

from pathlib import Path

import numpy as np

from resizekit.codec import Codec
from resizekit.codec.alpha import fill_hidden
from resizekit.codec.convert import convert_bits
from resizekit.errors import ImageError, ResizeShapeError
from resizekit.evaluation.metrics import luma
from resizekit.images.pipeline import check_depth
from resizekit.pictures.channels import match_channels
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.picture import Picture
from resizekit.pictures.value_range import ValueRange, normalize
from resizekit.storage.formats import Pixels

__all__ = ["read_for_evaluation", "read_values", "to_display", "with_channels"]


def read_values(path: Path, channels: int, *, folds: bool = False, value_range: ValueRange | None = None) -> Pixels:
    """Read a picture with the number of channels that a network takes.

    Args:
        path: The file.
        channels: Number of channels. For 1, a colour picture becomes its luma (16 to 235).
        folds: Whether the network resizes the channel axis too; see `match_channels`.
        value_range: The range of the file's values. Float files need it.

    Returns:
        Pixels `h w c`: integers as in the file, or with a value range floats in [0, 1].

    Raises:
        ImageError: If the file cannot be read or its channels do not match.
    """
    return with_channels(path, read_picture(path, value_range), channels, folds=folds)


def read_for_evaluation(
    codec: Codec, path: Path, value_range: ValueRange | None = None
) -> tuple[Pixels, Pixels | None]:
    """Read a picture for a codec and crop it to a size that the factors divide (paper, section 4.1).

    Args:
        codec: The codec that will be measured.
        path: The file.
        value_range: The range of the file's values. Float files need it.

    Returns:
        Pixels `h w c` as `read_values` returns them, and alpha `h w`, or None without transparency; both cropped at the
        bottom and at the right.

    Raises:
        ImageError: If the file cannot be read, holds more bits than the codec stores, or is too small.
    """
    picture = read_picture(path, value_range)
    check_depth(picture, codec.storage, path)
    pixels = with_channels(path, picture, codec.channels, folds=codec.spec.t > 1)
    try:
        _, h, w = codec.spec.crop((codec.channels, *pixels.shape[:2]))
    except ResizeShapeError as error:
        raise ImageError(f"{path} is too small to be measured: {error}") from None
    alpha = None if picture.alpha is None else np.ascontiguousarray(picture.alpha[:h, :w])
    return np.ascontiguousarray(pixels[:h, :w]), alpha


def with_channels(path: Path, picture: Picture, channels: int, *, folds: bool = False) -> Pixels:
    """Convert a picture that was already read; see `read_values`. The path only appears in error messages.

    The colours of transparent pixels are replaced as `down_file` does: they are arbitrary.
    """
    pixels = normalize(picture.pixels, picture.value_range)
    if picture.alpha is not None:
        pixels = fill_hidden(pixels, picture.alpha)
    if (pixels.shape[2], channels) == (3, 1):
        return luma(pixels)[:, :, None]
    return match_channels(pixels, channels, folds=folds, source=path)


def to_display(pixels: Pixels) -> Pixels:
    """Convert pixels `h w c` to 8 bits and to 1 or 3 channels, for viewing.

    Of a picture with another number of channels, three are selected: near the last, the middle and the first.
    """
    channels = pixels.shape[2]
    if channels not in (1, 3):
        pixels = pixels[:, :, [channels * 5 // 6, channels // 2, channels // 6]]
    return np.ascontiguousarray(convert_bits(pixels, 8))
