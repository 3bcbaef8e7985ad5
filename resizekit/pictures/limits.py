"""Limits on the size of a picture, checked before memory is allocated for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import PIL.Image

from resizekit.errors import ImageError
from resizekit.spec import HW

__all__ = [
    "ANY_NUMBER",
    "CHANNELS",
    "allow_pixels",
    "check_pixels",
    "check_values",
    "exceeds_limit",
    "limit_message",
    "most_pixels",
]

ANY_NUMBER = 2**62
"""A limit on pixels that no picture reaches."""
CHANNELS = 4096
"""Maximum number of channels of a cube, and of low in a config."""
_CUBE_FACTOR = 4
"""A cube may hold as many values as the largest picture has in this number of channels."""


_ALLOWED: ContextVar[int | None] = ContextVar("allowed", default=None)


@contextmanager
def allow_pixels(count: int | None) -> Iterator[None]:
    """Replace Pillow's limit on the pixels of a picture inside this block; None: leave it."""
    token = _ALLOWED.set(count or _ALLOWED.get())
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def most_pixels() -> int | None:
    """Return the most pixels that a picture may have; None: any number."""
    return _ALLOWED.get() or PIL.Image.MAX_IMAGE_PIXELS


def check_pixels(path: object, size: HW) -> None:
    """Refuse a size that exceeds Pillow's pixel limit, before memory is allocated.

    Args:
        path: The file, for the error message.
        size: Size of the picture in pixels.

    Raises:
        ImageError: The size has more pixels than `most_pixels` returns.
    """
    if exceeds_limit(size):
        raise ImageError(f"{path} would have {size.w}x{size.h} pixels, too many: {limit_message()}")


def exceeds_limit(size: HW, channels: int = 1) -> bool:
    """Return whether a size has more pixels than Pillow's limit, or more values than a cube may hold."""
    maximum = most_pixels()
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
    maximum = most_pixels()
    return (
        f"the limit is {maximum and factor * maximum}, a guard against files that exhaust the memory; "
        "allow more with --max-pixels or --memory (in Python: resizekit.Budget)"
    )
