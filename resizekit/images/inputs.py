"""The input of `down_file` and `down_bytes`: a file, a PIL image or an array, as a `Picture`."""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import PIL.Image

from resizekit.errors import ImageError, UsageError
from resizekit.pictures.io.npy import check_array
from resizekit.pictures.io.pil import picture_from_pil
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.source import MemoryFile, PictureFile, Source, source_of
from resizekit.pictures.picture import Picture
from resizekit.pictures.value_range import ValueRange, check_values_in_range

__all__ = ["PictureInput", "input_of", "read_input"]

PictureInput: TypeAlias = PIL.Image.Image | npt.NDArray[Any] | PictureFile
"""A PIL image, an array `h w c`, or a file: a path, bytes or a binary file object."""

Input: TypeAlias = PIL.Image.Image | npt.NDArray[Any] | Source


def input_of(image: PictureInput) -> tuple[Input, Source | str]:
    """Return the input, a file object read to its end, and its name for error messages.

    Raises:
        ImageError: The object does not hold a picture.
    """
    if isinstance(image, PIL.Image.Image):
        return image, "this PIL image"
    if isinstance(image, np.ndarray):
        return image, "this array"
    is_file = isinstance(image, str | Path | bytes | bytearray | memoryview | MemoryFile) or hasattr(image, "read")
    if not is_file:
        raise ImageError(
            f"invalid picture of type {type(image).__name__}: expected a path, bytes, a file object opened with 'rb', "
            "a PIL image, or an array `h w c`"
        )
    source = source_of(image)
    return source, source


def read_input(
    image: Input, source: object, value_range: ValueRange | None = None, *, frame: int | None = None
) -> Picture:
    """Convert an input to a picture. An array is read as the .npy file of it.

    Args:
        image: From `input_of`.
        source: Its name, for error messages.
        value_range: Lowest and highest possible value; float32 arrays need it.
        frame: Number of the frame of a file.

    Raises:
        ImageError: The input cannot be read, or is not a picture.
        UsageError: A frame of an image in memory is requested.
    """
    if not isinstance(image, PIL.Image.Image | np.ndarray):
        return read_picture(image, value_range, frame=frame)
    if frame is not None:
        raise UsageError(f"invalid frame {frame} of {source}: pass a file, or the frame itself")
    if isinstance(image, PIL.Image.Image):
        picture = picture_from_pil(image)
    else:
        array = image[:, :, None] if image.ndim == 2 else image
        check_array(source, array.shape, array.dtype)
        picture = Picture(pixels=np.ascontiguousarray(array, array.dtype.newbyteorder("=")))
    pixels = check_values_in_range(source, picture.pixels, value_range)
    return Picture(pixels=pixels, alpha=picture.alpha, icc=picture.icc, value_range=value_range)
