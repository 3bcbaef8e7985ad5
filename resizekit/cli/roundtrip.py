"""`resizekit roundtrip`."""

from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.options import (
    CompressionName,
    Device,
    Json,
    MaxSide,
    Overwrite,
    Precision,
    Scale,
    Size,
    TaskName,
    Tile,
    Times,
    ValueRangeText,
    WeightsName,
    read_tile,
    read_value_range,
    read_wanted,
    read_weights,
)

__all__ = ["roundtrip"]


def roundtrip(
    picture: Annotated[Path, typer.Argument(metavar="IN", help="A picture.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures.", show_default="IN-roundtrip")] = None,
    weights: WeightsName = None,
    task: TaskName = None,
    size: Size = None,
    scale: Scale = None,
    max_side: MaxSide = None,
    times: Times = None,
    compression: CompressionName = None,
    value_range: ValueRangeText = None,
    tile: Tile = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Take a picture down and up; write small, restored and a side-by-side picture, and print how good they are."""
    from rich.console import Console
    from rich.table import Table

    from resizekit.cli.jobs import work_through
    from resizekit.cli.output import echo_json
    from resizekit.images.io.find import MADE
    from resizekit.showcase.roundtrip import RoundtripMetrics, roundtrip_file

    side, (chosen, of_task), values = read_tile(tile), read_weights(weights, task), read_value_range(value_range)
    wanted = read_wanted(size, scale, max_side)
    folder = out or picture.parent / f"{picture.stem}{MADE}"
    results: list[RoundtripMetrics] = []
    work_through(
        [(picture, folder)],
        lambda source, target, progress: results.append(
            roundtrip_file(
                source,
                target,
                weights=chosen,
                task=of_task,
                compression=compression,
                value_range=values,
                wanted=wanted,
                times=times,
                tile=side,
                device=device,
                precision=precision,
                overwrite=overwrite,
                progress=progress,
            )
        ),
    )
    figures = results[0]
    if as_json:
        echo_json(figures.as_dict())
        return
    table = Table("", figures.weights, figures.plain, box=None, header_style="bold")
    for name, ours, theirs in figures.rows():
        table.add_row(name, ours, theirs)
    console = Console(markup=False, emoji=False)
    console.print(table)
    console.print(f"pictures: {folder}", highlight=False, soft_wrap=True)
