"""HEIC and other HEIF pictures, read by pillow-heif, a plugin of Pillow."""

import PIL.Image

from resizekit.errors import MissingExtraError
from resizekit.pictures.io.decode import decode
from resizekit.pictures.io.opening import too_deep
from resizekit.pictures.io.source import Source, for_library
from resizekit.pictures.picture import Picture

__all__ = ["is_heif", "read_heif", "register_heif"]

_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_PILLOW = b"avif"


def is_heif(head: bytes) -> bool:
    """Return whether a file is a HEIF that Pillow itself does not read, by its first bytes."""
    size = int.from_bytes(head[:4], "big")
    brands = [head[at : at + 4] for at in (8, *range(16, min(size, len(head)), 4))]
    return head[4:8] == b"ftyp" and _PILLOW not in brands and not _BRANDS.isdisjoint(brands)


def read_heif(path: Source, head: bytes, frame: int | None = None) -> Picture:
    """Read the primary picture of a HEIF; the others are previews, depth maps or a burst.

    Raises:
        ImageError: The picture is too large or has more than 8 bits per channel, or `frame` is not 1.
        MissingExtraError: pillow-heif is not installed.
        Exception: pillow-heif raises any exception for broken data.
    """
    register_heif()
    with PIL.Image.open(for_library(path), formats=["HEIF"]) as image:
        if image.info.get("bit_depth", 8) > 8:
            raise too_deep(path)
        return decode(path, image, head, frame=frame)


def register_heif() -> None:
    """Make Pillow read HEIF.

    Raises:
        MissingExtraError: If pillow-heif is not installed.
    """
    try:
        import pillow_heif
    except ImportError:
        raise MissingExtraError('a HEIC picture needs pillow-heif: pip install "resizekit[heif]"') from None
    pillow_heif.register_heif_opener(thumbnails=False)
