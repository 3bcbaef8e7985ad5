"""Read a small file with its manifest: from the file, or from a sidecar next to it."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from resizekit.codec.padded_sizes import padded_sizes_for
from resizekit.errors import ManifestError, ResizeKitError, UsageError
from resizekit.images.sidecar import read_sidecar
from resizekit.pictures.io.header import read_header
from resizekit.pictures.io.npy import NPY
from resizekit.pictures.io.opening import read_head
from resizekit.pictures.io.png_chunks import is_png
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.redundancy import without_redundancy
from resizekit.pictures.io.source import PictureFile, Source, source_of
from resizekit.pictures.limits import ANY_NUMBER, allow_pixels
from resizekit.pictures.manifest import Manifest
from resizekit.pictures.picture import Mode, Picture
from resizekit.spec import HW
from resizekit.storage.formats import PNG

if TYPE_CHECKING:  # reading a small file does not need torch
    from resizekit.codec import Codec

__all__ = ["RestoreWarning", "assume_manifest", "inspect_small", "read_small", "restored_suffix"]

_CHECKED = 48_000_000
"""Bytes of the pixels up to which `inspect_small` decodes them: 12 million pixels of 8 bits per channel."""

_OTHER_DECODER = "; if it is that file, this Pillow decodes it differently: install an official wheel of Pillow"


class RestoreWarning(UserWarning):
    """A picture is restored although nothing shows that its small file is unchanged."""


def read_small(
    file: PictureFile,
    *,
    load_codec: "Callable[[], Codec] | None" = None,
    size: HW | None = None,
    force: bool = False,
) -> tuple[Picture, Manifest]:
    """Read a small image with its manifest, and check that its pixels did not change.

    The digest covers the decoded pixels, in a lossy format as well: they are the input of the decoder network. No
    format needs its own parser, and an image library that decodes to other pixels is detected.

    Args:
        file: The small file: a path, bytes or a binary file object. Without a manifest in it, that of the sidecar of
            the path counts.
        load_codec: Returns the codec that made the file, and is called only if no manifest is left. The pixels are then
            trusted, with a `RestoreWarning`.
        size: Size of the original in this case; None: that of the small picture times the factors.
        force: Restore pixels that changed, with a `RestoreWarning`.

    Raises:
        ManifestError: The file has no manifest, or its pixels changed.
        UsageError: A picture of this size does not have a small picture of that size.
        ImageError: The file cannot be read.
    """
    path = source_of(file)
    picture = read_picture(path, as_stored=True)
    text = _sidecar_text(path) if picture.embedded_manifest is None else picture.embedded_manifest
    if text is None and load_codec is not None:
        picture = without_redundancy(picture)
        manifest = assume_manifest(load_codec(), picture, size, path)
        width, height = manifest.size
        made = f"; restoring {width}x{height}, unless --size is given (in Python: size=)" if size is None else ""
        text = f"{path} carries no manifest: trusting --weights and its pixels{made}"
        warnings.warn(text, RestoreWarning, stacklevel=2)
        return picture, manifest
    manifest = Manifest.from_text(text, path)
    if manifest.pixels != picture.digest:
        if not force:
            raise ManifestError(
                f"{path} was changed after it was made small (edited, resized or compressed again): give the file as "
                f"`down` wrote it, or restore it as it is with --force (in Python: force=True)"
                f"{'' if is_png(read_head(path)) else _OTHER_DECODER}"
            )
        warnings.warn(f"{path} was changed: the restored picture may differ", RestoreWarning, stacklevel=2)
        manifest = manifest.model_copy(update={"pixels": picture.digest})
    return picture, manifest


def _sidecar_text(path: Source) -> str | None:
    return read_sidecar(path) if isinstance(path, Path) else None


def inspect_small(path: str | Path) -> tuple[Manifest, bool]:
    """Read the manifest of a small file, with limited memory.

    Args:
        path: The small file. Without a manifest in it, that of the sidecar counts.

    Returns:
        The manifest, and whether the pixels were checked: they are decoded up to 12 million pixels of
        8 bits per channel only.

    Raises:
        ManifestError: The file has no manifest, or its pixels were checked and have changed.
        ImageError: The file cannot be read.
    """
    with allow_pixels(ANY_NUMBER):  # a header takes no more memory if it declares a large picture
        header = read_header(path)
    if header.decoded_bytes is not None and header.decoded_bytes <= _CHECKED:
        return read_small(path)[1], True
    return Manifest.from_text(read_sidecar(path) if header.manifest is None else header.manifest, path), False


def assume_manifest(codec: "Codec", small: Picture, size: HW | None, source: object) -> Manifest:
    """Build the manifest that `down` writes for a small picture of this codec, if its original had this size.

    Args:
        codec: The codec that made the small picture.
        small: The small picture.
        size: Size of the original; None: that of the small picture times the factors.
        source: The small file, for error messages.

    Raises:
        UsageError: A picture of this size does not have a small picture of that size, or the codec is for cubes.
    """
    from resizekit.images.manifest_weights import manifest_name

    if codec.channels not in (1, 3):
        raise UsageError(f"{source} carries no manifest, and these weights are for {codec.channels} channels: give one")
    mode: Mode = "RGB" if codec.channels == 3 else "L"
    if small.alpha is not None:
        mode = "RGBA" if mode == "RGB" else "LA"
    largest = HW(int(small.hw.h * codec.spec.s), int(small.hw.w * codec.spec.r))
    size = size or largest
    if padded_sizes_for(codec.spec, size).stored != small.hw:
        raise UsageError(
            f"{source} has {small.hw.w}x{small.hw.h} pixels, which these weights do not make of {size.w}x{size.h}: "
            f"pass the size of an original of at most {largest.w}x{largest.h}; a small file of another size or scale "
            "needs its manifest"
        )
    return Manifest(
        task=codec.info.task,
        weights=manifest_name(codec),
        digest=codec.digest,
        spec=codec.spec,
        times=codec.times,
        compression=codec.info.compression,
        size=size.wh,
        mode=mode,
        precision=codec.precision,
        bits=16 if small.bits == 16 else 8,
        pixels=small.digest,
    )


def restored_suffix(file: PictureFile) -> str:
    """Return the suffix for the restored picture of a small file: .npy for a cube or float32, .png for any other."""
    try:
        path = source_of(file)
        manifest = Manifest.from_text(read_header(path).manifest or _sidecar_text(path), path)
    except ResizeKitError:  # `up_file` reports the problem
        return PNG.suffixes[0]
    return (NPY if manifest.mode == "CUBE" or manifest.bits == 32 else PNG).suffixes[0]
