"""Work through many pictures: print each outcome and a summary."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from resizekit.cli.batch_options import BatchOptions
from resizekit.cli.output import echo_error, echo_json, echo_json_line, error_text
from resizekit.cli.progress import Count, counted
from resizekit.system.printable import escaped

if TYPE_CHECKING:
    from resizekit.images.batch import Job, Outcome, Task
    from resizekit.images.jobs import Jobs

__all__ = ["work_through"]

_NAMED = 5
"""Number of ignored files that are named without --verbose."""
_ADVICE = {
    "tiny": "of less than 16 pixels a side",
    "noisy": "dithered or noise",
    "larger": "with more bytes than the source",
}
"""Kinds of advice, as they follow a number of pictures."""


def work_through(
    jobs: "Jobs",
    task: "Task[dict[str, Any]]",
    options: BatchOptions,
    *,
    writes: bool = True,
    prints: bool = True,
    rename: Callable[[str], str] = str,
) -> None:
    """Run every job, print its outcome, and print a summary of several jobs on stderr.

    Args:
        jobs: Sources and outputs.
        task: Processes one picture. Its result has "row" for JSON, "text" for stdout, and "notes" and "advice" for
            stderr. Advice on several pictures is counted, and printed only with --verbose.
        options: How to run, and what to print.
        writes: Whether the task writes the outputs.
        prints: Whether to print results on stdout.
        rename: Converts file names in what is printed.

    Raises:
        typer.Exit: With code 1, if one of several jobs failed.
        Exception: The error of the only job.
    """
    from resizekit.images.batch import Batch

    single = len(jobs.jobs) == 1
    printer = _Printer(options, prints, rename, advises=single or options.verbose)
    batch = Batch(
        workers=options.jobs, threads=options.threads, skip_existing=options.skip_existing, make_folders=writes
    )
    start, statuses = time.perf_counter(), Counter[str]()
    failure: Exception | None = None
    try:
        with counted(Console(stderr=True), "", len(jobs.jobs), quiet=options.quiet) as count:
            watch = _watch(count)
            with closing(batch.run(jobs.jobs, task, watch)) as outcomes:
                for outcome in outcomes:
                    statuses[outcome.status] += 1
                    failure = outcome.error
                    printer.show(outcome, with_error=not single)
                    count.finish(outcome.job)
    finally:
        printer.finish(jobs.jobs)
    if not options.quiet:
        if jobs.ignored:
            typer.echo(_ignored_line(jobs.ignored, len(jobs.ignored) if options.verbose else _NAMED), err=True)
        if printer.unnamed and not single:
            typer.echo(_advice_line(printer.unnamed), err=True)
        if writes and (not single or statuses["skipped"]):
            counts = ", ".join(f"{statuses[status]} {status}" for status in ("done", "skipped", "failed"))
            typer.echo(f"{counts}, {time.perf_counter() - start:.1f} s", err=True)
    if single and failure is not None:
        raise failure
    if statuses["failed"]:
        raise typer.Exit(1)


def _watch(count: Count) -> Callable[["Job | None", str, tuple[Any, ...]], None]:
    def watch(job: "Job | None", event: str, values: tuple[Any, ...]) -> None:
        if event == "warning":
            typer.echo(f"warning: {escaped(values[0], None)}", err=True)
        elif job is not None and event == "begin":
            count.begin(job.source.name, job)
        elif event == "part":
            count.part(values[0], values[1], job)
        elif event == "gain":
            count.gain(*values)

    return watch


class _Printer:
    """Prints outcomes in the requested style."""

    def __init__(self, options: BatchOptions, prints: bool, rename: Callable[[str], str], *, advises: bool) -> None:
        self._options, self._prints, self._rename, self._advises = options, prints, rename, advises
        self.unnamed = Counter[str]()
        """Number of pictures per kind of advice that was not printed."""
        self._rows: dict[Job, dict[str, Any]] = {}

    def show(self, outcome: "Outcome[dict[str, Any]]", *, with_error: bool) -> None:
        """Print one outcome."""
        result, style = outcome.result or {}, self._options.style
        row = result.get("row", {})
        row |= {name: self._rename(row[name]) for name in ("in", "out") if name in row}
        if not self._options.quiet:
            for line in result.get("notes", ()):
                typer.echo(error_text(self._rename(line)), err=True)
            self._advise(result.get("advice", {}))
        if outcome.error is not None and with_error:
            echo_error(outcome.error)
        if style == "json-lines":
            self._show_line(outcome, row)
        elif outcome.status == "done" and style == "json":
            self._rows[outcome.job] = row
        elif outcome.status == "done" and self._prints and not self._options.quiet:
            typer.echo(self._rename(result["text"]))
        if self._options.verbose:
            typer.echo(f"{outcome.status} {self._rename(str(outcome.job.source))}, {outcome.seconds:.2f} s", err=True)

    def _advise(self, advice: dict[str, str]) -> None:
        if not self._advises:
            self.unnamed.update(advice.keys())
            return
        for text in advice.values():
            typer.echo(f"note: {error_text(self._rename(text))}", err=True)

    def _show_line(self, outcome: "Outcome[dict[str, Any]]", row: dict[str, Any]) -> None:
        names = {"in": self._rename(str(outcome.job.source)), "out": self._rename(str(outcome.job.output))}
        line = names | {"status": outcome.status, "seconds": round(outcome.seconds, 3)} | row
        if outcome.error is not None:
            line["error"] = self._rename(error_text(outcome.error))
        echo_json_line(line)

    def finish(self, jobs: "Sequence[Job]") -> None:
        """Print the JSON list, in the order of the jobs."""
        if self._options.style == "json":
            echo_json([self._rows[job] for job in jobs if job in self._rows])


def _advice_line(counts: Counter[str]) -> str:
    named = ", ".join(f"{counts[kind]} {text}" for kind, text in _ADVICE.items() if counts[kind])
    return f"note: {named}: pass --verbose to see which"


def _ignored_line(ignored: Sequence[Path], named: int) -> str:
    names = ", ".join(escaped(path, None) for path in ignored[:named])
    more = f" and {len(ignored) - named} more" if len(ignored) > named else ""
    kind = "1 file that is not a picture" if len(ignored) == 1 else f"{len(ignored)} files that are not pictures"
    return f"ignored {kind}: {names}{more}"
