"""Make the pictures of folders small, and restore them, in one process or in several."""

import warnings
from collections.abc import Generator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from resizekit.codec import Codec
from resizekit.codec.refine.effort import Effort
from resizekit.errors import UsageError
from resizekit.images.batch import Batch, Job, Outcome
from resizekit.images.jobs import jobs_in_folder
from resizekit.images.max_bytes import MaxBytes
from resizekit.images.run_options import RunOptions
from resizekit.images.selection import default_suffix
from resizekit.images.small_files import restored_suffix
from resizekit.images.target_size import TargetSize
from resizekit.images.tasks import DownWork, SmallFile, UpWork
from resizekit.pictures.manifest import Manifest

__all__ = ["Existing", "Sources", "down_many", "up_many"]

Sources: TypeAlias = str | Path | Iterable[str | Path]
"""A file, a folder or a pattern such as `photos/**/*.jpg`, or several of them."""

Existing: TypeAlias = Literal["error", "skip", "overwrite"]
"""What to do with a picture whose output exists: report it as failed, skip it, or replace the output."""


def down_many(
    sources: Sources,
    out: str | Path,
    *,
    weights: str | Path | Codec | None = None,
    task: str | None = None,
    compression: str | None = None,
    target: TargetSize | None = None,
    effort: int | Effort = 0,
    max_bytes: int | MaxBytes | None = None,
    jobs: int = 1,
    existing: Existing = "error",
    options: RunOptions = RunOptions(),
) -> Generator[Outcome[SmallFile]]:
    """Make many pictures small, each as `down_file` does.

    The work begins when you iterate. Close the iterator to stop: running processes are killed, and their temporary
    files are deleted. With `jobs` above 1, a script must protect its main code with `if __name__ == "__main__":`,
    because the processes import it.

    Args:
        sources: Files, folders with their subfolders, and patterns.
        out: Folder for the small files. Missing folders are created, and subfolders stay. `a.jpg` becomes `a.png`; if
            two names would be equal, `a.jpg` becomes `a.jpg.png`.
        weights: As for `down_file`.
        task: As for `down_file`; pass exactly one of `weights` and `task`.
        compression: As for `down_file`; it also sets the suffix of the small files.
        target: Requested size, for each picture.
        effort: 0 to 4, or an `Effort`.
        max_bytes: Largest size of each small file.
        jobs: Number of processes. Each gets an equal share of the CPU cores.
        existing: "error", "skip" or "overwrite". With "skip", a second run continues an interrupted run.
        options: Tiles, device, precision and metadata; the calls about progress and advice are not used.

    Yields:
        The outcome of each picture, in the order of completion; skipped pictures come first. `outcome.result` has the
        manifest. An error of one picture is its outcome, and does not stop the others.

    Raises:
        UsageError: The arguments contradict one another, or `out` is a file or an input folder.
        UnknownNameError: The weights, task or compression are not installed.
        ImageError: A source does not exist or holds no picture.

    Examples:
        >>> import tempfile, PIL.Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("a.jpg", "b.png"):
        ...     PIL.Image.new("RGB", (33, 20), "teal").save(folder / name)
        >>> outcomes = down_many(folder, folder / "small", weights="sr-x2-fast")
        >>> [(outcome.status, outcome.job.output.name) for outcome in outcomes]
        [('done', 'a.png'), ('done', 'b.png')]
    """
    work = DownWork(
        weights=weights,
        task=task,
        compression=compression,
        target=target,
        effort=Effort.of(effort),
        max_bytes=max_bytes,
        options=_with_existing(options, existing),
    )
    suffix = default_suffix(weights=weights, task=task, compression=compression, has_quality=max_bytes is not None)
    found = jobs_in_folder(_listed(sources), out, lambda _: suffix)
    return _batch(jobs, existing).run(found.jobs, work, _warn)


def up_many(
    sources: Sources,
    out: str | Path,
    *,
    weights: str | Path | Codec | None = None,
    force: bool = False,
    jobs: int = 1,
    existing: Existing = "error",
    options: RunOptions = RunOptions(),
) -> Generator[Outcome[Manifest]]:
    """Restore many pictures, each as `up_file` does, into PNG files (cubes and float32: .npy).

    Args:
        sources: Small files, folders with their subfolders, and patterns.
        out: Folder for the restored pictures, as for `down_many`.
        weights: As for `up_file`; None: the installed weights that each manifest names.
        force: Restore from pixels that changed, with a `RestoreWarning`.
        jobs: Number of processes, as for `down_many`.
        existing: "error", "skip" or "overwrite".
        options: Tiles, device and precision.

    Yields:
        The outcome of each picture, as for `down_many`. `outcome.result` is the manifest of the small file.

    Raises:
        UsageError: The arguments contradict one another, or `out` is a file or an input folder.
        ImageError: A source does not exist or holds no picture.

    Examples:
        >>> import tempfile, PIL.Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> PIL.Image.new("RGB", (33, 20), "teal").save(folder / "a.jpg")
        >>> small = [outcome.job.output for outcome in down_many(folder, folder / "small", weights="sr-x2-fast")]
        >>> [outcome.result.size for outcome in up_many(small, folder / "restored")]
        [(33, 20)]
    """
    work = UpWork(weights=weights, force=force, options=_with_existing(options, existing))
    found = jobs_in_folder(_listed(sources), out, restored_suffix)
    return _batch(jobs, existing).run(found.jobs, work, _warn)


def _listed(sources: Sources) -> Iterable[str | Path]:
    return [sources] if isinstance(sources, str | Path) else sources


def _with_existing(options: RunOptions, existing: Existing) -> RunOptions:
    if existing not in ("error", "skip", "overwrite"):
        raise UsageError(f"invalid existing={existing!r}: expected 'error', 'skip' or 'overwrite'")
    if options.overwrite and existing != "overwrite":
        raise UsageError(f"options.overwrite contradicts existing={existing!r}: pass existing='overwrite' only")
    return replace(options, overwrite=existing == "overwrite", progress=None, on_gain=None, on_advice=None)


def _warn(job: Job | None, event: str, values: tuple[Any, ...]) -> None:
    """Repeat the warnings of other processes in this process."""
    if event == "warning":
        warnings.warn(values[0], UserWarning, stacklevel=2)


def _batch(jobs: int, existing: Existing) -> Batch:
    if type(jobs) is not int or jobs < 1:
        raise UsageError(f"invalid jobs={jobs!r}: expected an integer of 1 or more")
    return Batch(workers=jobs, skip_existing=existing == "skip")
