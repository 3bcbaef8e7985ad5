"""Limits on the size of a picture, checked before memory is allocated for it."""

import PIL.Image

from resizekit.errors import ImageError
from resizekit.spec import HW

__all__ = ["CHANNELS", "check_pixels", "check_values", "exceeds_limit", "limit_message"]

CHANNELS = 4096
"""Maximum number of channels of a cube, and of low in a config."""
_CUBE_FACTOR = 4
"""A cube may hold as many values as the largest picture has in this number of channels."""


def check_pixels(path: object, size: HW) -> None:
    """Refuse a size that exceeds Pillow's pixel limit, before memory is allocated.

    Args:
        path: The file, for the error message.
        size: Size of the picture in pixels.

    Raises:
        ImageError: The size has more pixels than `PIL.Image.MAX_IMAGE_PIXELS`.
    """
    if exceeds_limit(size):
        raise ImageError(f"{path} would have {size.w}x{size.h} pixels, too many: {limit_message()}")


def exceeds_limit(size: HW, channels: int = 1) -> bool:
    """Return whether a size has more pixels than Pillow's limit, or more values than a cube may hold."""
    maximum = PIL.Image.MAX_IMAGE_PIXELS
    return maximum is not None and size.h * size.w * max(channels, _CUBE_FACTOR) > maximum * _CUBE_FACTOR


def check_values(path: object, shape: tuple[int, ...]) -> None:
    """Refuse the shape of an array that is not `h w c`, is empty, or is too large.

    Args:
        path: The file, for the error message.
        shape: Shape of the array.

    Raises:
        ImageError: The shape cannot be a picture or exceeds a limit.
    """
    if len(shape) != 3:
        raise ImageError(
            f"{path} holds an array of shape {str(shape)[:60]}: save one with three axes, height, width, channels"
        )
    height, width, channels = shape
    if min(shape) < 1:
        raise ImageError(f"{path} holds an empty array of shape {shape}: every axis needs a length of at least 1")
    if channels > CHANNELS:
        raise ImageError(
            f"{path} has {channels} channels, more than {CHANNELS}: check that its axes are height, width, channels"
        )
    check_pixels(path, HW(height, width))
    if exceeds_limit(HW(height, width), channels):
        raise ImageError(
            f"{path} would have {height * width * channels} values, too many: {limit_message(_CUBE_FACTOR)}"
        )


def limit_message(factor: int = 1) -> str:
    """Return the end of an error message: the limit, the reason for it, and how to raise it."""
    maximum = PIL.Image.MAX_IMAGE_PIXELS
    return (
        f"the limit is {maximum and factor * maximum}, a guard against files that exhaust the memory; "
        "cut the picture into parts, or raise PIL.Image.MAX_IMAGE_PIXELS in Python"
    )
