"""`resizekit down` and `resizekit up`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.batch import work_through
from resizekit.cli.batch_options import (
    BatchOptions,
    JobCount,
    JsonLines,
    Quiet,
    SkipExisting,
    Threads,
    Verbose,
    read_batch_options,
)
from resizekit.cli.jobs import pair_up
from resizekit.cli.options import (
    BitsPerPixel,
    CompressionName,
    Device,
    EffortLevel,
    FrameNumber,
    Json,
    MaxBytesCount,
    MaxPixels,
    MaxSide,
    Memory,
    MetadataPolicyName,
    Overwrite,
    Precision,
    Scale,
    Size,
    Smaller,
    TargetLowPsnr,
    TaskName,
    Tile,
    Times,
    ValueRangeText,
    WeightsName,
    read_effort,
    read_max_bytes,
    read_run_options,
    read_target,
    read_value_range,
    read_weights,
)
from resizekit.cli.streams import streams
from resizekit.errors import UsageError
from resizekit.system.workers import start_early

__all__ = ["down", "up"]

Sources = Annotated[
    list[Path], typer.Argument(metavar="IN", help="Pictures, folders or patterns; - is standard input.")
]
Out = Annotated[
    str, typer.Argument(help="A file for one picture, a folder for several; - is standard output.", metavar="OUT")
]
_MODULES = ("resizekit.cli.file_tasks",)
"""Modules that worker processes need."""


def down(
    sources: Sources,
    out: Out,
    weights: WeightsName = None,
    task: TaskName = None,
    size: Size = None,
    scale: Scale = None,
    max_side: MaxSide = None,
    plan: Annotated[bool, typer.Option("--plan", help="Dry run: print the sizes and steps only.")] = False,
    times: Times = None,
    compression: CompressionName = None,
    value_range: ValueRangeText = None,
    frame: FrameNumber = None,
    effort: EffortLevel = 0,
    target_low_psnr: TargetLowPsnr = None,
    smaller: Smaller = False,
    max_bytes: MaxBytesCount = None,
    bpp: BitsPerPixel = None,
    tile: Tile = "auto",
    device: Device = "auto",
    precision: Precision = "float32",
    memory: Memory = None,
    max_pixels: MaxPixels = None,
    metadata: MetadataPolicyName = "keep",
    sidecar: Annotated[
        bool, typer.Option("--sidecar", help="Write the manifest into small.png.json too, for `up`.")
    ] = False,
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
    jobs: JobCount = 1,
    threads: Threads = None,
    as_json: Json = False,
    json_lines: JsonLines = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make pictures small. Small files are PNG, or in the format of the compression; `up` restores the pictures."""
    batch = read_batch_options(
        jobs=jobs,
        threads=threads,
        skip_existing=skip_existing,
        overwrite=overwrite,
        as_json=as_json,
        json_lines=json_lines,
        quiet=quiet,
        verbose=verbose,
    )
    _prepare(out, batch)
    from resizekit.cli.file_tasks import DownTask
    from resizekit.images.selection import default_suffix
    from resizekit.images.tasks import DownWork

    (chosen, of_task), limit = read_weights(weights, task), read_max_bytes(max_bytes, bpp)
    options = read_run_options(tile, device, precision, overwrite, memory, max_pixels)
    settings = DownWork(
        weights=chosen,
        task=of_task,
        compression=compression,
        target=read_target(size, scale, max_side, times),
        value_range=read_value_range(value_range),
        frame=frame,
        effort=read_effort(effort, target_low_psnr, smaller),
        max_bytes=limit,
        options=replace(options, metadata=metadata, sidecar=sidecar),
    )

    work = DownTask(settings)

    def suffix(_: Path) -> str:
        return default_suffix(weights=chosen, task=of_task, compression=compression, has_quality=limit is not None)

    with streams(sources, out, suffix) as files:
        paired = pair_up(files.sources, files.out, suffix)
        if plan:
            work_through(paired, work.plan, replace(batch, skip_existing=False), writes=False, rename=files.rename)
        else:
            work_through(paired, work, batch, prints=not files.writes_stdout, rename=files.rename)


def up(
    sources: Sources,
    out: Out,
    weights: Annotated[
        str | None,
        typer.Option(
            help="The weights that made the small picture: a name, or a .safetensors file. Needed only if they are not "
            "installed, or if the manifest was removed.",
            show_default=False,
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="WxH",
            help="Size of the original, if the manifest was removed, such as 640x480.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Restore small pictures whose pixels changed.")] = False,
    quality: Annotated[
        int | None,
        typer.Option(
            min=0, max=100, help="Quality of a JPEG (default 95), AVIF (90) or WebP (lossless).", show_default=False
        ),
    ] = None,
    tile: Tile = "auto",
    device: Device = "auto",
    precision: Precision = "float32",
    memory: Memory = None,
    max_pixels: MaxPixels = None,
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
    jobs: JobCount = 1,
    threads: Threads = None,
    as_json: Json = False,
    json_lines: JsonLines = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Restore pictures from their small files. In a folder, they become PNG files (cubes and float32: .npy)."""
    batch = read_batch_options(
        jobs=jobs,
        threads=threads,
        skip_existing=skip_existing,
        overwrite=overwrite,
        as_json=as_json,
        json_lines=json_lines,
        quiet=quiet,
        verbose=verbose,
    )
    _prepare(out, batch)
    from resizekit.cli.file_tasks import UpTask
    from resizekit.images.small_files import restored_suffix
    from resizekit.images.tasks import UpWork

    chosen = None if weights is None else read_weights(weights, None)[0]
    options = read_run_options(tile, device, precision, overwrite, memory, max_pixels)
    if size is not None:
        read_target(size, None, None)  # refuse an invalid size before the first picture
    work = UpTask(UpWork(weights=chosen, size=size, force=force, quality=quality, options=options))
    with streams(sources, out, restored_suffix) as files:
        paired = pair_up(files.sources, files.out, restored_suffix)
        work_through(paired, work, batch, prints=not files.writes_stdout, rename=files.rename)


def _prepare(out: str, batch: BatchOptions) -> None:
    """Check the output, and start the workers while this process still imports."""
    if out == "-" and batch.style != "text":
        raise UsageError("--json prints on standard output, which is the picture: name a file for the output")
    if batch.jobs > 1:
        start_early(_MODULES)
