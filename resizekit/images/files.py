"""Make a picture file small, and restore the picture from the small file."""

from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np

from resizekit.codec import Codec
from resizekit.codec.convert import dtype_of_bits
from resizekit.codec.refine.effort import Effort
from resizekit.codec.resize_plan import ResizePlan
from resizekit.images.advice import advise_on_bytes, advise_on_picture
from resizekit.images.manifest_weights import weights_of_manifest
from resizekit.images.max_bytes import MaxBytes, best_to_bytes
from resizekit.images.pipeline import check_depth, down_picture, up_picture
from resizekit.images.planning import padded_sizes
from resizekit.images.run_options import RunOptions
from resizekit.images.selection import WeightsChoice, choose_codec, select, select_all
from resizekit.images.sidecar import write_sidecar
from resizekit.images.small_files import read_small
from resizekit.images.target_size import TargetSize
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.write import output
from resizekit.pictures.limits import check_values
from resizekit.pictures.manifest import Manifest
from resizekit.pictures.picture import Picture
from resizekit.pictures.value_range import ValueRange
from resizekit.spec import HW
from resizekit.system.locked_folder import locked_folder

__all__ = ["down_file", "plan_file", "up_file"]


def down_file(
    src: str | Path,
    dst: str | Path,
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
) -> Manifest:
    """Make a picture file small.

    Pass exactly one of `weights` and `task`.

    Args:
        src: A picture of any size and any mode that `read_picture` reads.
        dst: The small file: a PNG, a lossless WebP (.webp), or the format that the weights store.
        weights: Name of installed weights, a .safetensors file, or a loaded codec, which keeps its device and
            precision.
        task: Name of a task; the best-fitting of its weights for the channels and the target are chosen.
        compression: Name of an installed compression that replaces the compression of the weights; "uint16" takes
            pictures of 16 bits per channel and writes a PNG of 16 bits.
        target: Requested size; None: the factors of the weights.
        value_range: Lowest and highest possible value of the picture; float32 pictures need it.
        frame: Number of the frame of an animation, or of the page of a TIFF; the first is 1. None: refuse them.
        effort: 0 to 4, or an `Effort`. Above 0, the small picture is improved for its decoder, which takes longer.
        max_bytes: Largest size of the file: the best quality that fits is used. The weights must store a lossy format.
        options: Tiles, device, precision, overwriting and progress.

    Returns:
        The manifest that is embedded in the small file.

    Raises:
        ImageError: The input cannot be read or does not fit the weights.
        UsageError: The output cannot be written there, the requested size is not possible, the effort is invalid, or
            no quality has so few bytes.
        UnknownNameError: The weights, task or compression are not installed.
        CheckpointError: The weights file is missing or broken.

    Examples:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> Image.new("RGB", (33, 20), "teal").save(folder / "in.png")
        >>> manifest = down_file(folder / "in.png", folder / "small.png", weights="sr-x2")
        >>> read_picture(folder / "small.png").hw.wh
        (17, 10)
    """
    effort = Effort.of(effort)
    choice = WeightsChoice(weights=weights, task=task, compression=compression)
    picture = read_picture(src, value_range, frame=frame).with_metadata(options.metadata)
    limit = max_bytes if max_bytes is None or isinstance(max_bytes, MaxBytes) else MaxBytes(max_bytes)
    suffix = Path(dst).suffix
    selections = (
        [select(choice, picture, target, suffix)] if limit is None else select_all(choice, picture, target, suffix)
    )
    selection = selections[0]
    check_depth(picture, selection.storage, src)
    down = partial(
        down_picture, source=src, target=target, tile=options.tile, progress=options.progress, on_gain=options.on_gain
    )
    with (
        ExitStack() as until_written,
        output(dst, picture, source=src, storage=selection.storage, overwrite=options.overwrite) as save,
    ):
        codecs = [one.load(options.device, options.precision) for one in selections]
        codec = codecs[0]
        if limit is None:
            small, manifest = down(codec, picture, effort=effort)
        else:
            count = limit.of(picture.hw)
            codec, small, manifest = best_to_bytes(
                codecs, picture, count, effort=effort, down=down, source=src, on_gain=options.on_gain
            )
        save(small, codec.storage)
        if options.sidecar:  # another process must not write its picture or its sidecar between these two
            until_written.enter_context(locked_folder(Path(dst).parent))
            write_sidecar(dst, manifest, overwrite=options.overwrite)
    if options.on_advice is not None:
        sizes = advise_on_bytes(src, Path(src).stat().st_size, dst, Path(dst).stat().st_size)
        for advice in filter(None, (advise_on_picture(picture, src), sizes)):
            options.on_advice(advice)
    return manifest


def plan_file(
    src: str | Path,
    *,
    weights: str | Path | Codec | None = None,
    task: str | None = None,
    compression: str | None = None,
    target: TargetSize | None = None,
    value_range: ValueRange | None = None,
    frame: int | None = None,
    suffix: str | None = None,
    has_quality: bool = False,
) -> tuple[ResizePlan, str]:
    """Plan what `down_file` would do, without loading weights or writing a file.

    The arguments and errors are those of `down_file`; `suffix` is that of its small file, and `has_quality` whether it
    has a limit in bytes.

    Returns:
        The plan and the name of the weights.
    """
    choice = WeightsChoice(weights=weights, task=task, compression=compression)
    picture = read_picture(src, value_range, frame=frame)
    selection = select(choice, picture, target, suffix, has_quality=has_quality)
    check_depth(picture, selection.storage, src)
    plan = selection.plan
    if plan.times:  # refuse the same padding as `down_file`
        padded_sizes(selection.outline.at(plan.times), plan.size_before_steps, original=plan.high, source=src)
    return plan, selection.name


def up_file(
    src: str | Path,
    dst: str | Path,
    *,
    weights: str | Path | Codec | None = None,
    quality: int | None = None,
    size: tuple[int, int] | str | None = None,
    force: bool = False,
    options: RunOptions = RunOptions(),
) -> Manifest:
    """Restore a picture from its small file alone.

    Args:
        src: A small file that `down_file` wrote. Without a manifest in it, that of its sidecar counts.
        dst: The restored picture, in the format of its suffix.
        weights: A .safetensors file, the name of installed weights, or a loaded codec; None: the installed weights that
            the manifest names. The digest of the weights must be that of the manifest. If a program removed the
            manifest and left the pixels as they were, the picture is restored with a `RestoreWarning`.
        quality: Quality of a restored JPEG, AVIF or WebP; None: 95, 90, and a lossless WebP.
        size: Size of the original, (width, height) or `640x480`, if the manifest is missing; None: that of the small
            picture times the factors.
        force: Restore from pixels that changed, with a `RestoreWarning`.
        options: Tiles, device, precision, overwriting and progress.

    Returns:
        The manifest of the small file.

    Raises:
        ManifestError: The file has no manifest, was changed, or was made with other weights.
        UsageError: The output cannot be written there.

    Examples:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> Image.new("RGB", (33, 20), "teal").save(folder / "in.png")
        >>> manifest = down_file(folder / "in.png", folder / "small.png", weights="sr-x2")
        >>> manifest = up_file(folder / "small.png", folder / "restored.png")
        >>> read_picture(folder / "restored.png").hw.wh
        (33, 20)
    """
    load_codec = None if weights is None else cache(partial(_codec, weights, None, options))
    exact_size = None if size is None else TargetSize(size=size).exact_size()
    small, manifest = read_small(src, load_codec=load_codec, size=exact_size, force=force)
    original = HW.from_wh(manifest.size)
    check_values(dst, (*original, _channels(manifest)))
    with output(dst, _placeholder(small, manifest), source=src, quality=quality, overwrite=options.overwrite) as save:
        if load_codec is None:
            codec = _codec(weights_of_manifest(manifest, src), manifest.compression, options)
        else:
            codec = load_codec()
        save(up_picture(codec, small, manifest, source=src, tile=options.tile, progress=options.progress))
    return manifest


def _codec(weights: str | Path | Codec, compression: str | None, options: RunOptions) -> Codec:
    if isinstance(weights, Codec):
        return weights
    return choose_codec(weights=weights, compression=compression, device=options.device, precision=options.precision)


def _placeholder(small: Picture, manifest: Manifest) -> Picture:
    """Describe the restored picture without allocating memory for it."""
    shape = (*HW.from_wh(manifest.size), _channels(manifest))
    return replace(small, pixels=np.broadcast_to(dtype_of_bits(manifest.bits)(0), shape), embedded_manifest=None)


def _channels(manifest: Manifest) -> int:
    return manifest.channels or (3 if manifest.mode.startswith("RGB") else 1)
