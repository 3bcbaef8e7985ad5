"""What every reader of a file does first: look at its first bytes, and turn any error into one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import PIL.Image

from resizekit.errors import ImageError, ResizeKitError
from resizekit.pictures.io.quiet import library_warnings_ignored
from resizekit.pictures.io.source import Source
from resizekit.pictures.limits import exceeds_limit, limit_message, most_pixels
from resizekit.spec import HW
from resizekit.system.printable import escaped

__all__ = ["check_size", "pillow_formats", "read_head", "reading", "too_deep", "too_many_pixels"]

_HEAD = 4096
"""Bytes in which every format declares its depth."""
_RUN_PROGRAMS = frozenset({"EPS", "WMF"})


@contextmanager
def reading(path: object) -> Iterator[None]:
    """Ignore the warnings of image libraries, and turn each of their errors into an `ImageError` of one line.

    An error of resizekit that starts with "it" or "its" comes from a function that does not know the file, and gets its
    name.
    """
    try:
        with library_warnings_ignored(), _pillow_limit(most_pixels()):
            yield
    except ResizeKitError as error:
        if not str(error).startswith(("it ", "its ")):
            raise
        raise ImageError(f"{path}: {error}") from None
    except PIL.Image.DecompressionBombError:
        raise too_many_pixels(path) from None
    except PIL.UnidentifiedImageError:
        raise ImageError(f"{path} is not a picture that Pillow can read: give a PNG, JPEG, ...") from None
    except Exception as error:  # decoders raise any exception for a broken file
        reason = escaped(error, 160) or type(error).__name__
        raise ImageError(f"{path} cannot be read ({reason}): fetch or export it again") from None


@contextmanager
def _pillow_limit(pixels: int | None) -> Iterator[None]:
    """Set the limit of Pillow, which belongs to the process, while no other thread of resizekit reads."""
    before = PIL.Image.MAX_IMAGE_PIXELS
    PIL.Image.MAX_IMAGE_PIXELS = pixels
    try:
        yield
    finally:
        PIL.Image.MAX_IMAGE_PIXELS = before


def read_head(path: Source) -> bytes:
    """Read the first bytes of a file.

    Raises:
        ImageError: The path is not a file, or the file is empty.
    """
    if isinstance(path, Path):
        if path.is_dir():
            raise ImageError(f"{path} is a folder: name a picture in it")
        if not path.exists():
            raise ImageError(f"{path} does not exist: check the path")
        if not path.is_file():
            raise ImageError(f"{path} is a device or pipe: give a picture file")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise ImageError(f"{path} is empty: fetch or export it again")
    return head


def pillow_formats() -> list[str]:
    """List all of Pillow's formats except those that run another program, such as Ghostscript for EPS."""
    PIL.Image.init()
    return [name for name in PIL.Image.OPEN if name not in _RUN_PROGRAMS]


def check_size(path: object, size: HW) -> None:
    """Refuse sizes above Pillow's limit; Pillow itself only warns up to twice the limit.

    Raises:
        ImageError: The size has too many pixels.
    """
    if exceeds_limit(size):
        raise too_many_pixels(path)


def too_many_pixels(path: object) -> ImageError:
    """Return the error for a picture of too many pixels."""
    return ImageError(f"{path} has too many pixels: {limit_message()}")


def too_deep(path: object) -> ImageError:
    """Return the error for more than 8 bits per channel in a format that is read with 8 bits."""
    return ImageError(
        f"{path} has more than 8 bits a channel, which is supported in PNG and TIFF only: "
        "convert it to one of these, or to 8 bits"
    )
