"""`resizekit compare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resizekit.cli.options import (
    TASK,
    Device,
    EffortLevel,
    Json,
    Overwrite,
    Precision,
    Tile,
    read_tile,
    read_weights,
)
from resizekit.cli.output import echo_json, print_wide

if TYPE_CHECKING:
    from resizekit.evaluation.compare import Comparison

__all__ = ["compare"]


def compare(
    sources: Annotated[list[Path], typer.Argument(metavar="IN", help="Pictures, folders or patterns.")],
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="Installed weights, or a .safetensors file; can be repeated.",
            show_default=f"the lossy weights of the task {TASK}",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the curves into this .svg or .png file.", show_default=False)
    ] = None,
    perceptual: Annotated[
        bool, typer.Option("--perceptual", help="Measure SSIMULACRA2 too; needs the extra `rate`, and takes longer.")
    ] = False,
    effort: EffortLevel = 0,
    tile: Tile = "auto",
    device: Device = "auto",
    precision: Precision = "float32",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Compare small pictures with JPEG, WebP and AVIF at equal bytes."""
    from rich.console import Console

    from resizekit.cli.progress import counted
    from resizekit.evaluation.compare import Comparison, lossy_weights
    from resizekit.evaluation.compare import compare as measure
    from resizekit.evaluation.perceptual import check_ssimulacra2, ssimulacra2
    from resizekit.evaluation.plot import check_plot
    from resizekit.images.selection import choose_codec
    from resizekit.pictures.io.find import find_pictures

    if plot is not None:
        check_plot(plot, overwrite=overwrite)
    if perceptual:
        check_ssimulacra2()
    paths = list(find_pictures(sources))
    codecs = {
        name: choose_codec(weights=read_weights(name, None)[0], device=device, precision=precision)
        for name in weights or lossy_weights(TASK)
    }
    score = ssimulacra2 if perceptual else None
    found = []
    with counted(Console(stderr=True), "pictures", len(paths)) as count:
        for result in measure(paths, codecs, effort=effort, tile=read_tile(tile), perceptual=score):
            found.append(result)
            count.finish()
    comparison = Comparison(tuple(name for name, _ in found), tuple(curves for _, curves in found))
    if plot is not None:
        _plot(comparison, plot, overwrite)
    if as_json:
        echo_json(comparison.as_dict())
        return
    for metric in comparison.metrics:
        _print(comparison, metric)


def _print(comparison: "Comparison", metric: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from resizekit.evaluation.compare import ANCHOR, METRICS, RATES

    table = Table(title=f"{METRICS[metric]} at bits per pixel of the original", title_justify="left")
    table.add_column("method")
    for rate in RATES:
        table.add_column(f"{rate:g}", justify="right")
    table.add_column(f"BD-rate to {ANCHOR}", justify="right")
    for row in comparison.rows(metric):
        name = row.name if row.single is None else f"{row.name} ({row.single[1]:.2f} at {row.single[0]:.2f})"
        cells = ["" if value is None else f"{value:.2f}" for value in row.values]
        table.add_row(name, *cells, "" if row.bd_rate is None else f"{row.bd_rate:+.0f} %")
    print_wide(Console(), table)


def _plot(comparison: "Comparison", path: Path, overwrite: bool) -> None:
    from resizekit.evaluation.plot import plot_file

    with plot_file(path, overwrite=overwrite) as figure:
        axes = figure.subplots()
        for curve in comparison.means:
            style = {"full": "--", "bicubic": ":", "small": "-"}[curve.kind]
            points = sorted(curve.points)
            axes.plot([p.bpp for p in points], [p.rgb for p in points], style, marker=".", label=curve.name)
        axes.set(xscale="log", xlabel="bits per pixel of the original", ylabel="PSNR of RGB in dB")
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
