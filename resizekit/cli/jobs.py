"""Pair source files with output files."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resizekit.errors import ImageError, UsageError

if TYPE_CHECKING:
    from resizekit.images.batch import Job

__all__ = ["Jobs", "pair_up"]


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """The pictures of a command."""

    jobs: "Sequence[Job]"
    ignored: Sequence[Path] = ()
    """Files in the searched folders that are not pictures."""


def pair_up(sources: Sequence[Path], out: str, suffix: Callable[[Path], str]) -> Jobs:
    """Pair every source picture with its output file.

    A single file goes to `out` itself, unless `out` is a folder. Folders, patterns and several files go into the
    folder `out`, with the structure of subfolders; `output_names` describes the names.

    Args:
        sources: Files, folders and patterns.
        out: A file or a folder. A path that does not exist is a folder if it ends with a slash or has no suffix.
        suffix: Returns the suffix of the output for a source.

    Raises:
        UsageError: `out` is a file and the sources need a folder, or `out` is one of the searched folders.
        ImageError: A source does not exist or holds no picture.
    """
    from resizekit.images.batch import Job
    from resizekit.images.output_names import output_names
    from resizekit.pictures.io.find import search_pictures

    folder = Path(out)
    if len(sources) == 1 and not _is_folder(out) and not _may_be_several(sources[0]):
        return Jobs(jobs=[Job(sources[0], folder)])
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{out} is a file: name a folder for several pictures")
    for source in sources:
        if source.is_dir() and folder.exists() and source.samefile(folder):
            raise UsageError(f"{out} is the input folder: name another folder for the output")
    search = search_pictures(sources, out=folder)
    if search.empty:
        raise ImageError(f"no picture in {search.empty[0]}: choose a folder that contains pictures")
    names = output_names(search.pictures, suffix)
    jobs = [Job(match.path, folder / name) for match, name in zip(search.pictures, names, strict=True)]
    return Jobs(jobs=jobs, ignored=search.ignored)


def _is_folder(out: str) -> bool:
    ends_with_slash = out.endswith(tuple(filter(None, (os.sep, os.altsep))))
    return Path(out).is_dir() or ends_with_slash or not (Path(out).suffix or os.path.lexists(out))


def _may_be_several(source: Path) -> bool:
    return source.is_dir() or (any(mark in str(source) for mark in "*?[") and not os.path.lexists(source))
