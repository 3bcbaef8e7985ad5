"""Options of the commands that process many pictures."""

from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from resizekit.errors import UsageError

__all__ = [
    "BatchOptions",
    "JobCount",
    "JsonLines",
    "Quiet",
    "SkipExisting",
    "Threads",
    "Verbose",
    "read_batch_options",
]

JobCount = Annotated[
    int, typer.Option("--jobs", min=1, max=256, help="How many pictures to process at the same time, in processes.")
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        max=1024,
        help="CPU threads of each process. Default: the cores divided by --jobs.",
        show_default=False,
    ),
]
SkipExisting = Annotated[bool, typer.Option("--skip-existing", help="Skip pictures whose output exists.")]
JsonLines = Annotated[bool, typer.Option("--json-lines", help="Print one JSON object per picture, at once.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print details of each picture on stderr.")]


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """How to process many pictures, and what to print."""

    jobs: int = 1
    threads: int | None = None
    skip_existing: bool = False
    style: Literal["text", "json", "json-lines"] = "text"
    """What is printed on stdout."""
    quiet: bool = False
    verbose: bool = False


def read_batch_options(
    *,
    jobs: int = 1,
    threads: int | None = None,
    skip_existing: bool = False,
    overwrite: bool = False,
    as_json: bool = False,
    json_lines: bool = False,
    quiet: bool = False,
    verbose: bool = False,
) -> BatchOptions:
    """Collect the options; raises `UsageError` for two that contradict one another."""
    pairs = {
        ("--skip-existing", "--overwrite"): skip_existing and overwrite,
        ("--json", "--json-lines"): as_json and json_lines,
        ("--quiet", "--verbose"): quiet and verbose,
    }
    for names, both in pairs.items():
        if both:
            raise UsageError(f"{' and '.join(names)} contradict one another: pass only one of them")
    return BatchOptions(
        jobs=jobs,
        threads=threads,
        skip_existing=skip_existing,
        style="json-lines" if json_lines else "json" if as_json else "text",
        quiet=quiet,
        verbose=verbose,
    )
