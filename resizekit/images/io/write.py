"""From a `Picture` to a file that is whole or not there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from resizekit.errors import ImageError, UsageError
from resizekit.images.io.metadata import manifest_options
from resizekit.images.io.npy import NPY, NPZ
from resizekit.images.io.tiff import DEEP_TIFF
from resizekit.images.picture import Picture
from resizekit.storage.formats import PNG, Storage
from resizekit.storage.png16 import PNG16
from resizekit.system.atomic_write import atomic_write, check_target

__all__ = ["output", "without_alpha", "write_picture"]

_FORMATS = (
    PNG,
    # exact: colours stay below transparent pixels too
    Storage(format="WEBP", suffixes=(".webp",), options={"lossless": True, "exact": True}, alpha=True),
    Storage(format="TIFF", suffixes=(".tif", ".tiff"), options={"compression": "tiff_adobe_deflate"}, alpha=True),
    Storage(format="BMP", suffixes=(".bmp",), icc=False),
    Storage(format="JPEG", suffixes=(".jpg", ".jpeg"), options={"quality": 95, "subsampling": 0}),
)
_BY_SUFFIX = {suffix: form for form in _FORMATS for suffix in form.suffixes}
"""What pictures that are no small images are written in."""
_ARRAYS = {suffix: form for form in (NPY, NPZ) for suffix in form.suffixes}
_CUBES = dict.fromkeys(DEEP_TIFF.suffixes, DEEP_TIFF) | _ARRAYS
"""The same for cubes, and for float32."""
_DEEP = dict.fromkeys(PNG16.suffixes, PNG16) | _CUBES
"""The same for 16 bits."""
# Bytes 16 to 20 of an ICC profile name its colours; a file may carry only one that fits its own.
_SPACES = {1: b"GRAY", 3: b"RGB "}


def write_picture(
    path: str | Path, picture: Picture, *, storage: Storage | None = None, overwrite: bool = False
) -> None:
    """Write a picture in the format of its suffix: PNG, WebP (lossless), TIFF, BMP or JPEG (95).

    One of 16 bits is a PNG or TIFF.  A small image is written in its `storage`.
    Raises `UsageError` as `output` does.
    """
    with output(path, picture, storage=storage, overwrite=overwrite) as save:
        save(picture)


@contextmanager
def output(
    path: str | Path,
    like: Picture,
    *,
    source: str | Path | None = None,
    storage: Storage | None = None,
    overwrite: bool = False,
) -> Iterator[Callable[[Picture], None]]:
    """Promise a file before the work on it begins: gives the function that saves the picture.

    `like` has the alpha, profile and note that the file must hold; `source` is a file that must
    survive; `storage` is that of a small image, None for an ordinary picture.
    The file appears at its name only when the block ends well, and whole.
    Raises `UsageError` for a suffix that cannot hold the picture, an output that exists, is the
    input or is no plain file, and a folder that is missing or cannot be written to.
    """
    path = Path(path)
    form = _format(path, like) if storage is None else _stored(path, like, storage)
    check_target(path, source=source, overwrite=overwrite)
    with atomic_write(path) as beside:
        yield lambda picture: _save(beside, path, form, picture, small=storage is not None)
        check_target(path, source=source, overwrite=overwrite)  # somebody else may have been quicker


def _format(path: Path, like: Picture) -> Storage:
    suffix, cube = path.suffix.lower(), like.mode == "CUBE"
    fitting = _CUBES if cube or like.bits == 32 else _DEEP if like.bits == 16 else _BY_SUFFIX | _ARRAYS
    form = fitting.get(suffix)
    if form is None:
        known = ", ".join(fitting)
        if suffix not in _BY_SUFFIX:
            raise UsageError(f"cannot tell a format from the name {path}: end it in one of {known}")
        what = f"hold {like.pixels.shape[2]} channels" if cube else f"keep {like.bits} bits a channel"
        raise UsageError(f"a {suffix} cannot {what}: end it in one of {known} instead of {path}")
    lost = {
        "manifest": like.note is not None and form.format != PNG.format,  # it would speak of another file
        "transparency": like.alpha is not None and not form.alpha,
        "colour profile": like.icc is not None and not form.icc,
    }
    for what, is_lost in lost.items():
        if is_lost:
            raise UsageError(f"{path.suffix} would lose the {what}: write a .png instead of {path}")
    return form


def _stored(path: Path, like: Picture, storage: Storage) -> Storage:
    if path.suffix.lower() not in storage.suffixes:
        names = " or ".join(storage.suffixes)
        raise UsageError(f"a small image of these weights is a {storage.format}: name it {names}, not {path}")
    if like.alpha is not None and not storage.alpha:
        raise UsageError(without_alpha(storage, "these weights"))
    if like.icc is not None and not storage.icc:
        raise UsageError(
            f"a {storage.format}, which these weights store, would lose the colour profile: remove it first"
        )
    return storage


def without_alpha(storage: Storage, weights: str) -> str:
    """Say that a storage cannot hold the transparency of a picture, and what would do."""
    return (
        f"{weights} store small images as {storage.format}, which holds no transparency: "
        "put the picture on a background first, or use weights that store PNG"
    )


def _save(beside: Path, path: Path, form: Storage, picture: Picture, *, small: bool) -> None:
    pixels = picture.given if small and picture.given is not None else picture.pixels
    fits = picture.icc is not None and picture.icc[16:20] == _SPACES.get(picture.pixels.shape[2])
    aside = None if fits else picture.icc
    options = {} if picture.note is None else manifest_options(form.format, picture.note, aside)
    if picture.alpha is not None:
        if form is DEEP_TIFF:
            options["alpha"] = True
        pixels = np.dstack((pixels, picture.alpha))
    if fits:
        options["icc_profile"] = picture.icc
    try:
        form.save(beside, pixels, **options)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ImageError(f"cannot write {path} ({reason}): free space{'' if small else ' or try a .png'}") from None
