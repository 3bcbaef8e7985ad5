"""TIFF: choose the page and the library. Pillow reads one page of 8 bits, tifffile everything else."""

from functools import partial
from typing import Any

import PIL.Image

from resizekit.pictures.io.decode import decode
from resizekit.pictures.io.depth import has_deep_channels
from resizekit.pictures.io.frames import no_such_frame
from resizekit.pictures.io.opening import check_size
from resizekit.pictures.io.source import Source, for_library
from resizekit.pictures.io.strips import can_read_tiff, is_large, read_strips
from resizekit.pictures.io.tiff import read_tiff
from resizekit.pictures.io.tiff_directories import check_directories
from resizekit.pictures.picture import Picture
from resizekit.spec import HW

__all__ = ["read_pages"]

_SAMPLES_PER_PIXEL, _EXTRA_SAMPLES = 277, 338


def read_pages(path: Source, head: bytes, frame: int | None = None) -> Picture:
    """Read a TIFF.

    Args:
        path: The file.
        head: Its first bytes.
        frame: Number of the page, from 1, without thumbnails and reduced versions; None: the only page of full size, or
            pages of one sample and the same size as a cube.

    Raises:
        ImageError: The file does not have this page, has several, or holds a picture that is not supported.
        MissingExtraError: Reading it needs tifffile.
        Exception: The libraries raise any exception for broken data.
    """
    page = None if frame is None else _find_page(path, frame)
    picture = _read_with_pillow(path, head, page)
    return read_tiff(path, page) if picture is None else picture


def _find_page(path: Source, frame: int) -> int:
    """Return the index in the file of a page of full size."""
    reduced = check_directories(path)
    pages = [index for index, is_reduced in enumerate(reduced) if not is_reduced] or [0]
    if frame > len(pages):
        raise no_such_frame(path, frame, len(pages))
    return pages[frame - 1]


def _read_with_pillow(path: Source, head: bytes, page: int | None) -> Picture | None:
    """Read a page; None if Pillow would not read all of it."""
    try:
        with PIL.Image.open(for_library(path), formats=["TIFF"]) as image:
            if page is None and getattr(image, "is_animated", False):  # tifffile finds the page of full size
                check_size(path, HW.from_wh(image.size))
                return None
            if page:
                image.info.clear()  # Pillow keeps the profile of the first page for others without one
                try:
                    image.seek(page)
                except SyntaxError:  # a mode that Pillow does not have
                    return None
            size, channels, strips = HW.from_wh(image.size), len(image.getbands()), None
            check_size(path, size)
            if not _is_complete(image, head):
                return None
            if not page and can_read_tiff(image) and is_large(size, channels):
                strips = partial(read_strips, path, size, channels)
            return decode(path, image, head, strips=strips)
    except PIL.UnidentifiedImageError:
        return None


def _is_complete(image: PIL.Image.Image, head: bytes) -> bool:
    """Return whether Pillow reads all samples of a page.

    Pillow drops samples that it has no mode for, and an extra sample of an unknown kind is not alpha.
    """
    tags: Any = getattr(image, "tag_v2", {})
    bands = 1 if image.mode == "P" else len(image.getbands())
    hidden = tags.get(_SAMPLES_PER_PIXEL, 1) != bands or 0 in tags.get(_EXTRA_SAMPLES, ())
    return not (hidden or image.mode[0] in "IF" or has_deep_channels(image, head))
