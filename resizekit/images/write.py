"""From a `Picture` to a file that is whole or not there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
from PIL.PngImagePlugin import PngInfo

from resizekit.atomic import check_target, written_beside
from resizekit.errors import ImageError, UsageError
from resizekit.images.manifest import KEYWORD
from resizekit.images.picture import Picture

__all__ = ["output", "write_picture"]


class _Format(NamedTuple):
    name: str
    keeps: tuple[str, ...]
    """What it can hold besides colours."""
    options: dict[str, Any]


_PNG = _Format("PNG", ("alpha", "icc", "note"), {})
_JPEG = _Format("JPEG", ("icc",), {"quality": 95, "subsampling": 0})
_TIFF = _Format("TIFF", ("alpha", "icc"), {"compression": "tiff_adobe_deflate"})
_FORMATS = {
    ".png": _PNG,
    # exact: colours stay below transparent pixels too
    ".webp": _Format("WEBP", ("alpha", "icc"), {"lossless": True, "exact": True}),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".bmp": _Format("BMP", (), {}),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
}
# Bytes 16 to 20 of an ICC profile name its colours; a file may carry only one that fits its own.
_SPACES = {1: b"GRAY", 3: b"RGB "}


def write_picture(path: str | Path, picture: Picture, *, overwrite: bool = False) -> None:
    """Write a picture in the format of its suffix: PNG, WebP (lossless), TIFF, BMP or JPEG (95).

    Raises `UsageError` as `output` does.
    """
    with output(path, picture, overwrite=overwrite) as save:
        save(picture)


@contextmanager
def output(
    path: str | Path, like: Picture, *, source: str | Path | None = None, overwrite: bool = False
) -> Iterator[Callable[[Picture], None]]:
    """Promise a file before the work on it begins: gives the function that saves the picture.

    `like` has the alpha, profile and note that the file must hold; `source` is a file that must
    survive.  The file appears at its name only when the block ends well, and whole.
    Raises `UsageError` for a suffix that cannot hold the picture, an output that exists, is the
    input or is no plain file, and a folder that is missing or cannot be written to.
    """
    path = Path(path)
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        known = ", ".join(_FORMATS)
        raise UsageError(f"cannot tell a format from the name {path}: end it in one of {known}")
    for part in ("note", "alpha", "icc"):
        if getattr(like, part) is not None and part not in form.keeps:
            what = {"note": "manifest", "alpha": "transparency", "icc": "colour profile"}[part]
            raise UsageError(f"{path.suffix} would lose the {what}: write a .png instead of {path}")
    check_target(path, source=source, overwrite=overwrite)
    with written_beside(path) as beside:
        yield lambda picture: _save(beside, path, form, picture)
        check_target(path, source=source, overwrite=overwrite)  # somebody else may have been quicker


def _save(beside: Path, path: Path, form: _Format, picture: Picture) -> None:
    pixels, options = picture.pixels, dict(form.options)
    if picture.alpha is not None:
        pixels = np.dstack((pixels, picture.alpha))
    if picture.icc is not None and picture.icc[16:20] == _SPACES[picture.pixels.shape[2]]:
        options["icc_profile"] = picture.icc
    if picture.note is not None:
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt(KEYWORD, picture.note)
    image = PIL.Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    try:
        image.save(beside, form.name, **options)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ImageError(f"cannot write {path} ({reason}): free space or try a .png") from None
