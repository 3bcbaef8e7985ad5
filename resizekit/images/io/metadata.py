"""Where a small image carries its manifest: an `iTXt` chunk of a PNG, the EXIF user comment of any other format.

Both survive what only copies a file, and both are gone from a copy that was made anew from the pixels.  A profile of
other colours than the small image's, as of RGB in a grey one, goes into a private chunk of a PNG.
"""

from typing import Any

import PIL.Image
from PIL.PngImagePlugin import PngInfo

from resizekit.errors import UsageError
from resizekit.images.manifest import KEYWORD

__all__ = ["manifest_options", "read_embedded_manifest", "read_profile"]

_EXIF, _USER_COMMENT = 0x8769, 0x9286
# EXIF wants the character code first; ours follows, since cameras write comments of their own
_MARK = b"ASCII\0\0\0" + KEYWORD.encode() + b":"
_PROFILE = b"icRk"
"""Name of the chunk: by its letters' cases ancillary, private and safe to copy."""


def manifest_options(form: str, note: str, profile: bytes | None = None) -> dict[str, Any]:
    """Give the options that make Pillow write a note into a file of a format, and a profile of other colours.

    Raises `UsageError` for a profile where only a PNG could keep it.
    """
    if form == "PNG":
        info = PngInfo()
        info.add_itxt(KEYWORD, note)
        if profile is not None:
            info.add(_PROFILE, profile)
        return {"pnginfo": info}
    if profile is not None:
        raise UsageError(
            f"a small {form} of other colours than the picture's cannot keep its colour profile: "
            "remove that first, or use weights that store PNG"
        )
    exif = PIL.Image.Exif()
    exif.get_ifd(_EXIF)[_USER_COMMENT] = _MARK + note.encode()
    return {"exif": exif.tobytes()}  # not the object: some of Pillow's formats drop its inner tables


def read_profile(image: PIL.Image.Image) -> bytes | None:
    """Find the colour profile of a loaded image: its own, or in a small one that of the original; None: none."""
    aside = (data for name, data, *_ in getattr(image, "private_chunks", ()) if name == _PROFILE)
    return image.info.get("icc_profile") or next(aside, None) or None


def read_embedded_manifest(image: PIL.Image.Image) -> str | None:
    """Find the note in a loaded image, unchecked; None: it carries none."""
    if image.format == "PNG":
        text: str | None = getattr(image, "text", {}).get(KEYWORD)
        return text
    try:
        comment = image.getexif().get_ifd(_EXIF).get(_USER_COMMENT)
    except Exception:  # broken metadata is no reason to refuse a sound picture
        return None
    if not isinstance(comment, bytes) or not comment.startswith(_MARK):
        return None
    return comment.removeprefix(_MARK).decode(errors="replace")
