"""`resizekit evaluate --suite`: parse the options and run the suite."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console

from resizekit.cli.progress import counted
from resizekit.cli.suite_tables import print_results
from resizekit.errors import UsageError
from resizekit.plugin.registry import installed
from resizekit.spec import HW
from resizekit.suites.csv_export import check_csv, write_csv
from resizekit.suites.run import Border, SuiteRun

__all__ = ["SuiteOptions", "evaluate_suite"]

_MAX_PIXELS = 2**15


@dataclass(frozen=True, kw_only=True)
class SuiteOptions:
    """The options of the command; texts are not parsed yet."""

    suite: str
    data: Path
    out: Path
    runs: Path | None
    sets: str | None
    columns: str | None
    border: str
    ssim: bool
    jobs: int
    limit: int | None
    as_csv: bool
    timings: bool
    timings_size: str | None
    device: str
    precision: str
    as_json: bool

    def command(self) -> str:
        """Return the command line to record in the results. It contains no path of this machine."""
        return " ".join(self._words())

    def _words(self) -> Iterator[str]:
        yield from ("resizekit evaluate", f"--suite {self.suite}", "--data FOLDER", "--out FILE")
        flags = {"--weights-from RUNS": self.runs is not None, "--no-ssim": not self.ssim, "--timings": self.timings}
        yield from (flag for flag, used in flags.items() if used)
        values = {
            "--sets": self.sets,
            "--columns": self.columns,
            "--border": self.border if self.border != "factor" else None,
            "--limit": self.limit,
            "--timings-size": self.timings_size,
            "--precision": self.precision,
        }
        yield from (f"{option} {value}" for option, value in values.items() if value is not None)


def evaluate_suite(options: SuiteOptions) -> None:
    """Run a suite, write its results, and print them.

    Args:
        options: The options of the command.

    Raises:
        UnknownNameError: If the suite is not installed.
        UsageError: If an option is invalid; see also `SuiteRun.run`.
    """
    suite = installed().suite(options.suite)
    size = HW(*suite.timings_size) if options.timings_size is None else _read_size(options.timings_size)
    csv_path = options.out.with_suffix(".csv")
    if options.as_csv:
        check_csv(csv_path)
    run = SuiteRun(
        suite=suite,
        data=options.data,
        out=options.out,
        runs=options.runs,
        sets=_read_names(options.sets),
        columns=_read_names(options.columns),
        border=_read_border(options.border),
        ssim=options.ssim,
        limit=options.limit,
        jobs=options.jobs,
        timings=size if options.timings else None,
        device=options.device,
        precision=options.precision,
    )
    with counted(Console(stderr=True), suite.name, 1) as count:
        results = run.run(command=options.command(), warn=_warn, progress=count.part)
    if options.as_csv:
        write_csv(results, csv_path)
    if options.as_json:
        typer.echo(results.model_dump_json(indent=2))
        return
    print_results(results, suite)
    typer.echo(f"written: {options.out}" + (f", {csv_path}" if options.as_csv else ""))


def _warn(line: str) -> None:
    typer.echo(f"warning: {line}", err=True)


def _read_names(text: str | None) -> tuple[str, ...]:
    names = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    path = next((name for name in names if name in (".", "..") or "/" in name or "\\" in name), None)
    if path is not None:
        raise UsageError(f"invalid name {path!r}, which is a path: give names, separated by commas")
    return names


def _read_border(text: str) -> Border:
    if text == "factor":
        return "factor"
    if not text.isdecimal() or int(text[:9]) > _MAX_PIXELS:
        raise UsageError(f"invalid --border {text[:80]!r}: expected factor or a number of pixels, such as 0 or 2")
    return int(text)


def _read_size(text: str) -> HW:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    width, height = (int(side) for side in match.groups()) if match else (0, 0)
    if not (64 <= width <= _MAX_PIXELS and 64 <= height <= _MAX_PIXELS):
        raise UsageError(
            f"invalid --timings-size {text[:80]!r}: expected WIDTHxHEIGHT, each at least 64, such as 1920x1080"
        )
    return HW(height, width)
