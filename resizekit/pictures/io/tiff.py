"""TIFF that Pillow cannot read or write: 16 bits per channel, floats, many samples or pages, by tifffile.

A picture is a page of one or three samples and optionally alpha, a page of many samples, or many pages with one sample
each and the same size, which are the bands of a cube.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from resizekit.errors import ImageError
from resizekit.pictures.io.frames import several_frames
from resizekit.pictures.io.orientation import apply_exif_orientation
from resizekit.pictures.io.source import Source, for_library
from resizekit.pictures.io.tiff_directories import check_directories
from resizekit.pictures.io.tiff_library import tifffile
from resizekit.pictures.io.tiff_strips import tiff_tags
from resizekit.pictures.limits import check_values
from resizekit.pictures.picture import Picture
from resizekit.spec import HW
from resizekit.storage.formats import Pixels, Storage
from resizekit.system.scratch import contiguous, empty, release

__all__ = ["DEEP_TIFF", "DeepTiff", "is_tiff", "read_tiff", "tiff_bytes"]

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WHITE_IS_ZERO, _GREY, _RGB = 0, 1, 2
_PREMULTIPLIED, _ALPHA = 1, 2
_ICC, _ORIENTATION = 34675, 274
_BITS = {"uint8": 8, "uint16": 16, "float32": 32}


@dataclass(frozen=True, kw_only=True)
class DeepTiff(Storage):
    """A TIFF with values of any type and any number of channels; raises `MissingExtraError` without tifffile."""

    def save(self, target: Path | BinaryIO, pixels: Pixels, **options: Any) -> None:
        """Write a picture.

        Args:
            target: Path or open file.
            pixels: `h w c`, with alpha as the last channel if the option `alpha` is true.
            options: `icc_profile`, `dpi`, `tiffinfo` and `alpha`.
        """
        channels = pixels.shape[2]
        alpha = bool(options.get("alpha"))
        colours = channels - alpha
        tifffile().imwrite(
            target,
            np.ascontiguousarray(pixels[:, :, 0] if channels == 1 else pixels),
            photometric="rgb" if colours == 3 else "minisblack",
            planarconfig=None if channels == 1 else "contig",
            extrasamples=["unassalpha"] if alpha else None if colours in (1, 3) else ["unspecified"] * (colours - 1),
            compression="adobe_deflate",
            **tiff_tags(options),
        )


DEEP_TIFF = DeepTiff(format="TIFF", suffixes=(".tif", ".tiff"), exact=True, alpha=True, bits=16)
"""Stores every value, and any alpha."""


def is_tiff(head: bytes) -> bool:
    """Return whether a file is a TIFF or BigTIFF, by its first bytes."""
    return head[:4] in _MAGIC


def read_tiff(path: Source, page: int | None = None) -> Picture:
    """Decode a TIFF of uint8, uint16 or float32: one page, or pages of one sample and the same size as a cube.

    Args:
        path: The file.
        page: Index of the page in the file; None: all pages of full size.

    Raises:
        ImageError: The TIFF holds anything else.
        MissingExtraError: tifffile is not installed.
        Exception: tifffile raises any exception for broken data.
    """
    check_directories(path)
    with tifffile().TiffFile(for_library(path)) as file:
        pages = _full_size(_read_pages(path, file)) if page is None else [file.pages[page].aspage()]
        first = pages[0]
        for page in pages:
            _check_page(path, page, first, len(pages))
        samples = [_read_samples(page) for page in pages]
        pixels = samples[0] if len(samples) == 1 else np.concatenate(samples, 2)
        pixels = apply_exif_orientation(pixels, int(_tag(first, _ORIENTATION) or 1))
        icc = _tag(first, _ICC)
    alpha = None
    extra = tuple(first.extrasamples)
    if len(pages) == 1 and pixels.shape[2] in (2, 4) and extra in ((_ALPHA,), (_PREMULTIPLIED,)):
        if extra == (_PREMULTIPLIED,):
            raise ImageError(f"{path} has premultiplied alpha: export it with straight alpha")
        if (
            pixels.dtype == np.float32
        ):  # the file does not declare the range of its alpha, which differs from that of the colours
            raise ImageError(f"{path} has alpha of float32: export it without, or with 16 bits a channel")
        pixels, alpha = contiguous(pixels[:, :, :-1]), contiguous(pixels[:, :, -1])
    coloured = pixels.shape[2] in (1, 3)
    return Picture(pixels=pixels, alpha=alpha, icc=bytes(icc) if icc and coloured else None)


def tiff_bytes(path: Source) -> int:
    """Return the bytes of the decoded pages of full size.

    Raises:
        ImageError: The directories of the pages are broken.
        MissingExtraError: tifffile is not installed.
        Exception: tifffile raises any exception for broken data.
    """
    check_directories(path)
    with tifffile().TiffFile(for_library(path)) as file:
        return sum(int(page.nbytes) for page in _full_size(_read_pages(path, file)))


def _read_pages(path: Source, file: Any) -> list[Any]:
    """List the pages; `check_directories` has limited their number."""
    pages = [page.aspage() for page in file.pages]
    if not pages:
        raise ImageError(f"{path} has no pages: fetch or export it again")
    return pages


def _full_size(pages: list[Any]) -> list[Any]:
    """Leave out thumbnails and reduced versions of other pages."""
    return [page for page in pages if not page.is_reduced] or pages[:1]


def _check_page(path: Source, page: Any, first: Any, pages: int) -> None:
    """Refuse a page that cannot be part of a picture or cube, before memory is allocated for it."""
    dtype, samples, size = str(page.dtype), int(page.samplesperpixel), HW(page.imagelength, page.imagewidth)
    if pages > 1 and samples > 1:
        raise several_frames(path)
    if dtype != str(first.dtype) or size != (first.imagelength, first.imagewidth):
        raise ImageError(
            f"{path} has pages of different sizes or types ({first.imagewidth}x{first.imagelength} {first.dtype}, "
            f"{size.w}x{size.h} {dtype}): the bands of a cube must have the same size and type"
        )
    inverted = page.photometric == _WHITE_IS_ZERO and samples == 1 and dtype in ("uint8", "uint16")
    if not (inverted or page.photometric in (_GREY, _RGB)) or page.axes not in ("YX", "YXS", "SYX"):
        raise ImageError(f"{path} is in other colours than RGB and grey: convert it first")
    if _BITS.get(dtype) != page.bitspersample:
        raise ImageError(
            f"{path} has values of {page.bitspersample} bits ({dtype}): convert them to uint8, uint16 or float32 first"
        )
    for shape in (size, page.chunks):
        check_values(path, (int(shape[0]), int(shape[1]), samples * pages))


def _read_samples(page: Any) -> Pixels:
    """Decode a page: `h w c`."""
    array = page.asarray(out=empty(page.shape, page.dtype))
    release(array)
    if page.axes == "SYX":
        array = np.moveaxis(array, 0, 2)
    if page.photometric == _WHITE_IS_ZERO:
        array = np.iinfo(array.dtype).max - array
    return cast(Pixels, contiguous(array.reshape(page.imagelength, page.imagewidth, -1)))


def _tag(page: Any, number: int) -> Any:
    tag = page.tags.get(number)
    return None if tag is None else tag.value
