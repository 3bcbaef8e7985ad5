"""`resizekit export-pairs`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.options import (
    CompressionName,
    Device,
    Overwrite,
    Precision,
    TaskName,
    Tile,
    WeightsName,
    read_tile,
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
        bool, typer.Option("--bicubic", help="Small pictures by bicubic instead, with the factors of the weights.")
    ] = False,
    compression: CompressionName = None,
    tile: Tile = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Write pairs of small and large PNG files, under the same names, to train other networks on."""
    from resizekit.cli.jobs import pair_up, work_through
    from resizekit.images.selection import choose_codec
    from resizekit.showcase.export_pairs import export_pair

    side, (chosen, of_task) = read_tile(tile), read_weights(weights, task)
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: name one that holds pictures")
    if out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{out} lies in {folder} itself, where its pictures would be taken for more: name another")
    high, low = out / "high", out / "low"
    jobs = pair_up([folder], high, lambda _: ".png")
    codec = choose_codec(weights=chosen, task=of_task, compression=compression, device=device, precision=precision)

    def run(source: Path, target: Path, progress: Callable[[int, int], None]) -> None:
        small = low / target.relative_to(high)
        small.parent.mkdir(parents=True, exist_ok=True)
        export_pair(codec, source, small, target, bicubic=bicubic, tile=side, overwrite=overwrite, progress=progress)

    work_through(jobs, run, inside=high)
    typer.echo(f"{low}, {high}: {len(jobs)} pairs")
