"""Find the pictures of a run, and name their outputs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from resizekit.errors import ImageError, UsageError
from resizekit.images.batch import Job
from resizekit.images.output_names import output_names
from resizekit.pictures.io.find import search_pictures

__all__ = ["Jobs", "jobs_in_folder"]


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """The pictures of a run."""

    jobs: Sequence[Job]
    ignored: Sequence[Path] = ()
    """Files in the searched folders that are not pictures."""


def jobs_in_folder(sources: Iterable[str | Path], out: str | Path, suffix: Callable[[Path], str]) -> Jobs:
    """Pair every picture that the sources name with a file in a folder.

    The structure of subfolders stays; `output_names` describes the names.

    Args:
        sources: Files, folders and patterns.
        out: The folder, which need not exist.
        suffix: Returns the suffix of the output for a source.

    Raises:
        UsageError: `out` is a file, or one of the searched folders.
        ImageError: A source does not exist or holds no picture.
    """
    folder, paths = Path(out), [Path(source) for source in sources]
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{out} is a file: name a folder for several pictures")
    for path in paths:
        if path.is_dir() and folder.exists() and path.samefile(folder):
            raise UsageError(f"{out} is the input folder: name another folder for the output")
    search = search_pictures(paths, out=folder)
    if search.empty:
        raise ImageError(f"no picture in {search.empty[0]}: choose a folder that contains pictures")
    names = output_names(search.pictures, suffix)
    jobs = [Job(match.path, folder / name) for match, name in zip(search.pictures, names, strict=True)]
    return Jobs(jobs=jobs, ignored=search.ignored)
