"""`resizekit roundtrip`."""

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
    MaxSide,
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
    read_run_options,
    read_target,
    read_value_range,
    read_weights,
)
from resizekit.cli.output import echo_json, error_text
from resizekit.cli.progress import Count, counted

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
    """Downscale and restore a picture; write the small, restored and side-by-side pictures, and print the PSNR."""
    from rich.console import Console
    from rich.table import Table

    from resizekit.images.advice import Advice
    from resizekit.pictures.io.find import ROUNDTRIP_SUFFIX
    from resizekit.showcase.roundtrip import RoundtripMetrics, roundtrip_file

    options = read_run_options(tile, device, precision, overwrite)
    (chosen, of_task), declared_range = read_weights(weights, task), read_value_range(value_range)
    target, level = read_target(size, scale, max_side, times), read_effort(effort, target_low_psnr, smaller)
    folder = out or picture.parent / f"{picture.stem}{ROUNDTRIP_SUFFIX}"
    results: list[tuple[RoundtripMetrics, float]] = []
    advice: list[Advice] = []

    def run(source: Path, folder: Path, count: Count) -> None:
        metrics = roundtrip_file(
            source,
            folder,
            weights=chosen,
            task=of_task,
            compression=compression,
            target=target,
            value_range=declared_range,
            frame=frame,
            effort=level,
            options=replace(options, progress=count.part, on_gain=count.gain, on_advice=advice.append),
        )
        results.append((metrics, count.gained))

    with counted(Console(stderr=True), "", 1) as count:
        count.begin(picture.name)
        run(picture, folder, count)
    metrics, gain = results[0]
    if as_json:
        kinds = {"advice": [reason.kind for reason in advice]} if advice else {}
        echo_json(metrics.as_dict() | ({"effort_gain": gain} if effort else {}) | kinds)
        return
    table = Table("", metrics.weights, metrics.baseline, box=None, header_style="bold")
    for row in metrics.rows():
        table.add_row(*row)
    console = Console(markup=False, emoji=False)
    console.print(table)
    gained = f" (restored {gain:+.2f} dB)" if effort else ""
    console.print(f"precision: {metrics.precision}, effort: {metrics.effort}{gained}", highlight=False)
    console.print(f"pictures: {folder}", highlight=False, soft_wrap=True)
    for reason in advice:
        typer.echo(f"note: {error_text(reason.text)}", err=True)
