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
    from resizekit.images.io.find import find_pictures
    from resizekit.images.selection import choose_codec

    if plot is not None:
        check_plot(plot, overwrite=overwrite)
    if perceptual:
        check_ssimulacra2()
    paths = list(find_pictures(sources))
    names = weights or lossy_weights(TASK)
    chosen = [read_weights(name, None)[0] for name in names]
    codecs = [choose_codec(weights=one, device=device, precision=precision) for one in chosen]
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
    metrics = {"rgb": "PSNR of RGB in dB", "y": "PSNR of luma (0 to 255) in dB"}
    for metric, title in (metrics | ({"perceptual": "SSIMULACRA2"} if perceptual else {})).items():
        _print(comparison, metric, title)


def _print(comparison: "Comparison", metric: str, title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from resizekit.evaluation.compare import RATES

    names = [curve.name for curve in comparison.means]
    anchor = names.index("AVIF")
    table = Table(title=f"{title} at bits per pixel of the original", title_justify="left")
    table.add_column("method")
    for rate in RATES:
        table.add_column(f"{rate:g}", justify="right")
    table.add_column("BD-rate to AVIF", justify="right")
    for method, name in enumerate(names):
        values = [comparison.mean_at(method, rate, metric) for rate in RATES]
        points = comparison.means[method].points
        if len(points) == 1 and getattr(points[0], metric) is not None:
            name = f"{name} ({getattr(points[0], metric):.2f} at {points[0].bpp:.2f})"
        difference = None if method == anchor else comparison.mean_bd_rate(method, anchor, metric)
        cells = ["" if value is None else f"{value:.2f}" for value in values]
        table.add_row(name, *cells, "" if difference is None else f"{difference:+.0f} %")
    print_wide(Console(), table)


def _plot(comparison: "Comparison", path: Path, overwrite: bool) -> None:
    from resizekit.evaluation.plot import plot_file

    with plot_file(path, overwrite=overwrite) as figure:
        axes = figure.subplots()
        for curve in comparison.means:
            ordinary = curve.name.startswith(("JPEG", "WebP", "AVIF"))
            style = ":" if curve.name.startswith("bicubic") else "--" if ordinary else "-"
            points = sorted(curve.points)
            axes.plot([p.bpp for p in points], [p.rgb for p in points], style, marker=".", label=curve.name)
        axes.set(xscale="log", xlabel="bits per pixel of the original", ylabel="PSNR of RGB in dB")
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
