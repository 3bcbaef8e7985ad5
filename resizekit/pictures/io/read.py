"""Decode a file to a `Picture`, or raise an error of one line."""

from dataclasses import replace
from functools import partial

import PIL.Image

from resizekit.pictures.io.decode import decode
from resizekit.pictures.io.frames import check_frame_number, no_such_frame
from resizekit.pictures.io.heif import is_heif, read_heif
from resizekit.pictures.io.jxl import read_jxl
from resizekit.pictures.io.npy import is_array, read_array
from resizekit.pictures.io.opening import pillow_formats, read_head, reading
from resizekit.pictures.io.png import read_png
from resizekit.pictures.io.png_chunks import is_png
from resizekit.pictures.io.redundancy import without_redundancy
from resizekit.pictures.io.source import PictureFile, Source, for_library, source_of
from resizekit.pictures.io.strips import can_read_jpeg, is_large, read_strips
from resizekit.pictures.io.tiff import is_tiff
from resizekit.pictures.io.tiff_pages import read_pages
from resizekit.pictures.picture import Picture
from resizekit.pictures.value_range import ValueRange, check_values_in_range
from resizekit.spec import HW
from resizekit.storage.jxl_header import is_jxl

__all__ = ["read_picture"]


def read_picture(
    file: PictureFile,
    value_range: ValueRange | None = None,
    *,
    frame: int | None = None,
    as_stored: bool = False,
) -> Picture:
    """Decode one still picture: orientation applied, palettes expanded.

    Reads 8 bits per channel from every format of Pillow, 16 bits from PNG and TIFF, and cubes of any number of channels
    and float32 from TIFF, .npy and .npz. Safe to call from several threads; they read one after another.

    Args:
        file: A path, the bytes of a file, or a binary file object. The content decides the format, not the name.
        value_range: Lowest and highest possible value; float32 pictures need it.
        frame: Number of the frame of an animation (GIF, APNG, WebP, AVIF) or of the page of a TIFF; the first is 1. The
            frame is composed as a viewer shows it. None: refuse files with several frames.
        as_stored: Keep an alpha that is opaque everywhere, and a profile for other colours than those of the pixels, as
            for a small image with a manifest.

    Raises:
        ImageError: The path is not a file, or the file is empty, truncated, not a picture, or a picture that is not
            supported: more pixels than Pillow's limit, several frames of which none is chosen, fewer frames than
            `frame`, or colours without a conversion to RGB.
        UsageError: `frame` is less than 1.
        MissingExtraError: Reading the file needs an optional dependency.
    """
    path = source_of(file)
    check_frame_number(frame)
    with reading(path):
        picture = _read(path, frame)
    if picture.embedded_manifest is None and not as_stored:  # a small image stays as its manifest describes it
        picture = without_redundancy(picture)
    return replace(picture, pixels=check_values_in_range(path, picture.pixels, value_range), value_range=value_range)


def _read(path: Source, frame: int | None) -> Picture:
    head = read_head(path)
    if is_array(path, head):
        if frame not in (None, 1):
            assert frame is not None
            raise no_such_frame(path, frame, 1)
        return Picture(pixels=read_array(path, head))
    if is_png(head):
        return read_png(path, head, frame)
    if is_tiff(head):
        return read_pages(path, head, frame)
    if is_jxl(head):
        return read_jxl(path, head, frame)
    if is_heif(head):
        return read_heif(path, head, frame)
    with PIL.Image.open(for_library(path), formats=pillow_formats()) as image:
        strips, size, channels = None, HW.from_wh(image.size), len(image.getbands())
        if can_read_jpeg(image) and is_large(size, channels):
            strips = partial(read_strips, path, size, channels)
        return decode(path, image, head, frame=frame, strips=strips)
