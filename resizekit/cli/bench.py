"""`resizekit bench`."""

import re
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.options import Json, Overwrite
from resizekit.errors import UsageError

__all__ = ["bench"]


def bench(
    results: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RESULTS.json]", help="Results of `--run --out`, or of `pytest benchmarks --benchmark-json=...`."
        ),
    ] = None,
    run: Annotated[bool, typer.Option("--run", help="Time the kernels of all installed plugins first.")] = False,
    op: Annotated[
        list[str] | None, typer.Option(help="With --run: time this op only. Can be repeated.", show_default=False)
    ] = None,
    part: Annotated[
        str, typer.Option(metavar="K/N", help="With --run: time a part of the cases, such as 1/3.")
    ] = "1/1",
    out: Annotated[
        Path | None,
        typer.Option(help="With --run: JSON file for the results. It is written after each case.", show_default=False),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Also draw a roofline to this .png or .svg file.", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Time kernels, or print such results: each kernel compared with eager, torch.compile and a plain copy."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from resizekit.benchmarking.timings import RIVALS, Comparison, Implementation, read_timings
    from resizekit.cli.output import echo_json, print_wide

    if run == (results is not None):
        raise UsageError("bench needs either RESULTS.json, to show it, or --run, to measure")
    if results is None:
        with tempfile.TemporaryDirectory() as folder:
            file = out or Path(folder, "results.json")
            _measure(op or [], part, file, overwrite=overwrite, quiet=as_json)
            timings = read_timings(file)
        results = file
    else:
        if op or out or part != "1/1":
            raise UsageError("--op, --part and --out belong to --run")
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


def _measure(selected: list[str], part: str, out: Path, *, overwrite: bool, quiet: bool) -> None:
    from resizekit.benchmarking.run import gpu, run_benchmarks, timing_cases
    from resizekit.system.device import pick_device

    match = re.fullmatch(r"(\d{1,4})/(\d{1,4})", part)
    if match is None:
        raise UsageError(f"invalid part {part!r}: expected K/N, such as 1/3")
    rows, without = timing_cases(selected, (int(match[1]), int(match[2])), pick_device("auto"))
    if without:
        typer.echo(f"without cases, not timed: {', '.join(without)}", err=True)
    if not rows:
        raise UsageError(f"nothing to time in part {part}: choose other ops or fewer parts")
    backend = gpu()
    if backend is None:
        typer.echo("PyTorch finds no GPU: the references run on small inputs, as a check", err=True)
    for i, (op, case) in enumerate(run_benchmarks(rows, out, overwrite=overwrite, backend=backend), 1):
        if not quiet:
            typer.echo(f"{i}/{len(rows)} {op} {case}", err=True)


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
