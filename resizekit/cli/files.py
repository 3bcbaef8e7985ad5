"""`resizekit down` and `resizekit up`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.jobs import pair_up, work_through
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
from resizekit.cli.output import echo_json
from resizekit.cli.plans import plan_row, plan_text

__all__ = ["down", "up"]

Sources = Annotated[list[Path], typer.Argument(metavar="IN", help="Pictures, folders or patterns.")]
Out = Annotated[Path, typer.Argument(help="A file for one picture, a folder for several.")]


def down(
    sources: Sources,
    out: Out,
    weights: WeightsName = None,
    task: TaskName = None,
    size: Size = None,
    scale: Scale = None,
    max_side: MaxSide = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be done to the sizes, and do nothing.")] = False,
    times: Times = None,
    compression: CompressionName = None,
    value_range: ValueRangeText = None,
    tile: Tile = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Make pictures small: ordinary PNG files, or what else the weights store, that know how to be restored."""
    from resizekit.images.files import down_file, plan_file
    from resizekit.images.selection import choose_storage

    side, (chosen, of_task), values = read_tile(tile), read_weights(weights, task), read_value_range(value_range)
    wanted = read_wanted(size, scale, max_side)
    rows: list[dict[str, object]] = []

    def run(source: Path, target: Path, progress: Callable[[int, int], None]) -> None:
        manifest = down_file(
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
        rows.append(
            {"in": str(source), "out": str(target), "manifest": manifest.model_dump(mode="json", exclude_none=True)}
        )

    def tell(source: Path, target: Path, progress: Callable[[int, int], None]) -> None:
        route, name = plan_file(
            source,
            weights=chosen,
            task=of_task,
            compression=compression,
            value_range=values,
            wanted=wanted,
            times=times,
        )
        rows.append(plan_row(source, route, name) if as_json else {"out": plan_text(source, route, name)})

    def suffix(_: Path) -> str:
        return choose_storage(weights=chosen, task=of_task, compression=compression).suffixes[0]

    _work(sources, out, suffix, tell if plan else run, rows, as_json, writes=not plan)


def up(
    sources: Sources,
    out: Out,
    weights: Annotated[
        str | None,
        typer.Option(
            help="The .safetensors file of weights of your own; installed ones are found.", show_default=False
        ),
    ] = None,
    tile: Tile = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Restore pictures from their small files alone, as PNG where no name says otherwise, cubes and floats as .npy."""
    from resizekit.images.files import suffix_of_restored, up_file

    side = read_tile(tile)
    chosen = None if weights is None else read_weights(weights, None)[0]
    rows: list[dict[str, object]] = []

    def run(source: Path, target: Path, progress: Callable[[int, int], None]) -> None:
        manifest = up_file(
            source,
            target,
            weights=chosen,
            tile=side,
            device=device,
            precision=precision,
            overwrite=overwrite,
            progress=progress,
        )
        rows.append({"in": str(source), "out": str(target), "size": list(manifest.size)})

    _work(sources, out, suffix_of_restored, run, rows, as_json)


def _work(
    sources: list[Path],
    out: Path,
    suffix: Callable[[Path], str],
    run: Callable[[Path, Path, Callable[[int, int], None]], None],
    rows: list[dict[str, object]],
    as_json: bool,
    *,
    writes: bool = True,
) -> None:
    try:
        work_through(pair_up(sources, out, suffix), run, inside=out if writes else None)
    finally:
        if as_json:
            echo_json(rows)
        else:
            for row in rows:
                typer.echo(row["out"])
