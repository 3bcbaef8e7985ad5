"""Where a small image carries its manifest: an `iTXt` chunk of a PNG, the EXIF user comment of any other format.

Both survive what only copies a file, and both are gone from a copy that was made anew from the pixels.
"""

from typing import Any

import PIL.Image
from PIL.PngImagePlugin import PngInfo

from resizekit.images.manifest import KEYWORD

__all__ = ["note_of", "note_options"]

_EXIF, _USER_COMMENT = 0x8769, 0x9286
# EXIF wants the character code first; ours follows, since cameras write comments of their own
_MARK = b"ASCII\0\0\0" + KEYWORD.encode() + b":"


def note_options(form: str, note: str) -> dict[str, Any]:
    """Give the options that make Pillow write a note into a file of a format."""
    if form == "PNG":
        info = PngInfo()
        info.add_itxt(KEYWORD, note)
        return {"pnginfo": info}
    exif = PIL.Image.Exif()
    exif.get_ifd(_EXIF)[_USER_COMMENT] = _MARK + note.encode()
    return {"exif": exif.tobytes()}  # not the object: some of Pillow's formats drop its inner tables


def note_of(image: PIL.Image.Image) -> str | None:
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
