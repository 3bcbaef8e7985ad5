"""JPEG XL, whose header is checked first, since Pillow's plugin decodes a file when it is opened."""

from dataclasses import replace

import PIL.Image

from resizekit.errors import ImageError
from resizekit.pictures.io.decode import decode
from resizekit.pictures.io.frames import several_frames
from resizekit.pictures.io.opening import too_deep
from resizekit.pictures.io.source import Source, for_library
from resizekit.pictures.limits import check_pixels
from resizekit.pictures.picture import Picture
from resizekit.storage.jxl import register_jxl
from resizekit.storage.jxl_header import read_jxl_header

__all__ = ["read_jxl"]


def read_jxl(path: Source, head: bytes, frame: int | None = None) -> Picture:
    """Read a JPEG XL of 8 bits per channel and a single frame.

    Raises:
        ImageError: The picture is too large or not supported.
        MissingExtraError: pillow-jxl-plugin is not installed.
        Exception: The plugin raises any exception for broken data.
    """
    register_jxl()
    with path.open("rb") as file:
        header = read_jxl_header(file)
    check_pixels(path, header.size)
    if header.is_animated:
        raise several_frames(path, can_choose=False)
    if header.is_deep:
        raise too_deep(path)
    if header.has_other_channels:
        raise ImageError(f"{path} has channels besides colour and transparency: save it without them")
    with PIL.Image.open(for_library(path), formats=["JXL"]) as image:
        picture = decode(path, image, head, frame=frame)
    return replace(picture, icc=None) if header.is_srgb else picture  # the decoder invents a profile for sRGB
