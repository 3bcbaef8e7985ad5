"""Read a small file with its manifest: from the file, or from a sidecar next to it."""

import warnings
from pathlib import Path

from resizekit.codec import Codec
from resizekit.errors import ManifestError, ResizeKitError, UsageError
from resizekit.images.io.npy import NPY
from resizekit.images.io.read import read_picture
from resizekit.images.manifest import LIMIT, Manifest
from resizekit.images.manifest_weights import manifest_name
from resizekit.images.pad import padded_sizes_for
from resizekit.images.picture import Mode, Picture
from resizekit.spec import HW
from resizekit.storage.formats import PNG
from resizekit.system.atomic_write import atomic_write, check_target

__all__ = ["RestoreWarning", "assume_manifest", "read_small", "restored_suffix", "sidecar_of", "write_sidecar"]

_OTHER_DECODER = "; if it is that file, this Pillow decodes it differently: install an official wheel of Pillow"


class RestoreWarning(UserWarning):
    """A picture is restored although nothing shows that its small file is unchanged."""


def sidecar_of(path: str | Path) -> Path:
    """Return the sidecar of a small file.

    Examples:
        >>> sidecar_of("photos/small.png").name
        'small.png.json'
    """
    path = Path(path)
    return path.with_name(f"{path.name}.json")


def write_sidecar(path: str | Path, manifest: Manifest, *, overwrite: bool = False) -> None:
    """Write the manifest of a small file into its sidecar.

    Raises:
        UsageError: If the sidecar exists and `overwrite` is false, or cannot be written.
    """
    target = sidecar_of(path)
    check_target(target, overwrite=overwrite)
    with atomic_write(target, overwrite=overwrite) as temporary:
        temporary.write_text(manifest.to_text() + "\n", encoding="utf-8")


def read_small(
    path: str | Path, *, codec: Codec | None = None, size: HW | None = None, force: bool = False
) -> tuple[Picture, Manifest]:
    """Read a small image with its manifest, and check that its pixels did not change.

    The digest covers the decoded pixels, in a lossy format as well: they are the input of the decoder network. No
    format needs its own parser, and an image library that decodes to other pixels is detected.

    Args:
        path: The small file. Without a manifest in it, that of the sidecar counts.
        codec: The codec that made the file, in case that no manifest is left. The pixels are then trusted, with a
            `RestoreWarning`.
        size: Size of the original in this case; None: that of the small picture times the factors.
        force: Restore pixels that changed, with a `RestoreWarning`.

    Raises:
        ManifestError: The file has no manifest, or its pixels changed.
        UsageError: A picture of this size does not have a small picture of that size.
        ImageError: The file cannot be read.
    """
    picture = read_picture(path)
    text = picture.embedded_manifest
    if text is None and (text := _sidecar_text(path)) is not None:
        picture = read_picture(path, as_stored=True)
    if text is None and codec is not None:
        manifest = assume_manifest(codec, picture, size, path)
        warnings.warn(f"{path} carries no manifest: trusting --weights and its pixels", RestoreWarning, stacklevel=2)
        return picture, manifest
    manifest = Manifest.from_text(text, path)
    if manifest.pixels != picture.digest:
        if not force:
            raise ManifestError(
                f"{path} was changed after it was made small (edited, resized or compressed again): give the file as "
                f"`down` wrote it{'' if Path(path).suffix.lower() == '.png' else _OTHER_DECODER}"
            )
        warnings.warn(f"{path} was changed: the restored picture may differ", RestoreWarning, stacklevel=2)
        manifest = manifest.model_copy(update={"pixels": picture.digest})
    return picture, manifest


def _sidecar_text(path: str | Path) -> str | None:
    """Return the text of the sidecar; None if there is no such file."""
    sidecar = sidecar_of(path)
    if not sidecar.is_file():
        return None
    try:
        with sidecar.open("rb") as file:
            return file.read(LIMIT).decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"cannot read the manifest {sidecar}: {error}") from None


def assume_manifest(codec: Codec, small: Picture, size: HW | None, source: object) -> Manifest:
    """Build the manifest that `down` writes for a small picture of this codec, if its original had this size.

    Args:
        codec: The codec that made the small picture.
        small: The small picture.
        size: Size of the original; None: that of the small picture times the factors.
        source: The small file, for error messages.

    Raises:
        UsageError: A picture of this size does not have a small picture of that size, or the codec is for cubes.
    """
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
            f"pass the size of the original, at most {largest.w}x{largest.h}"
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


def restored_suffix(path: str | Path) -> str:
    """Return the suffix for the restored picture of a small file: .npy for a cube or float32, .png for any other."""
    try:
        manifest = Manifest.from_text(read_picture(path).embedded_manifest or _sidecar_text(path), path)
    except ResizeKitError:  # `up_file` reports the problem
        return PNG.suffixes[0]
    return (NPY if manifest.mode == "CUBE" or manifest.bits == 32 else PNG).suffixes[0]
