"""`resizekit evaluate`: the options of both forms, with folders and with --suite."""

from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.options import CompressionName, Device, Json, Precision, TaskName, ValueRangeText, WeightsName
from resizekit.errors import UsageError

__all__ = ["evaluate"]

_FOLDER_OPTIONS = {"folders", "weights", "task", "compression", "value_range", "times", "effort", "self_ensemble"}
_SUITE_OPTIONS = {
    "data", "out", "weights_from", "sets", "columns", "border", "ssim", "jobs", "as_csv", "timings", "timings_size",
}  # fmt: skip


def evaluate(
    context: typer.Context,
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FOLDER", help="Folders of pictures, one row each.", show_default=False),
    ] = None,
    weights: WeightsName = None,
    task: TaskName = None,
    compression: CompressionName = None,
    value_range: ValueRangeText = None,
    times: Annotated[
        str | None,
        typer.Option(
            metavar="N,N...",
            help="How many times to apply the networks, one row each; with x2 weights, 1,2,3 gives x2, x4, x8.",
            show_default=False,
        ),
    ] = None,
    effort: Annotated[
        str | None,
        typer.Option(
            metavar="N,N...",
            help="How long to improve the small pictures, 0 to 4, one row each with its seconds; such as 0,2.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    precision: Precision = "float32",
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Largest number of pictures per set, sampled evenly.", show_default=False),
    ] = None,
    self_ensemble: Annotated[
        bool,
        typer.Option(
            "--self-ensemble",
            help="Average over flips and rotations; helps only decoders that were trained on bicubic pictures.",
        ),
    ] = False,
    suite: Annotated[
        str | None,
        typer.Option(help="Run an installed suite: all its columns on all its sets.", show_default=False),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Suite: the folder that contains the sets.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="RESULTS.json", help="Suite: the results file; its cache is stored next to it.", show_default=False
        ),
    ] = None,
    weights_from: Annotated[
        Path | None,
        typer.Option(help="Suite: a folder with your own runs, as COLUMN/weights.safetensors.", show_default=False),
    ] = None,
    sets: Annotated[
        str | None, typer.Option(help="Suite: only these sets, such as Set5,Set14.", show_default=False)
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="Suite: only these columns, by their keys in the results.", show_default=False)
    ] = None,
    border: Annotated[
        str,
        typer.Option(
            help="Suite: pixels to ignore on each side; 'factor': as many pixels as the factor for Y, none for RGB."
        ),
    ] = "factor",
    ssim: Annotated[bool, typer.Option("--ssim/--no-ssim", help="Suite: measure SSIM too.")] = True,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Suite: number of processes.")] = 1,
    as_csv: Annotated[bool, typer.Option("--csv", help="Suite: also write a CSV file next to the results.")] = False,
    timings: Annotated[
        bool, typer.Option("--timings", help="Suite: also measure the time to restore a large picture.")
    ] = False,
    timings_size: Annotated[
        str | None,
        typer.Option(
            metavar="WxH",
            help="Suite: size of that picture (default: as for the published times).",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure weights on folders of pictures: PSNR of restored and small pictures, with bicubic as the baseline.

    With --suite, measure all columns of a suite on its sets instead. Each picture is measured once: run the same
    command again to continue after an interruption.
    """
    _check_options(context)
    if suite is not None:
        from resizekit.cli.evaluate_suite import SuiteOptions, evaluate_suite

        if data is None or out is None:
            raise UsageError("--suite needs --data FOLDER with the sets, and --out RESULTS.json")
        evaluate_suite(
            SuiteOptions(
                suite=suite,
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
        )
        return
    if not folders:
        raise UsageError("nothing to measure: give folders of pictures, or a --suite")
    from resizekit.cli.evaluate_folders import FolderOptions, evaluate_folders

    evaluate_folders(
        folders,
        FolderOptions(
            weights=weights,
            task=task,
            compression=compression,
            value_range=value_range,
            times=times,
            effort=effort,
            device=device,
            precision=precision,
            limit=limit,
            self_ensemble=self_ensemble,
            as_json=as_json,
        ),
    )


def _check_options(context: typer.Context) -> None:
    """Refuse options of a suite without --suite, and options of folders with --suite."""
    with_suite = context.params["suite"] is not None
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is None or source.name != "COMMANDLINE":
            continue
        option = "FOLDER" if parameter.name == "folders" else parameter.opts[0]
        if with_suite and parameter.name in _FOLDER_OPTIONS:
            raise UsageError(f"--suite defines what is measured: leave out {option}")
        if not with_suite and parameter.name in _SUITE_OPTIONS:
            raise UsageError(f"{option} needs --suite")
