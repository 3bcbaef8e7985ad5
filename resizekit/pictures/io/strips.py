"""Read large pictures strip by strip into a temporary file, by libvips. Pillow holds the entire picture in memory.

The pixel values are those of Pillow: both use libjpeg-turbo and libpng. Other formats, and pictures that libvips would
not decode to the same values, such as palettes, are left to Pillow.
"""

from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from resizekit.errors import ImageError, MissingExtraError
from resizekit.pictures.io.png_chunks import PngChunks
from resizekit.pictures.io.source import Source
from resizekit.spec import HW
from resizekit.storage.formats import Pixels
from resizekit.system.printable import escaped
from resizekit.system.scratch import active_scratch, bands, empty, release

__all__ = [
    "CHANNELS",
    "FORMATS",
    "can_read_jpeg",
    "can_read_png",
    "can_read_tiff",
    "is_large",
    "libvips",
    "read_strips",
]

_SMALL = 4_000_000
"""Pixels up to which Pillow reads a picture: the import of libvips takes longer than it saves."""
_COMPRESSION, _PHOTOMETRIC, _ORIENTATION = 259, 262, 274
_LOSSLESS = frozenset({1, 5, 8, 32773, 32946})
"""Compressions of TIFF: none, LZW, deflate and PackBits."""
_STRIP = 1_000_000
"""Bytes that are decoded at once; libvips keeps several strips."""
_TYPES = {8: np.uint8, 16: np.uint16}
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
"""Channels of the colour types of a PNG without a palette."""
FORMATS = {"uint8": "uchar", "uint16": "ushort"}
"""Names that libvips gives to types of values."""


def is_large(size: HW, pixel_bytes: int) -> bool:
    """Return whether a picture is to be read in strips.

    It is above the limit of the active scratch folder, or it has a few megapixels and libvips is there: Pillow needs
    four bytes of memory for each pixel besides those of the result.
    """
    place = active_scratch()
    if place is not None and size.h * size.w * pixel_bytes > place.limit:
        return True
    return size.h * size.w > _SMALL and find_spec("pyvips") is not None


def can_read_png(chunks: PngChunks) -> bool:
    """Return whether libvips reads the pixels of this PNG in strips, to the values of Pillow."""
    plain = chunks.colour_type in CHANNELS and chunks.bit_depth in _TYPES
    return plain and not (chunks.interlaced or chunks.names & {b"tRNS", b"acTL"})


def can_read_jpeg(image: Any) -> bool:
    """Return whether libvips reads this JPEG, opened by Pillow, to the values of Pillow."""
    return image.format in ("JPEG", "MPO") and image.mode in ("L", "RGB")


def can_read_tiff(image: Any) -> bool:
    """Return whether libvips reads the first page of a TIFF, opened by Pillow, to the values of Pillow."""
    tags = image.tag_v2
    plain = tags.get(_COMPRESSION, 1) in _LOSSLESS and tags.get(_PHOTOMETRIC) in (1, 2)
    plain = plain and tags.get(_ORIENTATION, 1) == 1  # Pillow swaps the size of a turned page
    return plain and image.mode in ("L", "RGB") and "transparency" not in image.info


def read_strips(path: Source, size: HW, channels: int, bits: int = 8) -> tuple[Pixels, Pixels | None]:
    """Decode a JPEG or PNG strip by strip.

    Args:
        path: The file.
        size: Its size.
        channels: Its channels, with alpha.
        bits: 8 or 16 bits per channel.

    Returns:
        Colours `h w c`, and alpha `h w` or None.

    Raises:
        ImageError: The file is broken, and in which rows.
        MissingExtraError: pyvips is not installed.
    """
    vips = libvips()
    shape, dtype = (*size, channels), np.dtype(_TYPES[bits])
    top = 0
    try:
        image = _open(vips, path)
        if (image.height, image.width, image.bands, image.format) != (*shape, FORMATS[dtype.name]):
            raise ImageError(f"{path} does not have the size and channels that it declares: export it again")
        colours = channels - (channels in (2, 4))
        pixels: Pixels = empty((*size, colours), dtype)
        alpha: Pixels | None = empty(size, dtype) if colours < channels else None
        region = vips.Region.new(image)
        for rows in bands(shape, dtype.itemsize, _STRIP):
            top = rows.start
            data = region.fetch(0, top, size.w, rows.stop - top)
            part = np.frombuffer(data, dtype).reshape(-1, *shape[1:])
            pixels[rows] = part[:, :, :colours]
            if alpha is not None:
                alpha[rows] = part[:, :, -1]
            release(pixels, alpha)
    except vips.Error as error:
        reason = escaped(str(error).strip().splitlines()[-1], 120)
        raise ImageError(f"{path} is broken near row {top} ({reason}): fetch or export it again") from None
    return pixels, alpha


def _open(vips: Any, path: Source) -> Any:
    data = None if isinstance(path, Path) else path.read_bytes()
    with path.open("rb") if isinstance(path, Path) else BytesIO(data or b"") as file:
        head = file.read(2)
    # below "error", libvips gives other values for damaged strips of a TIFF; with it, it refuses texts of a PNG that
    # Pillow ignores
    options = {"access": "sequential", "fail_on": "error" if head in (b"II", b"MM") else "truncated"}
    if data is None:  # libvips caches images by the name of the file, which may have changed since
        return vips.Image.new_from_file(str(path), revalidate=True, **options)
    return vips.Image.new_from_buffer(data, "", **options)


def libvips() -> Any:
    """Return pyvips.

    Raises:
        MissingExtraError: It is not installed, or does not find libvips.
    """
    try:
        import pyvips
    except (ImportError, OSError):
        raise MissingExtraError(
            'pictures larger than the memory need libvips: pip install "resizekit[large]"'
        ) from None
    return pyvips
