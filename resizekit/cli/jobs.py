"""Sources and a destination to pairs of files, and many files worked through with one line for each that fails."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from resizekit.cli.output import echo_error
from resizekit.cli.progress import counted
from resizekit.errors import ImageError, ResizeKitError, UsageError

__all__ = ["Job", "pair_up", "work_through"]

Job = tuple[Path, Path]


def pair_up(sources: Sequence[Path], out: Path, suffix: Callable[[Path], str]) -> list[Job]:
    """Pair every picture meant with the file to be written.

    One file goes to `out` itself, unless that is a folder; folders, patterns and several files go into the folder `out`
    under their own names with the `suffix` of each, a folder's inner structure kept.  Raises `UsageError` where two
    would become the same file or `out` is a file already.
    """
    from resizekit.images.io.find import find_pictures

    if len(sources) == 1 and not out.is_dir() and (sources[0].is_file() or not _many(sources[0])):
        return [(sources[0], out)]
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; name a folder for several pictures")
    jobs: list[Job] = []
    for given in sources:
        root = given if given.is_dir() else None
        found = list(find_pictures([given]))
        if not found:
            raise ImageError(f"no picture in {given}; name a folder that holds some")
        jobs += [
            (path, out / (path.relative_to(root) if root else Path(path.name)).with_suffix(suffix(path)))
            for path in found
        ]
    taken: dict[Path, Path] = {}
    for source, target in jobs:
        if target in taken:
            raise UsageError(f"{taken[target]} and {source} would both become {target}; do them apart")
        taken[target] = source
    return jobs


def _many(source: Path) -> bool:
    return source.is_dir() or any(mark in source.name for mark in "*?[")


def work_through(
    jobs: Sequence[Job],
    run: Callable[[Path, Path, Callable[[int, int], None]], None],
    *,
    inside: Path | None = None,
) -> None:
    """Run every job; of several, one that fails is named on stderr, the others go on, and the end is an error.

    Folders for targets below the folder `inside` are made as they are needed.
    """
    failed = 0
    with counted(Console(stderr=True), "", len(jobs)) as count:
        for source, target in jobs:
            count.begin(source.name)
            try:
                if inside in target.parents:
                    target.parent.mkdir(parents=True, exist_ok=True)
                run(source, target, count.part)
            except (ResizeKitError, OSError) as error:
                if len(jobs) == 1:
                    raise
                failed += 1
                echo_error(error)
            count.finish()
    if failed:
        which = f"{failed} of {len(jobs)}" if failed < len(jobs) else f"none of the {len(jobs)}"
        words = "could not be done; the others are" if failed < len(jobs) else "could be done"
        raise ResizeKitError(f"{which} pictures {words}")
