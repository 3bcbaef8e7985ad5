"""Make a picture file small, and restore the picture from the small file. A file may be an object in memory."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from resizekit.codec import Codec
from resizekit.codec.refine.effort import Effort
from resizekit.codec.resize_plan import ResizePlan
from resizekit.errors import UsageError
from resizekit.images.advice import advise_on_bytes, advise_on_picture
from resizekit.images.estimate import Estimate, estimate_down
from resizekit.images.inputs import PictureInput, input_of, read_input
from resizekit.images.max_bytes import MaxBytes, best_to_bytes
from resizekit.images.pipeline import check_depth, down_picture
from resizekit.images.planning import padded_sizes
from resizekit.images.restoration import Restoration
from resizekit.images.run_options import RunOptions
from resizekit.images.selection import Selection, WeightsChoice, select, select_all
from resizekit.images.sidecar import write_sidecar
from resizekit.images.target_size import TargetSize
from resizekit.pictures.io.destination import Destination, Target, target_of
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.source import PictureFile, Source
from resizekit.pictures.io.write import output
from resizekit.pictures.limits import check_values
from resizekit.pictures.manifest import Manifest
from resizekit.pictures.picture import Picture
from resizekit.pictures.value_range import ValueRange
from resizekit.system.locked_folder import locked_folder

__all__ = ["down_file", "plan_file", "up_file"]


def down_file(
    src: PictureInput,
    dst: Destination,
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
        src: A picture of any size and any mode: a path, the bytes of a file, a binary file object, a PIL image of 8
            bits, or an array `h w c` of uint8, uint16 or float32, which is read as the .npy file of it.
        dst: The small file: a PNG, a lossless WebP (.webp), or the format that the weights store. A binary file object
            gets the complete file in one piece, in the format of the suffix of its `name` if that is known.
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
    file = target_of(dst)
    if options.sidecar and not isinstance(file, Path):
        raise UsageError(f"a sidecar needs a path next to it, and {file} is a file object: leave out the sidecar")
    limit = max_bytes if max_bytes is None or isinstance(max_bytes, MaxBytes) else MaxBytes(max_bytes)
    image, source = input_of(src)
    with options.budget.applied(file):
        picture = read_input(image, source, value_range, frame=frame).with_metadata(options.metadata)
        selections = (
            [select(choice, picture, target, file.suffix)]
            if limit is None
            else select_all(choice, picture, target, file.suffix)
        )
        check_depth(picture, selections[0].storage, source)
        options.budget.check_effort(picture, effort)
        manifest = _write_small(picture, selections, file, source, target, effort, limit, options)
        if options.on_advice is not None:
            reasons = [advise_on_picture(picture, source)]
            if not isinstance(source, str):  # a file
                written = file.stat().st_size if isinstance(file, Path) else file.size()
                reasons.append(advise_on_bytes(source, source.stat().st_size, file, written))
            for advice in filter(None, reasons):
                options.on_advice(advice)
    return manifest


def _write_small(
    picture: Picture,
    selections: list[Selection],
    file: Target,
    source: Source | str,
    target: TargetSize | None,
    effort: Effort,
    limit: MaxBytes | None,
    options: RunOptions,
) -> Manifest:
    def down(codec: Codec, picture: Picture, **how: Any) -> tuple[Picture, Manifest]:
        tile = options.budget.tile(codec, options.tile, refines=effort.level > 0)
        shared = {"source": source, "target": target, "progress": options.progress, "on_gain": options.on_gain}
        return down_picture(codec, picture, tile=tile, **{**shared, **how})

    with (
        ExitStack() as until_written,
        output(file, picture, source=source, storage=selections[0].storage, overwrite=options.overwrite) as save,
    ):
        codecs = [one.load(options.device, options.precision) for one in selections]
        codec = codecs[0]
        if limit is None:
            small, manifest = down(codec, picture, effort=effort)
        else:
            count = limit.of(picture.hw)
            codec, small, manifest = best_to_bytes(
                codecs, picture, count, effort=effort, down=down, source=source, on_gain=options.on_gain
            )
        save(small, codec.storage)
        if options.sidecar and isinstance(file, Path):
            # another process must not write its picture or its sidecar between these two
            until_written.enter_context(locked_folder(file.parent))
            write_sidecar(file, manifest, overwrite=options.overwrite)
    return manifest


def plan_file(
    src: str | Path,
    dst: str | Path | None = None,
    *,
    weights: str | Path | Codec | None = None,
    task: str | None = None,
    compression: str | None = None,
    target: TargetSize | None = None,
    value_range: ValueRange | None = None,
    frame: int | None = None,
    has_quality: bool = False,
    options: RunOptions = RunOptions(),
) -> tuple[ResizePlan, str, Estimate | None]:
    """Plan what `down_file` would do, without loading weights or writing a file.

    The arguments and errors are those of `down_file`; `has_quality` is whether it has a limit in bytes.

    Returns:
        The plan, the name of the weights, and with a limit on memory an estimate of what the resize takes.
    """
    choice = WeightsChoice(weights=weights, task=task, compression=compression)
    file = target_of("small.png" if dst is None else dst)
    with options.budget.applied(file):
        picture = read_picture(src, value_range, frame=frame)
    selection = select(choice, picture, target, file.suffix if dst is not None else None, has_quality=has_quality)
    check_depth(picture, selection.storage, src)
    plan = selection.plan
    if plan.times:  # refuse the same padding as `down_file`
        padded_sizes(selection.outline.at(plan.times), plan.size_before_steps, original=plan.high, source=src)
    if options.budget.bytes is None or not plan.times:
        return plan, selection.name, None
    codec = selection.load(options.device, options.precision).at(plan.times)
    size = plan.size_before_steps
    return plan, selection.name, estimate_down(codec, size, picture.bits, options.tile, options.budget, file)


def up_file(
    src: PictureFile,
    dst: Destination,
    *,
    weights: str | Path | Codec | None = None,
    quality: int | None = None,
    size: tuple[int, int] | str | None = None,
    force: bool = False,
    options: RunOptions = RunOptions(),
) -> Manifest:
    """Restore a picture from its small file alone.

    Args:
        src: A small file that `down_file` wrote: a path, its bytes, or a binary file object. Without a manifest in it,
            that of the sidecar of the path counts.
        dst: The restored picture, in the format of its suffix. A binary file object gets the complete file in one
            piece: PNG, or .npy for a cube or float32, unless the suffix of its `name` is known.
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
    file = target_of(dst)
    with options.budget.applied(file):
        restoration = Restoration.of(src, weights=weights, size=size, force=force, options=options)
        outline = restoration.outline
        check_values(dst, outline.pixels.shape)
        with output(file, outline, source=restoration.source, quality=quality, overwrite=options.overwrite) as save:
            save(restoration.run())
    return restoration.manifest
