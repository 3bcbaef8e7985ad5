"""Descriptive metadata of pictures, EXIF, XMP and resolution, and which of them small and restored files keep."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import PIL.Image

from resizekit.pictures.xmp import has_location, normalize_xmp

__all__ = ["NO_METADATA", "Metadata", "MetadataPolicy", "describing_metadata", "filter_metadata", "load_exif"]

MetadataPolicy = Literal["keep", "all", "minimal", "none"]
"""keep: all but the location and the notes of the camera maker. all: these as well. minimal: author, copyright, dates
and resolution. none: nothing."""

_EXIF, _GPS = 0x8769, 0x8825
_MAKER_NOTE = 0x927C
_MAX_EXIF = 2**15
_MAX_XMP = 60_000
"""Larger blocks are left out: a JPEG cannot hold one of more than 64 KB."""
_DESCRIPTIVE = frozenset(
    # description, maker, model, resolution and its unit, software, date, author, host, rating, copyright
    (0x10E, 0x10F, 0x110, 0x11A, 0x11B, 0x128, 0x131, 0x132, 0x13B, 0x13C, 0x4746, 0x4749, 0x8298)
) | frozenset(range(0x9C9B, 0x9CA0))  # title, comment, author, keywords and subject of Windows
"""Tags of the main table; the others describe how the pixels of a file are stored."""
_MINIMAL = frozenset((0x11A, 0x11B, 0x128, 0x132, 0x13B, 0x8298))
_MINIMAL_EXIF = frozenset((0x9003, 0x9004, 0x9010, 0x9011, 0x9012))
"""Dates of the exposure and of the digitization, and their time zones."""
_ABOUT_PIXELS = frozenset((0xA002, 0xA003, 0xA005))
"""Width, height and a pointer, which would be wrong in another file."""


@dataclass(frozen=True)
class Metadata:
    """Metadata of one file. It never holds the orientation, neither in EXIF nor in XMP, a thumbnail or a manifest."""

    exif: bytes | None = None
    """Tags as `PIL.Image.Exif.tobytes` writes them."""
    xmp: bytes | None = None
    """XMP in UTF-8."""
    dpi: tuple[float, float] | None = None
    """Horizontal and vertical resolution in dots per inch."""

    def __bool__(self) -> bool:
        return bool(self.exif or self.xmp or self.dpi)


NO_METADATA = Metadata()


def filter_metadata(metadata: Metadata, policy: MetadataPolicy) -> Metadata:
    """Return the part of metadata that a policy keeps.

    XMP with a location is left out entirely, except by the policy "all": it is one text.

    Examples:
        >>> filter_metadata(Metadata(dpi=(300, 300), xmp=b"<x/>"), "minimal")
        Metadata(exif=None, xmp=None, dpi=(300, 300))
    """
    if policy == "none":
        return NO_METADATA
    exif, xmp = metadata.exif, metadata.xmp
    if xmp is not None and (policy == "minimal" or (policy == "keep" and has_location(xmp))):
        xmp = None
    if exif is not None and policy != "all":
        exif = _filter_exif(exif, minimal=policy == "minimal")
    return replace(metadata, exif=exif, xmp=xmp)


def describing_metadata(exif: PIL.Image.Exif, xmp: object, dpi: object, user_comment: bool) -> Metadata:
    """Take the metadata that describe a picture from those of its file.

    Args:
        exif: Tags of the file.
        xmp: XMP, if these are bytes or text.
        dpi: Resolution, if these are two positive numbers.
        user_comment: Whether the user comment is one; in a small image it is the manifest.
    """
    tags = {number: value for number, value in exif.items() if number in _DESCRIPTIVE}
    inner = _table(exif, _EXIF, _ABOUT_PIXELS if user_comment else _ABOUT_PIXELS | {0x9286})
    location = _table(exif, _GPS, frozenset())
    data = _write_exif(tags, inner, location)
    if data is not None and len(data) > _MAX_EXIF:
        data = _filter_exif(data, minimal=False)
    if data is not None and len(data) > _MAX_EXIF:
        data = _filter_exif(data, minimal=True)
    return Metadata(data, _packet(xmp), _resolution(dpi))


def load_exif(data: bytes | None) -> PIL.Image.Exif:
    """Parse EXIF data; None and broken data, which are not a reason to refuse a sound picture, have no tags."""
    exif = PIL.Image.Exif()
    try:
        exif.load(data or b"")
    except Exception:  # Pillow raises any exception
        return PIL.Image.Exif()
    return exif


def _packet(xmp: object) -> bytes | None:
    packet = xmp.encode(errors="surrogateescape") if isinstance(xmp, str) else xmp if isinstance(xmp, bytes) else b""
    if len(packet) > 4 * _MAX_XMP:  # UTF-32 needs four bytes for each of UTF-8
        return None
    packet = normalize_xmp(packet) or b""
    return packet if 0 < len(packet) <= _MAX_XMP else None


def _resolution(dpi: object) -> tuple[float, float] | None:
    try:
        x, y = (float(value) for value in dpi)  # type: ignore[attr-defined]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if 1 < x < 100_000 and 1 < y < 100_000 else None


def _table(exif: PIL.Image.Exif, pointer: int, without: frozenset[int]) -> dict[int, Any]:
    try:
        return {number: value for number, value in exif.get_ifd(pointer).items() if number not in without}
    except Exception:  # broken metadata is not a reason to refuse an intact picture
        return {}


def _filter_exif(data: bytes, *, minimal: bool) -> bytes | None:
    exif = load_exif(data)
    tags = {number: value for number, value in exif.items() if number in (_MINIMAL if minimal else _DESCRIPTIVE)}
    inner = _table(exif, _EXIF, frozenset({_MAKER_NOTE}))
    if minimal:
        inner = {number: value for number, value in inner.items() if number in _MINIMAL_EXIF}
    return _write_exif(tags, inner, {})


def _write_exif(tags: Mapping[int, Any], inner: Mapping[int, Any], location: Mapping[int, Any]) -> bytes | None:
    """Write tags that Pillow can write; None without any."""
    exif = PIL.Image.Exif()
    exif.update(tags)
    for pointer, table in ((_EXIF, inner), (_GPS, location)):
        if table:
            exif.get_ifd(pointer).update(table)
    if not (tags or inner or location):
        return None
    try:
        return exif.tobytes()
    except Exception:  # a value of a type that the standard does not allow for its tag
        return None
