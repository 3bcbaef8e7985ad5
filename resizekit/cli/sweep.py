"""`resizekit sweep`."""

import math
from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.options import Device, Json
from resizekit.errors import UsageError

__all__ = ["sweep"]


def sweep(
    config: Annotated[Path, typer.Argument(help="A TOML config, trained once for each guide weight.")],
    out: Annotated[Path, typer.Option(help="File of the results; gone on with if it holds some.")],
    sets: Annotated[list[Path], typer.Option(help="Folders of pictures to measure on.")],
    guide_weight: Annotated[
        str, typer.Option(help="Guide weights, with commas between them.")
    ] = "0,0.001,0.01,0.1,1,10,100",
    data: Annotated[list[Path] | None, typer.Option(help="Folders of pictures, instead of the config's.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of each, instead of the config's.")] = None,
    budget: Annotated[str | None, typer.Option(help='Time for each, such as "20 min", instead of steps.')] = None,
    compression: Annotated[str, typer.Option(help="How low is stored, instead of the config's.")] = "none",
    plot: Annotated[
        Path | None, typer.Option(help="Draw the curves too: a .png or .svg file.", show_default=False)
    ] = None,
    device: Device = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a plot that exists.")] = False,
    as_json: Json = False,
) -> None:
    """Train once for each guide weight, and show what restored and small picture gain and lose by it."""
    from rich.console import Console
    from rich.table import Table

    from resizekit.cli.output import echo_json
    from resizekit.cli.progress import training_progress
    from resizekit.evaluation.plot import check_plot
    from resizekit.evaluation.tradeoff import draw_tradeoff
    from resizekit.recipes.config import apply_overrides, read_toml
    from resizekit.training.sweep import Sweep

    if steps is not None and budget is not None:
        raise UsageError("--steps and --budget contradict one another; say one of them")
    weights = _read_weights(guide_weight)
    if plot is not None:
        check_plot(plot, overwrite=overwrite)
    run = read_toml(config)
    if steps is not None:  # a number said here comes before a time in the file
        run = run.model_copy(update={"train": run.train.model_copy(update={"budget": None})})
    told = Sweep(
        apply_overrides(run, {"data": data, "steps": steps, "budget": budget}), sets, out, compression=compression
    )
    console = Console(stderr=True, markup=False, emoji=False)
    for i, weight in enumerate(weights, start=1):
        if weight not in told.points:
            console.print(f"guide weight {weight:g} ({i} of {len(weights)})", highlight=False)
        with training_progress(console) as progress:
            whole = told.add(weight, device=device, progress=progress)
        if not whole:
            console.print("stopped; the same command goes on", highlight=False)
            raise typer.Exit(130)
    points = told.in_order()
    if plot is not None:
        draw_tradeoff(points, plot, folder=out.parent, overwrite=overwrite)
    if as_json:
        echo_json(told.as_dict())
        return
    table = Table("guide weight", "high", "low", box=None, header_style="bold")
    for point in points:
        table.add_row(f"{point.guide_weight:g}", f"{point.high:.2f}", f"{point.low:.2f}")
    shown = Console(markup=False, emoji=False)
    shown.print(table)
    words = "mean PSNR in dB: high against the original, low against bicubic, or its guide where the channels change; "
    shown.print(f"{words}compression {compression}, {points[0].steps} steps each", highlight=False, soft_wrap=True)


def _read_weights(text: str) -> list[float]:
    """Read --guide-weight; a `UsageError` for what is no list of weights, each once."""
    try:
        weights = [float(part) for part in text.split(",")]
    except ValueError:
        weights = [math.nan]
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or len(set(weights)) < len(weights):
        raise UsageError(f"--guide-weight {text!r}: say numbers of at least 0, each once, as in 0,0.01,0.1,1")
    return weights
