"""How large a picture may be, asked before memory is taken for it."""

from pathlib import Path

import PIL.Image

from resizekit.errors import ImageError

__all__ = ["CHANNELS", "check_pixels", "check_values", "limit", "too_many"]

CHANNELS = 4096
"""The most channels that a cube may have, and low in a config."""
_DEEPEST = 4
"""A cube may hold as many values as the largest picture has in so many channels."""


def check_pixels(path: str | Path, size: tuple[int, int]) -> None:
    """Refuse, before memory is taken, a (width, height) of more pixels than Pillow's limit."""
    if too_many(size):
        raise ImageError(f"{path} would have {size[0]}x{size[1]} pixels, too many: {limit()}")


def too_many(size: tuple[int, int], channels: int = 1) -> bool:
    """Whether a size has more pixels than Pillow's limit, or with its channels more values than a cube may hold."""
    most = PIL.Image.MAX_IMAGE_PIXELS
    return most is not None and size[0] * size[1] * max(channels, _DEEPEST) > most * _DEEPEST


def check_values(path: str | Path, shape: tuple[int, ...]) -> None:
    """Refuse a shape that is no `h w c`, has nothing or too much in it."""
    if len(shape) != 3:
        raise ImageError(f"{path} holds an array of shape {shape}: save one of three axes, height, width, channels")
    height, width, channels = shape
    if min(shape) < 1:
        raise ImageError(f"{path} holds nothing (shape {shape}): every side is at least 1")
    if channels > CHANNELS:
        raise ImageError(f"{path} has {channels} channels, more than {CHANNELS}: are its axes height, width, channels?")
    check_pixels(path, (width, height))
    if too_many((width, height), channels):
        raise ImageError(f"{path} would have {height * width * channels} values, too many: {limit(_DEEPEST)}")


def limit(times: int = 1) -> str:
    """Say what the limit is, why there is one and what to do."""
    most = PIL.Image.MAX_IMAGE_PIXELS
    return (
        f"the limit is {most and times * most}, a guard against files that fill the memory; "
        "cut the picture into parts, or raise PIL.Image.MAX_IMAGE_PIXELS in Python"
    )
