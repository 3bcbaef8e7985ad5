"""The two verbs: a picture file becomes a small one, and from that one alone the picture again."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from resizekit.codec import Codec
from resizekit.codec.convert import kind_of_bits
from resizekit.codec.resize_plan import ResizePlan
from resizekit.codec.tiling import Progress, Tile
from resizekit.errors import ManifestError, ResizeKitError, UsageError
from resizekit.images.io.npy import NPY
from resizekit.images.io.read import read_picture
from resizekit.images.io.write import output
from resizekit.images.limits import check_values
from resizekit.images.manifest import Manifest
from resizekit.images.picture import Picture
from resizekit.images.pipeline import check_depth, down_picture, padded_sizes, plan_picture, up_picture
from resizekit.images.selection import (
    choose_codec,
    choose_storage,
    choose_weights,
    manifest_name,
    named_codec,
    repeated,
)
from resizekit.images.target_size import TargetSize, check_size
from resizekit.images.value_range import ValueRange
from resizekit.storage.formats import PNG

__all__ = ["down_file", "plan_file", "read_small", "suffix_of_restored", "up_file"]

_OTHER_DECODER = "; if it is that very file, this Pillow decodes it otherwise: use the one from Pillow's own wheels"


def down_file(
    src: str | Path,
    dst: str | Path,
    *,
    weights: str | Path | None = None,
    task: str | None = None,
    codec: Codec | None = None,
    compression: str | None = None,
    value_range: ValueRange | None = None,
    wanted: TargetSize | None = None,
    times: int | None = None,
    tile: Tile = "auto",
    device: str = "auto",
    precision: str = "auto",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Manifest:
    """Make a picture file small: writes a PNG, or what else the weights store, and gives the manifest in it.

    Say which networks: `weights` (an installed name or a .safetensors file), `task` (those of its weights that are for
    grey or for colour, whichever the picture is, and whose steps suit a `wanted` size best) or a loaded `codec`, which
    stays on its device and keeps its precision.  `compression` names an installed one to take the place of the weights'
    own: "uint16" takes pictures of 16 bits and writes a PNG of 16 bits.  `value_range` is the range of the picture's values,
    which float32 needs.  `times` is how often the networks are applied, if not as often as they say; `wanted` any other
    size than these networks make by themselves.  A picture of any size and any mode that `read_picture` takes will do.
    Raises `ImageError` for the input, `UsageError` for the output and for a size that cannot be, and what loading
    weights raises.
    """
    _one_of(weights, task, codec)
    check_size(wanted, times)
    picture = read_picture(src, value_range)
    channels = picture.pixels.shape[2]
    if codec is None:
        weights = choose_weights(weights=weights, task=task, channels=channels, size=picture.size, wanted=wanted)
        storage = choose_storage(weights=weights, task=None, compression=compression)
    else:
        codec = codec if compression is None else codec.with_compression(compression)
        storage = codec.storage
    check_depth(picture, storage, src)
    with output(dst, picture, source=src, storage=storage, overwrite=overwrite) as save:
        if codec is None:
            codec = choose_codec(
                weights=weights, task=None, compression=compression, device=device, precision=precision
            )
        codec = codec if times is None else repeated(codec, times)
        small, manifest = down_picture(codec, picture, where=src, wanted=wanted, tile=tile, progress=progress)
        save(small)
    return manifest


def plan_file(
    src: str | Path,
    *,
    weights: str | Path | None = None,
    task: str | None = None,
    codec: Codec | None = None,
    compression: str | None = None,
    value_range: ValueRange | None = None,
    wanted: TargetSize | None = None,
    times: int | None = None,
) -> tuple[ResizePlan, str]:
    """Tell what `down_file` would do with the sizes of a picture, and with which weights, without doing it."""
    _one_of(weights, task, codec)
    check_size(wanted, times)
    picture = read_picture(src, value_range)
    if codec is None:
        channels = picture.pixels.shape[2]
        weights = choose_weights(weights=weights, task=task, channels=channels, size=picture.size, wanted=wanted)
        codec = choose_codec(weights=weights, task=None, device="cpu")
    codec = codec if compression is None else codec.with_compression(compression)
    check_depth(picture, codec.storage, src)
    codec = codec if times is None else repeated(codec, times)
    route = plan_picture(codec, picture.size, wanted)
    if route.times:  # refused here as it would be there
        padded_sizes(codec.at(route.times), route.middle or route.high, of=route.high, where=src)
    return route, manifest_name(codec)


def _one_of(*choices: object) -> None:
    if sum(choice is not None for choice in choices) != 1:
        raise UsageError("how shall the picture be made small? Say one of weights, task and codec")


def up_file(
    src: str | Path,
    dst: str | Path,
    *,
    weights: str | Path | None = None,
    codec: Codec | None = None,
    tile: Tile = "auto",
    device: str = "auto",
    precision: str = "auto",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Manifest:
    """Restore a picture from its small file alone, in the format that the suffix of `dst` names.

    The manifest names installed weights; `weights` (a file) or `codec` stand in for those of one's
    own training, and must be the very same by their digest.  Raises `ManifestError` for a file
    that is no small image or has been changed since, and otherwise as `down_file`.
    """
    small, manifest = read_small(src)
    check_values(dst, (manifest.size[1], manifest.size[0], _channels(manifest)))
    with output(dst, _outline(small, manifest), source=src, overwrite=overwrite) as save:
        if codec is None:
            codec = named_codec(manifest, src, weights, device, precision)
        save(up_picture(codec, small, manifest, where=src, tile=tile, progress=progress))
    return manifest


def _outline(small: Picture, manifest: Manifest) -> Picture:
    """What the restored picture will hold, without taking the memory for it."""
    shape = (manifest.size[1], manifest.size[0], _channels(manifest))
    return replace(small, pixels=np.broadcast_to(kind_of_bits(manifest.bits)(0), shape), note=None)


def _channels(manifest: Manifest) -> int:
    return manifest.channels or (3 if manifest.mode.startswith("RGB") else 1)


def suffix_of_restored(path: str | Path) -> str:
    """Tell which suffix suits what a small image becomes: .npy for a cube or floats, .png for any other file."""
    try:
        manifest = Manifest.from_text(read_picture(path).note, path)
    except ResizeKitError:  # restoring it tells what is wrong
        return PNG.suffixes[0]
    return (NPY if manifest.mode == "CUBE" or manifest.bits == 32 else PNG).suffixes[0]


def read_small(path: str | Path) -> tuple[Picture, Manifest]:
    """Read a small image with its manifest; a `ManifestError` if it is none or has been changed.

    The digest is that of the decoded pixels in a lossy format too: they are what the networks see and were trained on,
    it needs no parser of each format, and a decoder that gives others is found out instead of believed.
    """
    picture = read_picture(path)
    manifest = Manifest.from_text(picture.note, path)
    if manifest.pixels != picture.digest:
        raise ManifestError(
            f"{path} was changed after it was made small (edited, resized or compressed anew): "
            f"give the file as `down` wrote it{'' if Path(path).suffix.lower() == '.png' else _OTHER_DECODER}"
        )
    return picture, manifest
