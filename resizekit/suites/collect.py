"""Measure every picture of every set in every column: read the cache first, then measure the rest in processes."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from resizekit.errors import ImageError, ResizeKitError, ResizeShapeError
from resizekit.suites.cache import Cache
from resizekit.suites.picture_metrics import ColumnRecipe, PictureMetrics, measure_picture
from resizekit.suites.process_pool import run_in_processes
from resizekit.suites.results import PictureResult
from resizekit.suites.sets import FoundSet

__all__ = ["measure_columns"]


class _Job(NamedTuple):
    """One picture in one column, small enough to send to another process."""

    key: str
    recipe: ColumnRecipe
    path: Path


def measure_columns(
    sets: Sequence[FoundSet],
    recipes: Mapping[str, ColumnRecipe],
    cache: Cache,
    *,
    jobs: int = 1,
    warn: Callable[[str], None] = lambda line: None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[PictureResult]:
    """Measure all pictures in all columns. Each new result is in the cache as soon as it is measured.

    Args:
        sets: The sets with their pictures.
        recipes: What to measure, by the key of the column.
        cache: Earlier results.
        jobs: Number of processes.
        warn: Called with one line for each picture that cannot be used.
        progress: Called with (pictures done, pictures to measure).

    Returns:
        The results by column, then by set, then by picture.

    Raises:
        ImageError: If no picture can be used.
        CheckpointError: If weights cannot be loaded.
    """
    digests = {path: _digest(path) for item in sets for path in item.pictures}
    keys = {
        (column, path): recipe.key(digest) for column, recipe in recipes.items() for path, digest in digests.items()
    }
    pending = {
        (key, path): _Job(key, recipes[column], path) for (column, path), key in keys.items() if key not in cache
    }  # two columns with the same weights share a key, so their pictures are measured once
    skipped: dict[str, None] = {}
    with closing(run_in_processes(_measure, list(pending.values()), jobs)) as stream:
        for done, (job, result) in enumerate(stream, start=1):
            if isinstance(result, ImageError | ResizeShapeError):
                reason = str(result)
                skipped[reason if str(job.path) in reason else f"{job.path}: {reason}"] = None
            elif isinstance(result, ResizeKitError):
                raise result
            else:
                cache.put(job.key, result)
            progress(done, len(pending))
    for line in skipped:
        warn(f"left out: {line}")
    pictures = [
        PictureResult.model_validate(
            {"column": column, "set": item.name, "picture": path.relative_to(item.folder).as_posix()} | cache[key]
        )
        for column in recipes
        for item in sets
        for path in item.pictures
        if (key := keys[column, path]) in cache
    ]
    if recipes and not pictures:
        first = f"; the first: {next(iter(skipped))}" if skipped else ""
        raise ImageError(f"no usable picture in {sets[0].folder.parent}{first}")
    return pictures


def _measure(job: _Job) -> PictureMetrics:
    return measure_picture(job.recipe, job.path)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:  # reported later, when the picture is measured
        return ""
