"""`resizekit pyramid`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.options import (
    CompressionName,
    Device,
    EffortLevel,
    FrameNumber,
    Json,
    Overwrite,
    Precision,
    Smaller,
    TargetLowPsnr,
    TaskName,
    Tile,
    WeightsName,
    read_effort,
    read_run_options,
    read_weights,
)
from resizekit.cli.output import echo_json
from resizekit.cli.progress import Count, counted

__all__ = ["pyramid"]


def pyramid(
    picture: Annotated[Path, typer.Argument(metavar="IN", help="A picture.")],
    out: Annotated[Path, typer.Argument(help="Folder for the pictures.")],
    weights: WeightsName = None,
    task: TaskName = None,
    times: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum number of steps; with x2 weights, 3 gives x2, x4 and x8.  [default: 7]"),
    ] = None,
    compression: CompressionName = None,
    frame: FrameNumber = None,
    effort: EffortLevel = 0,
    target_low_psnr: TargetLowPsnr = None,
    smaller: Smaller = False,
    tile: Tile = "auto",
    device: Device = "auto",
    precision: Precision = "float32",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Downscale and restore a picture at x2, x4, x8, ...; write all pictures and an overview, and print the PSNR."""
    from rich.console import Console
    from rich.table import Table

    from resizekit.showcase.pyramid import Pyramid, pyramid_file

    options = read_run_options(tile, device, precision, overwrite)
    chosen, of_task = read_weights(weights, task)
    level = read_effort(effort, target_low_psnr, smaller)
    results: list[Pyramid] = []

    def run(source: Path, folder: Path, count: Count) -> None:
        result = pyramid_file(
            source,
            folder,
            weights=chosen,
            task=of_task,
            compression=compression,
            times=times,
            frame=frame,
            effort=level,
            options=replace(options, progress=count.part, on_gain=count.gain),
        )
        results.append(result)

    with counted(Console(stderr=True), "", 1) as count:
        count.begin(picture.name)
        run(picture, out, count)
    result = results[0]
    if as_json:
        echo_json(result.as_dict())
        return
    heads = "restored RGB", "Y", "bicubic RGB", "Y", "small RGB", "Y"
    table = Table("factor", "small", *heads, box=None, header_style="bold")
    for depth in result.depths:
        table.add_row(*depth.row())
    console = Console(markup=False, emoji=False)
    console.print(table)
    width, height = result.size
    for line in (
        f"PSNR in dB of {result.weights}: restored and bicubic against the original, small against bicubic's",
        f"precision: {result.precision}, effort: {result.effort}",
        f"the largest that works for {width}x{height} pixels: {result.largest_factor} (--times {result.largest})",
        f"pictures: {out}",
    ):
        console.print(line, highlight=False, soft_wrap=True)
