"""`resizekit evaluate`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resizekit.cli.options import (
    CompressionName,
    Device,
    Json,
    Precision,
    TaskName,
    ValueRangeText,
    WeightsName,
    read_times,
    read_value_range,
    read_weights,
)
from resizekit.errors import UsageError

if TYPE_CHECKING:
    from resizekit.evaluation.folder import SetMetrics

__all__ = ["evaluate"]

_OF_FOLDERS = {"folders", "weights", "task", "compression", "value_range", "times", "self_ensemble"}
_OF_SUITES = {
    "data", "out", "weights_from", "sets", "columns", "border", "ssim", "jobs", "as_csv", "timings", "timings_size",
}  # fmt: skip


def evaluate(
    context: typer.Context,
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FOLDER", help="Sets of pictures, a row for each.", show_default=False),
    ] = None,
    weights: WeightsName = None,
    task: TaskName = None,
    compression: CompressionName = None,
    value_range: ValueRangeText = None,
    times: Annotated[
        str | None,
        typer.Option(
            metavar="N,N...",
            help="Apply the networks so often, a row for each: weights by 2 make x2, x4 and x8 of 1,2,3.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    precision: Precision = "float32",
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Only so many pictures a set, evenly spread.", show_default=False),
    ] = None,
    self_ensemble: Annotated[
        bool,
        typer.Option(
            "--self-ensemble", help="Restore eight ways and average: helps decoders of bicubic pictures only."
        ),
    ] = False,
    suite: Annotated[
        str | None,
        typer.Option(help="An installed suite instead: all its columns on all its sets.", show_default=False),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Suite: the folder that the sets lie in.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="RESULTS.json", help="Suite: file of the results; its cache lies beside it.", show_default=False
        ),
    ] = None,
    weights_from: Annotated[
        Path | None,
        typer.Option(
            help="Suite: a folder of trainings of your own, as COLUMN/weights.safetensors.", show_default=False
        ),
    ] = None,
    sets: Annotated[str | None, typer.Option(help="Suite: only these, as Set5,Set14.", show_default=False)] = None,
    columns: Annotated[
        str | None, typer.Option(help="Suite: only these, by their keys in the results.", show_default=False)
    ] = None,
    border: Annotated[
        str, typer.Option(help="Suite: pixels left out on each side; factor: so many of Y, none of RGB.")
    ] = "factor",
    ssim: Annotated[bool, typer.Option("--ssim/--no-ssim", help="Suite: measure SSIM too.")] = True,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Suite: so many pictures at once.")] = 1,
    as_csv: Annotated[bool, typer.Option("--csv", help="Suite: write a CSV beside the results too.")] = False,
    timings: Annotated[bool, typer.Option("--timings", help="Suite: time the way up to one large picture.")] = False,
    timings_size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Suite: how large it is, if not as printed.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure weights on folders of pictures: PSNR of high and low, RGB and Y, beside bicubic down and up.

    With --suite, measure all columns of a suite on its sets instead, each picture once: the same command goes on after
    an interruption, and takes seconds when all is done.
    """
    _check_options(context)
    if suite is not None:
        from resizekit.cli.suite import evaluate_suite

        evaluate_suite(
            suite,
            data=data,
            out=out,
            runs=weights_from,
            sets=sets,
            columns=columns,
            border=border,
            ssim=ssim,
            jobs=jobs,
            limit=limit,
            as_csv=as_csv,
            timings=timings,
            timings_size=timings_size,
            device=device,
            precision=precision,
            as_json=as_json,
        )
        return
    if not folders:
        raise UsageError("which pictures? Name folders of them, or a --suite")
    _evaluate_folders(
        folders,
        weights=weights,
        task=task,
        compression=compression,
        value_range=value_range,
        times=times,
        device=device,
        precision=precision,
        limit=limit,
        self_ensemble=self_ensemble,
        as_json=as_json,
    )


def _evaluate_folders(
    folders: list[Path],
    *,
    weights: str | None,
    task: str | None,
    compression: str | None,
    value_range: str | None,
    times: str | None,
    device: str,
    precision: str,
    limit: int | None,
    self_ensemble: bool,
    as_json: bool,
) -> None:
    """Measure one pair of networks on folders, and show the means."""
    from rich.console import Console
    from rich.table import Table

    from resizekit.cli.output import echo_json
    from resizekit.cli.progress import counted
    from resizekit.evaluation.folder import SetMetrics, evaluate_depths
    from resizekit.evaluation.measure import baseline_name
    from resizekit.images.selection import choose_codec, repeated

    depths, (chosen, of_task), declared = read_times(times), read_weights(weights, task), read_value_range(value_range)
    codec = choose_codec(weights=chosen, task=of_task, compression=compression, device=device, precision=precision)
    if self_ensemble:
        codec = codec.replace(self_ensemble=True)
    factors = {n: repeated(codec, n).spec.short for n in depths or (codec.times,)}
    errors = Console(stderr=True)
    sets: list[tuple[int, SetMetrics]] = []
    for folder in folders:
        with counted(errors, folder.name, 1) as count:
            measured = evaluate_depths(
                codec, folder, tuple(factors), limit=limit, value_range=declared, progress=count.part
            )
        lines = [f"{factors[n]}: {told}" for n, told in measured.items() if not isinstance(told, SetMetrics)]
        rows = [(n, told) for n, told in measured.items() if isinstance(told, SetMetrics)]
        for line in dict.fromkeys([line for _, told in rows for line in told.skipped] + lines):
            typer.echo(f"warning: left out: {line}", err=True)
        sets += rows
    if as_json:
        told = [s.as_dict() | ({"times": n, "factor": factors[n]} | gains(s.mean) if depths else {}) for n, s in sets]
        echo_json({"weights": codec.info.weights, "self_ensemble": self_ensemble, "sets": told})
        return
    columns = ["high Y", "low Y", "bicubic Y"] if codec.channels == 1 else [
        "high RGB", "high Y", "low RGB", "low Y", "bicubic RGB", "bicubic Y",
    ]  # fmt: skip
    cube = codec.channels not in (1, 3)
    columns = [name for name in columns if not (cube and name.endswith("Y"))]
    if depths:
        columns += [name.replace("high", "gain") for name in columns if name.startswith("high")]
    plain = baseline_name(codec)
    heads = [name.replace("bicubic", plain).removesuffix(" RGB" if cube else "") for name in columns]
    if depths:
        heads = [name.replace(" ", "\n") for name in heads]  # or 80 columns would not do
    table = Table(box=None, header_style="bold", collapse_padding=bool(depths), pad_edge=not depths)
    for head in ("set", *(["factor"] if depths else []), "pictures", *heads):
        table.add_column(head)
    for n, row in sets:
        figures = {**row.mean, **gains(row.mean)}
        values = (figures[name.lower().replace(" ", "_")] for name in columns)
        where = [row.name, factors[n]] if depths else [row.name]
        table.add_row(*where, str(row.pictures), *(f"{value:.2f}" for value in values))
    console = Console(markup=False, emoji=False)
    console.print(table)
    against = plain if plain == "bicubic" else f"its {plain}"
    console.print(
        f"mean PSNR in dB of {codec.info.weights}{'+' * self_ensemble}: high against the original, low against {against}; "
        + ("over all channels" if cube else "RGB without border, Y with a border of the factor")
        + (f", gain is high over {plain}" if depths else ""),
        highlight=False,
    )
    for line in _equal([row for _, row in sets], list(zip(columns, heads, strict=True))):
        console.print(line, highlight=False)


def _equal(sets: "list[SetMetrics]", columns: list[tuple[str, str]]) -> Iterator[str]:
    """Tell which means leave out pictures, since nothing differs there."""
    for row in sets:
        of: dict[int, list[str]] = {}
        for name, head in columns:
            if n := row.equal.get(name.lower().replace(" ", "_")):
                of.setdefault(n, []).append(head.replace("\n", " "))
        for n, heads in of.items():
            whose = "all" if n == row.pictures else f"{n} of {row.pictures}"
            rest = "" if n == row.pictures else ", left out of the mean"
            yield f"{row.name}, {' and '.join(heads)}: no difference (inf) in {whose} pictures{rest}"


def _check_options(context: typer.Context) -> None:
    """Refuse what only a suite has without one, and what it decides itself with one."""
    with_suite = context.params["suite"] is not None
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is None or source.name != "COMMANDLINE":
            continue
        option = "FOLDER" if parameter.name == "folders" else parameter.opts[0]
        if with_suite and parameter.name in _OF_FOLDERS:
            raise UsageError(f"--suite says itself what is measured: leave out {option}")
        if not with_suite and parameter.name in _OF_SUITES:
            raise UsageError(f"{option} belongs to a --suite, and none is named")


def gains(mean: Mapping[str, float]) -> dict[str, float]:
    """How much better than bicubic high is restored."""
    return {
        f"gain_{kind}": mean[f"high_{kind}"] - mean[f"bicubic_{kind}"]
        for kind in ("rgb", "y")
        if f"high_{kind}" in mean
    }
