"""`resizekit evaluate --suite`: its options read, and the run."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from resizekit.errors import UsageError

if TYPE_CHECKING:
    from resizekit.suites.run import Border

__all__ = ["evaluate_suite"]

_MOST = 2**15


def evaluate_suite(
    name: str,
    *,
    data: Path | None,
    out: Path | None,
    runs: Path | None,
    sets: str | None,
    columns: str | None,
    border: str,
    ssim: bool,
    jobs: int,
    limit: int | None,
    as_csv: bool,
    timings: bool,
    timings_size: str | None,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Run a suite, write its results, and show them."""
    from resizekit.cli.progress import counted
    from resizekit.cli.suite_tables import show_results
    from resizekit.plugin.registry import installed
    from resizekit.suites.csv_export import check_csv, write_csv
    from resizekit.suites.run import SuiteRun

    suite = installed().suite(name)
    if data is None or out is None:
        raise UsageError("--suite needs --data FOLDER, which the sets lie in, and --out RESULTS.json")
    size = suite.timed_size if timings_size is None else _read_size(timings_size)
    if as_csv:
        check_csv(out.with_suffix(".csv"))
    run = SuiteRun(
        suite=suite,
        data=data,
        out=out,
        runs=runs,
        sets=_names(sets),
        columns=_names(columns),
        border=_read_border(border),
        ssim=ssim,
        limit=limit,
        jobs=jobs,
        timings=size if timings else None,
        device=device,
        precision=precision,
    )
    said = {"--sets": sets, "--columns": columns, "--border": border if border != "factor" else None, "--limit": limit}
    said |= {"--timings-size": timings_size, "--precision": precision}
    words = ["resizekit evaluate", f"--suite {name}", "--data FOLDER", "--out FILE"]
    words += ["--weights-from RUNS"] * (runs is not None) + ["--no-ssim"] * (not ssim) + ["--timings"] * timings
    words += [f"{option} {value}" for option, value in said.items() if value is not None]
    with counted(Console(stderr=True), suite.name, 1) as count:
        results = run.run(command=" ".join(words), warn=_warn, progress=count.part)
    if as_csv:
        write_csv(results, out.with_suffix(".csv"))
    if as_json:
        typer.echo(results.model_dump_json(indent=2))
        return
    show_results(results, suite)
    typer.echo(f"written: {out}" + (f", {out.with_suffix('.csv')}" if as_csv else ""))


def _warn(line: str) -> None:
    typer.echo(f"warning: {line}", err=True)


def _names(text: str | None) -> tuple[str, ...]:
    names = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    strange = next((name for name in names if name in (".", "..") or "/" in name or "\\" in name), None)
    if strange is not None:
        raise UsageError(f"{strange!r} is a path: say names, with commas between them")
    return names


def _read_border(text: str) -> "Border":
    if text == "factor":
        return "factor"
    if not text.isdecimal() or int(text[:9]) > _MOST:
        raise UsageError(f"--border {text[:80]!r}: say factor, or a number of pixels such as 0 or 2")
    return int(text)


def _read_size(text: str) -> tuple[int, int]:
    """Read WIDTHxHEIGHT as (height, width)."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    width, height = (int(side) for side in match.groups()) if match else (0, 0)
    if not (64 <= width <= _MOST and 64 <= height <= _MOST):
        raise UsageError(f"--timings-size {text[:80]!r}: say WIDTHxHEIGHT, each of 64 or more, such as 1920x1080")
    return height, width
