"""Every picture of every set in every column: from the cache what was measured before, the rest by jobs."""

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


class _Piece(NamedTuple):
    """One picture in one column, small enough to be sent to another process."""

    key: str
    way: ColumnRecipe
    path: Path


def measure_columns(
    found: Sequence[FoundSet],
    ways: Mapping[str, ColumnRecipe],
    cache: Cache,
    *,
    jobs: int = 1,
    warn: Callable[[str], None] = lambda line: None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[PictureResult]:
    """Give the figures of all pictures by `ways`, which are named by column; each is in the cache once it is measured.

    `warn` is told of every picture that cannot be used.  Raises `ImageError` if none can, and what `figures_of` raises
    of weights.
    """
    digests = {path: _digest(path) for one in found for path in one.pictures}
    keys = {(name, path): way.key(digest) for name, way in ways.items() for path, digest in digests.items()}
    pieces = {
        (key, path): _Piece(key, ways[name], path) for (name, path), key in keys.items() if key not in cache
    }  # two names of the same weights are measured once
    left_out: dict[str, None] = {}
    with closing(run_in_processes(_figures, list(pieces.values()), jobs)) as stream:
        for done, (piece, answer) in enumerate(stream, start=1):
            if isinstance(answer, ImageError | ResizeShapeError):
                told = str(answer)
                left_out[told if str(piece.path) in told else f"{piece.path}: {told}"] = None
            elif isinstance(answer, ResizeKitError):
                raise answer
            else:
                cache.put(piece.key, answer)
            progress(done, len(pieces))
    for line in left_out:
        warn(f"left out: {line}")
    pictures = [
        PictureResult.model_validate(
            {"column": name, "set": one.name, "picture": path.relative_to(one.folder).as_posix()} | cache[key]
        )
        for name in ways
        for one in found
        for path in one.pictures
        if (key := keys[name, path]) in cache
    ]
    if ways and not pictures:
        first = f"; the first: {next(iter(left_out))}" if left_out else ""
        raise ImageError(f"no usable picture in {found[0].folder.parent}{first}")
    return pictures


def _figures(piece: _Piece) -> PictureMetrics:
    return measure_picture(piece.way, piece.path)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:  # told where it is measured
        return ""
