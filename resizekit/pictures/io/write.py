"""Write a `Picture` to a file or a file object, completely or not at all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from resizekit.errors import ImageError, UsageError
from resizekit.pictures.io.destination import Destination, FileObject, Target, target_of, writing
from resizekit.pictures.io.icc import fitting_profile
from resizekit.pictures.io.metadata import metadata_options
from resizekit.pictures.io.npy import NPY, NPZ
from resizekit.pictures.io.png_strips import write_png_strips
from resizekit.pictures.io.srgb import is_srgb
from resizekit.pictures.io.tiff import DEEP_TIFF, DeepTiff
from resizekit.pictures.io.tiff_strips import write_tiff_strips
from resizekit.pictures.picture import Picture
from resizekit.storage.formats import PNG, WEBP, Storage
from resizekit.storage.jxl import JXL
from resizekit.storage.png16 import PNG16, Png16
from resizekit.system.printable import escaped
from resizekit.system.scratch import check_memory, is_on_disk

__all__ = ["alpha_refusal", "encoded_size", "output", "write_picture"]

_FORMATS = (
    PNG,
    WEBP,
    JXL,
    Storage(format="TIFF", suffixes=(".tif", ".tiff"), options={"compression": "tiff_adobe_deflate"}, alpha=True),
    Storage(format="BMP", suffixes=(".bmp",), icc=False),
    Storage(format="JPEG", suffixes=(".jpg", ".jpeg"), options={"quality": 95, "subsampling": 0}),
    Storage(
        format="AVIF",
        suffixes=(".avif",),
        options={"quality": 90, "subsampling": "4:4:4", "speed": 6},
        channels=(3,),
        alpha=True,
    ),
)
_QUALITIES = {"JPEG": range(1, 101), "AVIF": range(101), "WEBP": range(101)}
"""Qualities of the lossy formats of restored pictures."""
_BY_SUFFIX = {suffix: storage for storage in _FORMATS for suffix in storage.suffixes}
"""Formats of 8-bit pictures that are not small images."""
_ARRAYS = {suffix: storage for storage in (NPY, NPZ) for suffix in storage.suffixes}
_CUBES = dict.fromkeys(DEEP_TIFF.suffixes, DEEP_TIFF) | _ARRAYS
"""Formats of cubes and float32."""
_DEEP = dict.fromkeys(PNG16.suffixes, PNG16) | _CUBES
"""Formats of 16 bits."""
_IN_STRIPS = {
    (Storage, "PNG"): write_png_strips,
    (Png16, "PNG"): write_png_strips,
    (Storage, "TIFF"): write_tiff_strips,
    (DeepTiff, "TIFF"): write_tiff_strips,
}
"""Functions that write large pictures, by class and name of the format."""
# Bytes 16 to 20 of an ICC profile name its colour space, which must be that of the file.
_COLOUR_SPACES = {1: b"GRAY", 3: b"RGB "}


def write_picture(
    path: Destination,
    picture: Picture,
    *,
    storage: Storage | None = None,
    quality: int | None = None,
    overwrite: bool = False,
) -> None:
    """Write a picture in the format of its suffix.

    PNG, WebP and JPEG XL (both lossless), TIFF, BMP, JPEG (quality 95), AVIF (quality 90), .npy or .npz.

    Args:
        path: The file, or a binary file object: without a known suffix of its name, it gets PNG, or .npy for a cube.
        picture: A picture; one of 16 bits needs PNG, TIFF or an array, a cube or float32 needs TIFF or an array.
        storage: Format of a small image; None: the suffix decides.
        quality: Quality of a JPEG, AVIF or WebP, which is then lossy; None: the default of the format.
        overwrite: Replace a file that exists.

    Raises:
        UsageError: The path cannot be written, or the format cannot hold the picture.
        ImageError: Writing failed.
    """
    with output(path, picture, storage=storage, quality=quality, overwrite=overwrite) as save:
        save(picture)


@contextmanager
def output(
    path: Destination | FileObject,
    like: Picture,
    *,
    source: object = None,
    storage: Storage | None = None,
    quality: int | None = None,
    overwrite: bool = False,
) -> Iterator[Callable[..., None]]:
    """Check that a file can be written before the work begins, and yield the function that saves the picture.

    The function takes the picture, and optionally the format with other settings, such as another quality.

    The file appears under its name when the block ends without an exception, and then it is complete.

    Args:
        path: The file, or a binary file object, which gets the complete file in one piece.
        like: A picture with the shape, type, alpha, profile and manifest that the file must hold.
        source: The input; if it is a path, it must not be overwritten.
        storage: Format of a small image; None: the suffix decides.
        quality: As for `write_picture`.
        overwrite: Replace a file that exists.

    Raises:
        UsageError: The format of the suffix cannot hold the picture; the path exists, is the input or is not a regular
            file; or the folder does not exist or is read-only.
        ImageError: Writing failed.
    """
    target = target_of(path)
    file_format = _format_of_suffix(target, like) if storage is None else _checked_storage(target, like, storage)
    if quality is not None:
        file_format = _with_quality(target, file_format, quality)
    original = source if isinstance(source, Path) else Path(source) if isinstance(source, str) else None
    with writing(target, source=original, overwrite=overwrite) as file:

        def save(picture: Picture, with_settings: Storage | None = None) -> None:
            _save(file, target, with_settings or file_format, picture, small=storage is not None)

        yield save


def _format_of_suffix(path: Target, like: Picture) -> Storage:
    suffix, cube = path.suffix.lower(), like.mode == "CUBE"
    if not _names_a_format(path):
        suffix = (NPY if cube or like.bits == 32 else PNG).suffixes[0]
    fitting = _CUBES if cube or like.bits == 32 else _DEEP if like.bits == 16 else _BY_SUFFIX | _ARRAYS
    file_format = fitting.get(suffix)
    if file_format is None:
        known = ", ".join(fitting)
        if suffix not in _BY_SUFFIX:
            raise UsageError(f"unknown format of {path}: use one of the suffixes {known}")
        need = f"hold {like.pixels.shape[2]} channels" if cube else f"keep {like.bits} bits a channel"
        raise UsageError(f"a {suffix} cannot {need}: use one of the suffixes {known} instead of {path}")
    lost = {
        # a manifest names the pixels of its file, and another format may change them
        "manifest": like.embedded_manifest is not None and file_format.format != PNG.format,
        "transparency": like.alpha is not None and not file_format.alpha,
        "colour profile": _would_lose_profile(like, file_format),
    }
    for content, is_lost in lost.items():
        if is_lost:
            raise UsageError(f"{path.suffix} would lose the {content}: write a .png instead of {path}")
    return file_format


def _names_a_format(path: Target) -> bool:
    """Whether the suffix decides the format: that of a file object may be any, or missing."""
    return isinstance(path, Path) or path.suffix.lower() in _BY_SUFFIX | _DEEP


def _suffix_of(path: Target, file_format: Storage) -> str:
    return path.suffix if _names_a_format(path) else file_format.suffixes[0]


def _with_quality(path: Target, file_format: Storage, quality: int) -> Storage:
    """Return a format with another quality."""
    if file_format.format not in _QUALITIES:
        raise UsageError(
            f"{_suffix_of(path, file_format)} has no quality, and {path} is exact without it: leave out --quality "
            "(in Python: quality=)"
        )
    if quality not in _QUALITIES[file_format.format]:
        possible = _QUALITIES[file_format.format]
        raise UsageError(f"invalid quality {quality} of {path}: expected {possible[0]} to {possible[-1]}")
    lossy = {"lossless": False, "method": 6} if file_format.format == "WEBP" else {}
    return replace(file_format, options={**file_format.options, **lossy, "quality": quality}, exact=False)


def _checked_storage(path: Target, like: Picture, storage: Storage) -> Storage:
    if _names_a_format(path) and path.suffix.lower() not in storage.suffixes:
        names = " or ".join(storage.suffixes)
        raise UsageError(f"a small image of these weights is a {storage.format}: name it {names}, not {path}")
    if like.alpha is not None and not storage.alpha:
        raise UsageError(alpha_refusal(storage, "these weights"))
    if _would_lose_profile(like, storage):
        raise UsageError(
            f"a {_suffix_of(path, storage)} would lose the colour profile: write another format instead of {path}, "
            "such as .png or that of other weights, or convert the picture to sRGB and remove the profile"
        )
    return storage


def encoded_size(picture: Picture, storage: Storage) -> int:
    """Return the bytes of the file of a small picture, with its manifest and colour profile."""
    file = BytesIO()
    _encode(file, storage, picture, small=True)
    return file.tell()


def alpha_refusal(storage: Storage, weights: str) -> str:
    """Return the error message for transparency that a storage cannot hold."""
    return (
        f"{weights} store small images as {storage.format}, which cannot hold transparency: "
        "put the picture on a background first, or use weights that store PNG"
    )


def _save(file: Path | BinaryIO, path: Target, file_format: Storage, picture: Picture, *, small: bool) -> None:
    try:
        _encode(file, file_format, picture, small=small)
    except (OSError, ValueError) as error:
        reason = escaped(error, 160)
        raise ImageError(f"cannot write {path} ({reason}): free space{'' if small else ' or try a .png'}") from None


def _would_lose_profile(like: Picture, file_format: Storage) -> bool:
    """Return whether a format cannot hold the profile. One for sRGB may be left out: it is what no profile means."""
    return like.icc is not None and not file_format.icc and not is_srgb(like.icc)


def _encode(target: Path | BinaryIO, file_format: Storage, picture: Picture, *, small: bool) -> None:
    pixels = picture.encoder_pixels if small and picture.encoder_pixels is not None else picture.pixels
    if pixels.shape[2] == 1 and 1 not in file_format.channels:  # the decoder gives three equal channels
        pixels = pixels.repeat(3, 2)
        picture = replace(picture, icc=fitting_profile(picture.icc, 3))
    if not file_format.icc:
        picture = replace(picture, icc=None)
    fits = picture.icc is not None and picture.icc[16:20] == _COLOUR_SPACES.get(pixels.shape[2])
    other_profile = None if fits else picture.icc
    manifest = picture.embedded_manifest
    options = metadata_options(
        file_format.format, picture.metadata, manifest, None if manifest is None else other_profile
    )
    if fits:
        options["icc_profile"] = picture.icc
    in_strips = _IN_STRIPS.get((type(file_format), file_format.format)) if is_on_disk(pixels) else None
    if in_strips is not None and pixels.shape[2] in (1, 3) and pixels.dtype != np.float32:
        with target.open("wb") if isinstance(target, Path) else nullcontext(target) as file:
            in_strips(file, pixels, picture.alpha, **options)
        return
    if is_on_disk(pixels):
        count = pixels.shape[0] * pixels.shape[1] * (4 + 2 * pixels.shape[2])
        check_memory(count, f"a {file_format.format} is encoded in one piece: write a .png or .tif")
    if picture.alpha is not None:
        if file_format is DEEP_TIFF:
            options["alpha"] = True
        pixels = np.dstack((pixels, picture.alpha))
    file_format.save(target, pixels, **options)
