"""Manifest, colour profile and descriptive metadata in picture files.

A PNG stores the manifest in an `iTXt` chunk, any other format in the EXIF user comment. Both survive a copy of the
file, and neither survives when a program writes the pixels to a new file. A profile for other colours than those of
the small image, such as an RGB profile with a grey image, goes into a private chunk of a PNG.
"""

from typing import Any

import PIL.Image
from PIL import TiffTags
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from resizekit.errors import UsageError
from resizekit.pictures.manifest import KEYWORD
from resizekit.pictures.metadata import Metadata, load_exif

__all__ = ["PROFILE_CHUNK", "XMP_KEYWORD", "metadata_options", "read_embedded_manifest"]

_EXIF, _USER_COMMENT = 0x8769, 0x9286
_POINTERS = _EXIF, 0x8825
# EXIF requires a character code; the keyword separates a manifest from the comments that cameras write
_PREFIX = b"ASCII\0\0\0" + KEYWORD.encode() + b":"
PROFILE_CHUNK = b"icRk"
"""Chunk name: the cases of its letters mean ancillary, private and safe to copy."""
XMP_KEYWORD = "XML:com.adobe.xmp"
"""Keyword of the text of a PNG that holds XMP."""
_XMP_OPTION = frozenset({"JPEG", "WEBP", "AVIF", "JXL"})
_DPI_OPTION = frozenset({"JPEG", "PNG", "TIFF", "BMP"})
_XMP_TAG = 700
_WITHOUT_EXIF = frozenset({"BMP", "NPY", "NPZ"})


def metadata_options(
    file_format: str, metadata: Metadata, manifest: str | None = None, profile: bytes | None = None
) -> dict[str, Any]:
    """Build the options that make Pillow write metadata into a file.

    Args:
        file_format: Pillow's name of the format.
        metadata: Descriptive metadata; what the format cannot hold is left out.
        manifest: Text of the manifest of a small image.
        profile: Colour profile for other colours than those of the small image.

    Raises:
        UsageError: There is such a profile, and the format is not PNG.
    """
    options: dict[str, Any] = {}
    exif = metadata.exif
    if not metadata and manifest is None and profile is None:
        return options
    if file_format == "PNG":
        info = PngInfo()
        if manifest is not None:
            info.add_itxt(KEYWORD, manifest)
        if profile is not None:
            info.add(PROFILE_CHUNK, profile)
        if metadata.xmp is not None:
            info.add_itxt(XMP_KEYWORD, metadata.xmp.decode(errors="replace"))
        if info.chunks:
            options["pnginfo"] = info
    elif profile is not None:
        raise UsageError(
            f"a small {file_format} cannot keep a colour profile for other colours than its own: "
            "remove the profile first, or use weights that store PNG"
        )
    elif manifest is not None:
        exif = _with_manifest(exif, manifest)
    if file_format == "TIFF" and manifest is None:
        options["tiffinfo"] = _tiff_tags(metadata)
    elif exif is not None and file_format not in _WITHOUT_EXIF:
        options["exif"] = exif
    if metadata.dpi is not None and file_format in _DPI_OPTION:
        options["dpi"] = metadata.dpi
    if metadata.xmp is not None and file_format in _XMP_OPTION:
        options["xmp"] = metadata.xmp
    return options


def _with_manifest(data: bytes | None, manifest: str) -> bytes:
    """Write EXIF with a manifest: bytes, since some of Pillow's formats drop the inner tables of the object."""
    exif = load_exif(data)
    exif.get_ifd(_EXIF)[_USER_COMMENT] = _PREFIX + manifest.encode()
    return exif.tobytes()


def _tiff_tags(metadata: Metadata) -> ImageFileDirectory_v2:
    """Return EXIF's main table and XMP as tags of a TIFF: libtiff writes no inner tables of a compressed one."""
    tags = ImageFileDirectory_v2()
    for number, value in load_exif(metadata.exif).items():
        if number not in _POINTERS:
            tags[number] = value
    if metadata.xmp is not None:
        tags[_XMP_TAG] = metadata.xmp
        tags.tagtype[_XMP_TAG] = TiffTags.BYTE
    return tags


def read_embedded_manifest(exif: PIL.Image.Exif) -> str | None:
    """Return the text of the manifest in EXIF tags, not validated; None without one."""
    try:
        comment = exif.get_ifd(_EXIF).get(_USER_COMMENT)
    except Exception:  # broken metadata is not a reason to refuse an intact picture
        return None
    if not isinstance(comment, bytes) or not comment.startswith(_PREFIX):
        return None
    return comment.removeprefix(_PREFIX).decode(errors="replace")
