"""The command `resizekit sweep`."""

import math
from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.options import Device, Json
from resizekit.errors import UsageError

__all__ = ["sweep"]


def sweep(
    config: Annotated[Path, typer.Argument(help="TOML config; it is trained once for each guide weight.")],
    out: Annotated[Path, typer.Option(help="JSON file of the results. Guide weights that it contains are reused.")],
    sets: Annotated[list[Path], typer.Option(help="Folder of pictures to measure on. Can be repeated.")],
    guide_weight: Annotated[
        str, typer.Option(help="Guide weights, separated by commas.")
    ] = "0,0.001,0.01,0.1,1,10,100",
    data: Annotated[
        list[Path] | None, typer.Option(help="Folder of training pictures; replaces the config's. Can be repeated.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Number of steps of each training; replaces the config's.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help='Duration of each training, such as "20 min", instead of a number of steps.')
    ] = None,
    compression: Annotated[
        str, typer.Option(help="Compression of the small pictures; replaces the config's.")
    ] = "none",
    plot: Annotated[
        Path | None, typer.Option(help="Plot the curves to this .png or .svg file.", show_default=False)
    ] = None,
    device: Device = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing plot.")] = False,
    as_json: Json = False,
) -> None:
    """Train once for each guide weight and measure the restored and the small pictures."""
    from rich.console import Console
    from rich.table import Table

    from resizekit.cli.output import echo_json
    from resizekit.cli.progress import training_progress
    from resizekit.evaluation.plot import check_plot
    from resizekit.evaluation.tradeoff import draw_tradeoff
    from resizekit.recipes.config import apply_overrides, read_toml
    from resizekit.training.sweep import Sweep

    if steps is not None and budget is not None:
        raise UsageError("--steps and --budget cannot be combined: pass only one of them")
    weights = _read_weights(guide_weight)
    if plot is not None:
        check_plot(plot, overwrite=overwrite)
    run = read_toml(config)
    if steps is not None:  # takes precedence over a budget in the config
        run = run.model_copy(update={"train": run.train.model_copy(update={"budget": None})})
    run = apply_overrides(run, {"data": data, "steps": steps, "budget": budget})
    results = Sweep(run, sets, out, compression=compression)
    console = Console(stderr=True, markup=False, emoji=False)
    for i, weight in enumerate(weights, start=1):
        if weight not in results.points:
            console.print(f"guide weight {weight:g} ({i} of {len(weights)})", highlight=False)
        with training_progress(console) as progress:
            complete = results.add(weight, device=device, progress=progress)
        if not complete:
            console.print("stopped; run the same command again to resume", highlight=False)
            raise typer.Exit(130)
    points = results.in_order()
    if plot is not None:
        draw_tradeoff(points, plot, folder=out.parent, overwrite=overwrite)
    if as_json:
        echo_json(results.as_dict())
        return
    table = Table("guide weight", "high", "low", box=None, header_style="bold")
    for point in points:
        table.add_row(f"{point.guide_weight:g}", f"{point.high:.2f}", f"{point.low:.2f}")
    stdout = Console(markup=False, emoji=False)
    stdout.print(table)
    legend = (
        "mean PSNR in dB: high against the original, low against bicubic, or against its guide if the number of "
        f"channels changes; compression {compression}, {points[0].steps} steps each"
    )
    stdout.print(legend, highlight=False, soft_wrap=True)


def _read_weights(text: str) -> list[float]:
    """Parse --guide-weight.

    Raises:
        UsageError: If the text is not a list of distinct, finite numbers of at least 0.
    """
    try:
        weights = [float(part) for part in text.split(",")]
    except ValueError:
        weights = [math.nan]
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or len(set(weights)) < len(weights):
        raise UsageError(
            f"invalid --guide-weight {text!r}: expected distinct numbers of at least 0, as in 0,0.01,0.1,1"
        )
    return weights
