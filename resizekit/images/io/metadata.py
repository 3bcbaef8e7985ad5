"""The manifest and the colour profile in a small image.

A PNG stores the manifest in an `iTXt` chunk, any other format in the EXIF user comment. Both survive a copy of the
file, and neither survives when a program writes the pixels to a new file. A profile for other colours than those of
the small image, such as an RGB profile with a grey image, goes into a private chunk of a PNG.
"""

from typing import Any

import PIL.Image
from PIL.PngImagePlugin import PngInfo

from resizekit.errors import UsageError
from resizekit.images.manifest import KEYWORD

__all__ = ["manifest_options", "read_embedded_manifest", "read_profile"]

_EXIF, _USER_COMMENT = 0x8769, 0x9286
# EXIF requires a character code; the keyword separates a manifest from the comments that cameras write
_PREFIX = b"ASCII\0\0\0" + KEYWORD.encode() + b":"
_PROFILE_CHUNK = b"icRk"
"""Chunk name: the cases of its letters mean ancillary, private and safe to copy."""


def manifest_options(file_format: str, manifest: str, profile: bytes | None = None) -> dict[str, Any]:
    """Build the options that make Pillow write a manifest into a file.

    Args:
        file_format: Pillow's name of the format.
        manifest: Text of the manifest.
        profile: Colour profile for other colours than those of the small image.

    Raises:
        UsageError: There is such a profile, and the format is not PNG.
    """
    if file_format == "PNG":
        info = PngInfo()
        info.add_itxt(KEYWORD, manifest)
        if profile is not None:
            info.add(_PROFILE_CHUNK, profile)
        return {"pnginfo": info}
    if profile is not None:
        raise UsageError(
            f"a small {file_format} cannot keep a colour profile for other colours than its own: "
            "remove the profile first, or use weights that store PNG"
        )
    exif = PIL.Image.Exif()
    exif.get_ifd(_EXIF)[_USER_COMMENT] = _PREFIX + manifest.encode()
    return {"exif": exif.tobytes()}  # bytes, since some of Pillow's formats drop the inner tables of the object


def read_profile(image: PIL.Image.Image) -> bytes | None:
    """Return the colour profile of a loaded image; for a small image, that of the original; None if there is none."""
    chunks = (data for name, data, *_ in getattr(image, "private_chunks", ()) if name == _PROFILE_CHUNK)
    return image.info.get("icc_profile") or next(chunks, None) or None


def read_embedded_manifest(image: PIL.Image.Image) -> str | None:
    """Return the text of the manifest in a loaded image, not validated; None without one."""
    if image.format == "PNG":
        text: str | None = getattr(image, "text", {}).get(KEYWORD)
        return text
    try:
        comment = image.getexif().get_ifd(_EXIF).get(_USER_COMMENT)
    except Exception:  # broken metadata is not a reason to refuse an intact picture
        return None
    if not isinstance(comment, bytes) or not comment.startswith(_PREFIX):
        return None
    return comment.removeprefix(_PREFIX).decode(errors="replace")
