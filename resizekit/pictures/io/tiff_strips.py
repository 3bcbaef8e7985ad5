"""Write a large TIFF strip by strip, by tifffile. Pillow would copy the entire picture."""

import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from resizekit.pictures.io.tiff_library import tifffile
from resizekit.storage.formats import Pixels
from resizekit.system.scratch import release

__all__ = ["tiff_tags", "write_tiff_strips"]

_STRIP = 1_000_000
"""Bytes of a strip."""
_LEVEL = 6
_LARGEST = 4_000_000_000
"""Bytes of pixels up to which offsets of 32 bits are enough, with space for the rest of the file."""
_DESCRIPTION, _X, _Y, _UNIT, _SOFTWARE, _DATE = 270, 282, 283, 296, 305, 306
_NAMED = {_DESCRIPTION: "description", _SOFTWARE: "software", _DATE: "datetime"}
"""Tags that tifffile takes as arguments."""
_INCH = 2


def write_tiff_strips(file: BinaryIO, pixels: Pixels, alpha: Pixels | None, **options: Any) -> None:
    """Write a TIFF of 8 or 16 bits per channel; a BigTIFF above 4 GB.

    Args:
        file: The open file.
        pixels: `h w c`, c = 1 or 3.
        alpha: `h w`.
        options: `tiffinfo`, `icc_profile` and `dpi`, as Pillow takes them.

    Raises:
        MissingExtraError: tifffile is not installed.
        OSError: Writing failed.
    """
    height, width, colours = pixels.shape
    channels = colours + (alpha is not None)
    row = width * channels * pixels.itemsize
    rows = max(1, min(height, _STRIP // row))
    with tifffile().TiffWriter(file, bigtiff=row * height > _LARGEST) as writer:
        writer.write(
            _strips(pixels, alpha, rows),
            shape=(height, width) if channels == 1 else (height, width, channels),
            dtype=pixels.dtype,
            photometric="rgb" if colours == 3 else "minisblack",
            planarconfig=None if channels == 1 else "contig",
            extrasamples=None if alpha is None else ["unassalpha"],
            rowsperstrip=rows,
            compression="adobe_deflate",
            **tiff_tags(options),
        )


def _strips(pixels: Pixels, alpha: Pixels | None, rows: int) -> Iterator[bytes]:
    """Yield compressed strips."""
    for start in range(0, pixels.shape[0], rows):
        strip = pixels[start : start + rows]
        if alpha is not None:
            strip = np.concatenate((strip, alpha[start : start + rows, :, None]), 2)
        yield zlib.compress(strip.tobytes(), _LEVEL)
        release(pixels, alpha)


def tiff_tags(options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of tifffile for a colour profile and descriptive metadata.

    Args:
        options: `tiffinfo`, `icc_profile` and `dpi`, as Pillow takes them.
    """
    tags: ImageFileDirectory_v2 = options.get("tiffinfo") or ImageFileDirectory_v2()
    named = {name: str(tags[number]) for number, name in _NAMED.items() if number in tags}
    arguments: dict[str, Any] = {"metadata": None, "software": False, "iccprofile": options.get("icc_profile"), **named}
    dpi = options.get("dpi")
    if dpi is None and _X in tags and _Y in tags:
        dpi, unit = (tags[_X], tags[_Y]), tags.get(_UNIT, _INCH)
    else:
        unit = _INCH
    if dpi is not None:
        arguments |= {"resolution": tuple(map(float, dpi)), "resolutionunit": int(unit)}
    arguments["extratags"] = [
        (number, tags.tagtype[number], *_counted(value), True)
        for number, value in tags.items()
        if number not in {*_NAMED, _X, _Y, _UNIT} and number in tags.tagtype
    ]
    return arguments


def _counted(value: Any) -> tuple[int, Any]:
    """Return the number of values of a tag, and the values as tifffile takes them."""
    if isinstance(value, str):
        return 0, value  # tifffile counts
    if isinstance(value, bytes):
        return len(value), value
    values = value if isinstance(value, tuple) else (value,)
    if all(hasattr(x, "numerator") and not isinstance(x, int) for x in values):  # fractions
        return len(values), tuple(n for x in values for n in (int(x.numerator), int(x.denominator)))
    return len(values), values if len(values) > 1 else values[0]
