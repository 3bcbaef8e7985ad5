"""Pair source files with output files, and work through many files with one line for each that fails."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from rich.console import Console

from resizekit.cli.output import echo_error
from resizekit.cli.progress import Count, counted
from resizekit.errors import ImageError, ResizeKitError, UsageError

__all__ = ["Job", "pair_up", "work_through"]

Job: TypeAlias = tuple[Path, Path]
"""A source and its output."""


def pair_up(sources: Sequence[Path], out: Path, suffix: Callable[[Path], str]) -> list[Job]:
    """Pair every source picture with its output file.

    A single file goes to `out` itself, unless `out` is a folder. Folders, patterns and several files go into the
    folder `out`, with the structure of subfolders.

    Args:
        sources: Files, folders and patterns.
        out: A file or a folder.
        suffix: Returns the suffix of the output for a source.

    Raises:
        UsageError: Two sources have the same output, or `out` is a file and the sources need a folder.
        ImageError: A source does not exist or holds no picture.
    """
    from resizekit.images.io.find import find_pictures

    if len(sources) == 1 and not out.is_dir() and (sources[0].is_file() or not _may_be_several(sources[0])):
        return [(sources[0], out)]
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file: name a folder for several pictures")
    jobs: list[Job] = []
    for source in sources:
        root = source if source.is_dir() else None
        pictures = list(find_pictures([source]))
        if not pictures:
            raise ImageError(f"no picture in {source}: choose a folder that contains pictures")
        jobs += [
            (path, out / (path.relative_to(root) if root else Path(path.name)).with_suffix(suffix(path)))
            for path in pictures
        ]
    outputs: dict[Path, Path] = {}
    for source, output in jobs:
        if output in outputs:
            raise UsageError(f"{outputs[output]} and {source} would both become {output}: use separate folders")
        outputs[output] = source
    return jobs


def _may_be_several(source: Path) -> bool:
    return source.is_dir() or any(mark in source.name for mark in "*?[")


def work_through(
    jobs: Sequence[Job],
    run: Callable[[Path, Path, Count], None],
    *,
    inside: Path | None = None,
) -> None:
    """Run every job. If one of several jobs fails, its error is printed on stderr and the others continue.

    Args:
        jobs: Sources and outputs.
        run: Processes a source and an output, and reports its progress.
        inside: Folder in which subfolders for the outputs are created when they are needed.

    Raises:
        ResizeKitError: At least one job failed.
    """
    failed = 0
    with counted(Console(stderr=True), "", len(jobs)) as count:
        for source, output in jobs:
            count.begin(source.name)
            try:
                if inside in output.parents:
                    output.parent.mkdir(parents=True, exist_ok=True)
                run(source, output, count)
            except (ResizeKitError, OSError) as error:
                if len(jobs) == 1:
                    raise
                failed += 1
                echo_error(error)
            count.finish()
    if failed:
        count_text = f"{failed} of {len(jobs)}" if failed < len(jobs) else f"all {len(jobs)}"
        raise ResizeKitError(f"{count_text} pictures failed{'; the others are done' if failed < len(jobs) else ''}")
