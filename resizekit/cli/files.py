"""`resizekit down` and `resizekit up`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.jobs import pair_up, work_through
from resizekit.cli.options import (
    BitsPerPixel,
    CompressionName,
    Device,
    EffortLevel,
    Json,
    MaxBytesCount,
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
    read_max_bytes,
    read_run_options,
    read_target,
    read_value_range,
    read_weights,
)
from resizekit.cli.output import echo_json
from resizekit.cli.plans import plan_row, plan_text
from resizekit.cli.progress import Count

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
    plan: Annotated[bool, typer.Option("--plan", help="Dry run: print the sizes and steps only.")] = False,
    times: Times = None,
    compression: CompressionName = None,
    value_range: ValueRangeText = None,
    effort: EffortLevel = 0,
    target_low_psnr: TargetLowPsnr = None,
    smaller: Smaller = False,
    max_bytes: MaxBytesCount = None,
    bpp: BitsPerPixel = None,
    tile: Tile = "auto",
    device: Device = "auto",
    precision: Precision = "float32",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Make pictures small. Small files are PNG, or in the format of the compression; `up` restores the pictures."""
    from resizekit.images.files import down_file, plan_file
    from resizekit.images.selection import default_suffix

    options = read_run_options(tile, device, precision, overwrite)
    (chosen, of_task), declared_range = read_weights(weights, task), read_value_range(value_range)
    target, level = read_target(size, scale, max_side, times), read_effort(effort, target_low_psnr, smaller)
    limit = read_max_bytes(max_bytes, bpp)
    rows: list[dict[str, object]] = []

    def run(source: Path, small: Path, count: Count) -> None:
        manifest = down_file(
            source,
            small,
            weights=chosen,
            task=of_task,
            compression=compression,
            target=target,
            value_range=declared_range,
            effort=level,
            max_bytes=limit,
            options=replace(options, progress=count.part, on_gain=count.gain),
        )
        fields = manifest.model_dump(mode="json", exclude_none=True)
        row: dict[str, object] = {"in": str(source), "out": str(small), "manifest": fields}
        if level.level:
            row["effort_gain"] = count.gained
            typer.echo(f"{source}: restored {count.gained:+.2f} dB by effort {level.level}", err=True)
        if limit is not None:
            from resizekit.evaluation.full_size import against_full_size  # most commands need no evaluation

            compared = against_full_size(
                source,
                small,
                weights=chosen,
                value_range=declared_range,
                tile=options.tile,
                device=device,
                precision=precision,
            )
            if compared is not None:
                row["full_size"] = compared.as_dict()
                for line in compared.lines():
                    typer.echo(f"{source}: {line}", err=True)
        rows.append(row)

    def dry_run(source: Path, small: Path, count: Count) -> None:
        resize, name = plan_file(
            source,
            weights=chosen,
            task=of_task,
            compression=compression,
            target=target,
            value_range=declared_range,
            suffix=small.suffix,
            has_quality=limit is not None,
        )
        rows.append(plan_row(source, resize, name) if as_json else {"out": plan_text(source, resize, name)})

    def suffix(_: Path) -> str:
        return default_suffix(weights=chosen, task=of_task, compression=compression, has_quality=limit is not None)

    _run_jobs(sources, out, suffix, dry_run if plan else run, rows, as_json, writes=not plan)


def up(
    sources: Sources,
    out: Out,
    weights: Annotated[
        str | None,
        typer.Option(
            help="The .safetensors file that made the small picture. Needed only if its weights are not installed.",
            show_default=False,
        ),
    ] = None,
    tile: Tile = "auto",
    device: Device = "auto",
    precision: Precision = "float32",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Restore pictures from their small files. In a folder, they become PNG files (cubes and float32: .npy)."""
    from resizekit.images.files import up_file
    from resizekit.images.small_files import restored_suffix

    options = read_run_options(tile, device, precision, overwrite)
    chosen = None if weights is None else read_weights(weights, None)[0]
    rows: list[dict[str, object]] = []

    def run(source: Path, restored: Path, count: Count) -> None:
        manifest = up_file(source, restored, weights=chosen, options=replace(options, progress=count.part))
        row: dict[str, object] = {"in": str(source), "out": str(restored), "size": list(manifest.size)}
        rows.append(row | {"precision": options.resolved_precision})

    _run_jobs(sources, out, restored_suffix, run, rows, as_json)


def _run_jobs(
    sources: list[Path],
    out: Path,
    suffix: Callable[[Path], str],
    run: Callable[[Path, Path, Count], None],
    rows: list[dict[str, object]],
    as_json: bool,
    *,
    writes: bool = True,
) -> None:
    """Work through all sources, and print the rows of those that succeeded."""
    try:
        work_through(pair_up(sources, out, suffix), run, inside=out if writes else None)
    finally:
        if as_json:
            echo_json(rows)
        else:
            for row in rows:
                typer.echo(row["out"])
