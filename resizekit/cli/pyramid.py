"""`resizekit pyramid`."""

from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.options import (
    CompressionName,
    Device,
    Json,
    Overwrite,
    Precision,
    TaskName,
    Tile,
    WeightsName,
    read_tile,
    read_weights,
)

__all__ = ["pyramid"]


def pyramid(
    picture: Annotated[Path, typer.Argument(metavar="IN", help="A picture.")],
    out: Annotated[Path, typer.Argument(help="Folder for the pictures.")],
    weights: WeightsName = None,
    task: TaskName = None,
    times: Annotated[
        int | None,
        typer.Option(min=1, help="Go so deep at most: 3 makes x2, x4 and x8 by weights by 2.  [default: 7]"),
    ] = None,
    compression: CompressionName = None,
    tile: Tile = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Take a picture down and up at every depth, x2, x4, x8 ...; write all pictures and a sheet, print how good."""
    from rich.console import Console
    from rich.table import Table

    from resizekit.cli.jobs import work_through
    from resizekit.cli.output import echo_json
    from resizekit.showcase.pyramid import Pyramid, pyramid_file

    side, (chosen, of_task) = read_tile(tile), read_weights(weights, task)
    results: list[Pyramid] = []
    work_through(
        [(picture, out)],
        lambda source, target, progress: results.append(
            pyramid_file(
                source,
                target,
                weights=chosen,
                task=of_task,
                times=times,
                compression=compression,
                tile=side,
                device=device,
                precision=precision,
                overwrite=overwrite,
                progress=progress,
            )
        ),
    )
    told = results[0]
    if as_json:
        echo_json(told.as_dict())
        return
    heads = "restored RGB", "Y", "bicubic RGB", "Y", "small RGB", "Y"
    table = Table("factor", "small", *heads, box=None, header_style="bold")
    for depth in told.depths:
        table.add_row(*depth.row())
    console = Console(markup=False, emoji=False)
    console.print(table)
    width, height = told.size
    for line in (
        f"PSNR in dB of {told.weights}: restored and bicubic down and up against the original, small against bicubic's",
        f"the largest that works for {width}x{height} pixels: {told.largest_factor} (--times {told.largest})",
        f"pictures: {out}",
    ):
        console.print(line, highlight=False, soft_wrap=True)
