"""Pair the source files of a command with output files."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resizekit.images.jobs import Jobs

__all__ = ["pair_up"]


def pair_up(sources: Sequence[Path], out: str, suffix: Callable[[Path], str]) -> "Jobs":
    """Pair every source picture with its output file.

    A single file goes to `out` itself, unless `out` is a folder. Folders, patterns and several files go into the
    folder `out`, as `jobs_in_folder` describes.

    Args:
        sources: Files, folders and patterns.
        out: A file or a folder. A path that does not exist is a folder if it ends with a slash or has no suffix.
        suffix: Returns the suffix of the output for a source.

    Raises:
        UsageError: `out` is a file and the sources need a folder, or `out` is one of the searched folders.
        ImageError: A source does not exist or holds no picture.
    """
    from resizekit.images.batch import Job
    from resizekit.images.jobs import Jobs, jobs_in_folder

    if len(sources) == 1 and not _is_folder(out) and not _may_be_several(sources[0]):
        return Jobs(jobs=[Job(sources[0], Path(out))])
    return jobs_in_folder(sources, out, suffix)


def _is_folder(out: str) -> bool:
    ends_with_slash = out.endswith(tuple(filter(None, (os.sep, os.altsep))))
    return Path(out).is_dir() or ends_with_slash or not (Path(out).suffix or os.path.lexists(out))


def _may_be_several(source: Path) -> bool:
    return source.is_dir() or (any(mark in str(source) for mark in "*?[") and not os.path.lexists(source))
