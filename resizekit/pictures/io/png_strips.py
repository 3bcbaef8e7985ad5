"""Write a large PNG strip by strip, by libvips. Pillow would copy the entire picture, to four bytes per pixel."""

from typing import Any, BinaryIO

from resizekit.pictures.io.strips import FORMATS, libvips
from resizekit.storage.formats import Pixels
from resizekit.storage.png16 import ancillary_chunks, replace_chunks
from resizekit.system.scratch import release

__all__ = ["write_png_strips"]

_SETTINGS = {"compression": 6, "filter": "all", "keep": "none"}
"""As Pillow writes: level 6, and the filter of each row by the least sum of its values."""
_COLOURS = {(1, 1): "b-w", (3, 1): "srgb", (1, 2): "grey16", (3, 2): "rgb16"}
"""Names that libvips gives to colours, by channels and bytes of a value."""


def write_png_strips(file: BinaryIO, pixels: Pixels, alpha: Pixels | None, **options: Any) -> None:
    """Write a PNG of 8 or 16 bits per channel.

    Args:
        file: The open file.
        pixels: `h w c`, c = 1 or 3.
        alpha: `h w`.
        options: `pnginfo`, `icc_profile`, `exif` and `dpi`, as Pillow takes them.

    Raises:
        MissingExtraError: pyvips is not installed.
        OSError: Writing failed.
    """
    vips = libvips()
    errors: list[BaseException] = []
    chunks = replace_chunks(ancillary_chunks(options))  # libvips would declare a resolution
    next(chunks)

    def write(data: Any) -> int:
        try:
            file.write(chunks.send(bytes(data)))
        except BaseException as error:  # an exception cannot pass through libvips
            errors.append(error)
            return -1
        return len(data)

    target = vips.TargetCustom()
    target.on_write(write)
    try:
        image = _view(vips, pixels)
        if alpha is not None:
            image = image.bandjoin(_view(vips, alpha[:, :, None]))
        image.set_progress(True)
        image.signal_connect("eval", lambda *_: release(pixels, alpha))
        image.write_to_target(target, ".png", **_SETTINGS)
    except vips.Error as error:
        raise (errors[0] if errors else OSError(str(error).strip().splitlines()[-1])) from None


def _view(vips: Any, pixels: Pixels) -> Any:
    """Return an image of libvips that shares the memory of an array."""
    height, width, channels = pixels.shape
    image = vips.Image.new_from_memory(pixels, width, height, channels, FORMATS[pixels.dtype.name])
    return image.copy(interpretation=_COLOURS[channels, pixels.itemsize])
