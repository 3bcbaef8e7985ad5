"""`resizekit export-pairs`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from resizekit.cli.batch import work_through
from resizekit.cli.batch_options import BatchOptions
from resizekit.cli.jobs import pair_up
from resizekit.cli.options import (
    CompressionName,
    Device,
    Overwrite,
    Precision,
    TaskName,
    Tile,
    WeightsName,
    read_run_options,
    read_weights,
)
from resizekit.errors import UsageError

__all__ = ["export_pairs"]


def export_pairs(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of pictures.")],
    out: Annotated[Path, typer.Argument(help="Folder for the pairs: OUT/low and OUT/high.")],
    weights: WeightsName = None,
    task: TaskName = None,
    bicubic: Annotated[
        bool, typer.Option("--bicubic", help="Make small pictures with bicubic and the factors of the weights.")
    ] = False,
    compression: CompressionName = None,
    tile: Tile = "auto",
    device: Device = "auto",
    precision: Precision = "float32",
    overwrite: Overwrite = False,
) -> None:
    """Write pairs of small and large PNG files with the same names, to train other networks with."""
    from resizekit.images.batch import Job, Report
    from resizekit.images.selection import choose_codec
    from resizekit.showcase.export_pairs import export_pair

    options = read_run_options(tile, device, precision, overwrite)
    chosen, of_task = read_weights(weights, task)
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: name one that holds pictures")
    if out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{out} lies in the input folder {folder}: choose another output folder")
    high, low = out / "high", out / "low"
    pairs = pair_up([folder], f"{high}/", lambda _: ".png")
    codec = choose_codec(weights=chosen, task=of_task, compression=compression, device=device, precision=precision)

    def run(job: Job, report: Report) -> dict[str, Any]:
        small = low / job.output.relative_to(high)
        small.parent.mkdir(parents=True, exist_ok=True)
        export_pair(
            codec, job.source, small, job.output, bicubic=bicubic, options=replace(options, progress=report.part)
        )
        return {}

    work_through(pairs, run, BatchOptions(), prints=False)
    typer.echo(f"{low}, {high}: {len(pairs.jobs)} pairs")
