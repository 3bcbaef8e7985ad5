"""`resizekit bench`."""

from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.options import Json, Overwrite
from resizekit.errors import UsageError

__all__ = ["bench"]


def bench(
    results: Annotated[
        Path, typer.Argument(metavar="RESULTS.json", help="Results of `pytest benchmarks --benchmark-json=...`.")
    ],
    plot: Annotated[
        Path | None, typer.Option(help="Also draw a roofline to this .png or .svg file.", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Print the results of the kernel benchmarks: each kernel compared with eager, torch.compile and a plain copy."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from resizekit.benchmarking.timings import RIVALS, Comparison, Implementation, read_timings
    from resizekit.cli.output import echo_json, print_wide

    timings = read_timings(results)
    if plot is not None:
        from resizekit.benchmarking.roofline import draw_roofline

        if plot.exists() and plot.samefile(results):
            raise UsageError(f"{plot} is the input file: choose another output")
        draw_roofline(timings, plot, overwrite=overwrite)
    if as_json:
        echo_json(timings.as_dict())
        return
    rows = timings.comparisons
    kernels = any("kernel" in row.seconds for row in rows)
    of: Implementation = "kernel" if kernels else "eager"
    rivals = RIVALS if kernels else ()

    def against(row: Comparison, rival: Implementation) -> Text:
        """Mark losses in red for readers, and with ! for searches."""
        speedup = _cell(row.speedup(rival), "{:.2f}x") + (" ≠" if rival in row.unequal else "")
        return Text(f"{speedup} !", "bold red") if rival in row.losses else Text(speedup)

    table = Table("op", "case", box=None, header_style="bold")
    for name in (f"{of} µs", *(f"vs {rival}" for rival in rivals), "GB/s", *(["of copy"] if kernels else [])):
        table.add_column(name, justify="right")
    for row in rows:
        time, speed = row.seconds.get(of), row.bandwidth(of)
        table.add_row(
            row.op,
            row.case,
            _cell(time and time * 1e6, "{:,.1f}"),
            *(against(row, rival) for rival in rivals),
            _cell(speed and speed / 1e9, "{:,.0f}" if speed and speed > 1e11 else "{:.3g}"),
            *([_cell(row.of_copy(of), "{:.0%}")] if kernels else []),
        )
    console = Console(markup=False, emoji=False)
    print_wide(console, table)
    versions = "".join(f", {name} {value}" for name, value in timings.versions.items())
    lines = [f"{timings.device}{versions}; median per launch"]
    if kernels:
        lost = sum(bool(row.losses) for row in rows)
        lines += [f"above 1x the kernel is faster; in {lost} of {len(rows)} cases an alternative is faster (!)"]
    else:
        lines += ["only references were timed, no kernel: these times are just a check that the suite runs"]
    if any(row.unequal for row in rows):
        lines += ["≠: result differs from the reference"]
    if plot is not None:
        lines += [f"roofline: {plot}"]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
