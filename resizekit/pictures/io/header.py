"""What a file says before its pixels are decoded: its manifest, and how much memory its pixels need."""

from typing import NamedTuple

import PIL.Image

from resizekit.pictures.io.decode import read_exif
from resizekit.pictures.io.heif import is_heif, register_heif
from resizekit.pictures.io.metadata import read_embedded_manifest
from resizekit.pictures.io.npy import array_bytes, is_array
from resizekit.pictures.io.opening import check_size, pillow_formats, read_head, reading
from resizekit.pictures.io.png import png_size, read_other_chunks
from resizekit.pictures.io.png_chunks import is_png
from resizekit.pictures.io.source import PictureFile, Source, for_library, source_of
from resizekit.pictures.io.tiff import is_tiff, tiff_bytes
from resizekit.pictures.limits import check_pixels
from resizekit.pictures.manifest import KEYWORD
from resizekit.pictures.metadata import load_exif
from resizekit.spec import HW
from resizekit.storage.jxl_header import is_jxl, read_jxl_exif, read_jxl_header

__all__ = ["Header", "read_header"]

_BYTES = 4
"""Bytes of a decoded pixel of 8 bits per channel, in Pillow."""
_ROW = 64
"""Least bytes of a decoded row: Pillow's pointer to it, and the work for it, count in pictures of a few columns."""
_CONTAINERS = frozenset({"ICO", "ICNS"})
"""Formats whose size is known only after a picture inside the file is decoded."""


class Header(NamedTuple):
    """What a file says before its pixels are decoded."""

    manifest: str | None
    """Text of the manifest, not validated; None without one."""
    decoded_bytes: int | None
    """Bytes that the decoded pixels need in memory; None: not known before they are decoded."""


def read_header(file: PictureFile) -> Header:
    """Read a file without decoding its pixels.

    Raises:
        ImageError: The path is not a file, or the file is empty, broken before its pixels, not a picture, or has more
            pixels than Pillow's limit.
        MissingExtraError: Reading the file needs an optional dependency.
    """
    path = source_of(file)
    with reading(path):
        head = read_head(path)
        if is_array(path, head):
            return Header(None, array_bytes(path, head))
        if is_png(head):
            return _png(path, head)
        if is_jxl(head):
            return _jxl(path)
        if is_heif(head):
            register_heif()
        try:
            with PIL.Image.open(for_library(path), formats=pillow_formats()) as image:
                if not (image.format == "TIFF" and getattr(image, "is_animated", False)):
                    check_size(path, HW.from_wh(image.size))
                    size = None if image.format in _CONTAINERS else _decoded_bytes(HW.from_wh(image.size))
                    return Header(read_embedded_manifest(read_exif(image, None)), size)
        except PIL.UnidentifiedImageError:
            if not is_tiff(head):
                raise
        return Header(None, tiff_bytes(path))


def _decoded_bytes(size: HW, pixel_bytes: int = _BYTES) -> int:
    return size.h * max(size.w * pixel_bytes, _ROW)


def _png(path: Source, head: bytes) -> Header:
    size = png_size(head)
    if size is None:
        return Header(None, 0)  # cut off: the decoder reports it
    check_size(path, size)
    manifest = read_other_chunks(path).texts.get(KEYWORD)
    return Header(manifest, _decoded_bytes(size, _BYTES * (2 if head[24] > 8 else 1)))


def _jxl(path: Source) -> Header:
    with path.open("rb") as file:
        size = read_jxl_header(file).size
        check_pixels(path, size)
        file.seek(0)
        manifest = read_embedded_manifest(load_exif(read_jxl_exif(file)))
    return Header(manifest, _decoded_bytes(size))
