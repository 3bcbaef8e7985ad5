"""Small files in memory: `down_file` and `up_file` without files on disk."""

from io import BytesIO
from pathlib import Path
from typing import Any

import PIL.Image

from resizekit.codec import Codec
from resizekit.codec.refine.effort import Effort
from resizekit.errors import ImageError
from resizekit.images.files import down_file
from resizekit.images.inputs import PictureInput
from resizekit.images.max_bytes import MaxBytes
from resizekit.images.restoration import Restoration
from resizekit.images.run_options import RunOptions
from resizekit.images.target_size import TargetSize
from resizekit.pictures.io.pil import picture_to_pil
from resizekit.pictures.io.source import PictureFile
from resizekit.pictures.limits import check_values
from resizekit.pictures.metadata import Metadata
from resizekit.pictures.value_range import ValueRange

__all__ = ["down_bytes", "up_bytes"]


def down_bytes(
    image: PictureInput,
    *,
    weights: str | Path | Codec | None = None,
    task: str | None = None,
    compression: str | None = None,
    target: TargetSize | None = None,
    value_range: ValueRange | None = None,
    frame: int | None = None,
    effort: int | Effort = 0,
    max_bytes: int | MaxBytes | None = None,
    options: RunOptions = RunOptions(),
) -> bytes:
    """Make a picture small, and return the bytes of its small file with the manifest.

    They are the bytes that `down_file` writes. A PIL image or an array has no EXIF, so the small file has none.

    Args:
        image: A PIL image of 8 bits, a path, the bytes of a file, a binary file object, or an array `h w c` of uint8,
            uint16 or float32.
        weights: As for `down_file`. A server loads a codec once, and passes it in each call, from any thread.
        task: As for `down_file`; pass exactly one of `weights` and `task`.
        compression: As for `down_file`; "webp" returns a lossless WebP instead of a PNG.
        target: Requested size; None: the factors of the weights.
        value_range: Lowest and highest possible value; float32 needs it.
        frame: Number of the frame of an animation or the page of a TIFF.
        effort: 0 to 4, or an `Effort`.
        max_bytes: Largest number of bytes; the weights must store a lossy format.
        options: Tiles, device, precision and progress.

    Returns:
        The small file, which `up_bytes` and `up_file` restore.

    Raises:
        ImageError: The image cannot be read or does not fit the weights.
        UsageError: The requested size is not possible, the effort is invalid, no quality has so few bytes, or a sidecar
            is requested.
        UnknownNameError: The weights, task or compression are not installed.
        CheckpointError: The weights file is missing or broken.

    Examples:
        >>> data = down_bytes(PIL.Image.new("RGB", (33, 20), "teal"), weights="sr-x2-fast")
        >>> data[1:4], up_bytes(data).size
        (b'PNG', (33, 20))
    """
    file = BytesIO()
    down_file(
        image,
        file,
        weights=weights,
        task=task,
        compression=compression,
        target=target,
        value_range=value_range,
        frame=frame,
        effort=effort,
        max_bytes=max_bytes,
        options=options,
    )
    return file.getvalue()


def up_bytes(
    data: PictureFile,
    *,
    weights: str | Path | Codec | None = None,
    size: tuple[int, int] | str | None = None,
    force: bool = False,
    options: RunOptions = RunOptions(),
) -> PIL.Image.Image:
    """Restore a picture from the bytes of its small file.

    The pixels are those that `up_file` writes, for pictures of 8 bits with at most four channels.

    Args:
        data: The bytes of a small file, a path, or a binary file object.
        weights: As for `up_file`; None: the installed weights that the manifest names.
        size: Size of the original, if the manifest is missing.
        force: Restore from pixels that changed, with a `RestoreWarning`.
        options: Tiles, device, precision and progress.

    Returns:
        A PIL image of the size and mode of the original, with its profile and EXIF.

    Raises:
        ManifestError: The file has no manifest, was changed, or was made with other weights.
        ImageError: A PIL image cannot hold the picture: more than 8 bits, or many channels.

    Examples:
        >>> import resizekit
        >>> codec = resizekit.load("sr-x2-fast")
        >>> restored = up_bytes(down_bytes(PIL.Image.new("LA", (33, 20)), weights=codec), weights=codec)
        >>> restored.mode, restored.size
        ('LA', (33, 20))
    """
    restoration = Restoration.of(data, weights=weights, size=size, force=force, options=options)
    manifest, outline = restoration.manifest, restoration.outline
    check_values(restoration.source, outline.pixels.shape)
    if manifest.bits != 8 or manifest.mode == "CUBE":  # refused before the work
        raise ImageError(
            f"{restoration.source} restores {outline.pixels.shape[2]} channels of {outline.pixels.dtype}, which a PIL "
            "image cannot hold: use up_file with a path or a file object"
        )
    picture = restoration.run()
    return picture_to_pil(picture, **_info(picture.metadata))


def _info(metadata: Metadata) -> dict[str, Any]:
    """Return metadata as entries of `info`, under the names that Pillow reads."""
    entries = {"exif": metadata.exif, "xmp": metadata.xmp, "dpi": metadata.dpi}
    return {name: value for name, value in entries.items() if value is not None}
