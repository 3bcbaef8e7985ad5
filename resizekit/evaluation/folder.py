"""A set of pictures through a codec: the mean of every figure, and each picture's own."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean

from resizekit.codec import Codec
from resizekit.codec.tiling import part_of
from resizekit.errors import ImageError, MissingExtraError, ResizeShapeError
from resizekit.evaluation.channels import read_measured
from resizekit.evaluation.measure import measure
from resizekit.images.io.find import find_pictures, sample_evenly
from resizekit.images.selection import repeated
from resizekit.images.value_range import ValueRange
from resizekit.storage.formats import Pixels

__all__ = ["SetMetrics", "evaluate_depths", "evaluate_folder", "mean_of"]


@dataclass(frozen=True)
class SetMetrics:
    """What a codec reaches on a set of pictures, in dB."""

    name: str
    pictures: int
    mean: Mapping[str, float]
    """Means over the pictures of what `measure` gives, those that are infinite left out; infinite if all are."""
    each: Mapping[str, Mapping[str, float]]
    """The same by the file's name inside the folder."""
    skipped: list[str] = field(default_factory=list)
    """Files that could not be used, with the reasons."""
    equal: Mapping[str, int] = field(default_factory=dict)
    """Of how many pictures a figure is infinite, by its name: two that should differ are equal there, such as a picture
    without colours and its luma in every channel."""

    def as_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return asdict(self)


def evaluate_folder(
    codec: Codec,
    folder: Path,
    *,
    limit: int | None = None,
    value_range: ValueRange | None = None,
    how: Callable[[Codec, Pixels], Mapping[str, float]] = measure,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> SetMetrics:
    """Measure every picture of a folder, cropped at the upper left to what the factors divide (4.1).

    With a codec for one channel, colour pictures are measured on their luma (16..235), grey ones as they are.  `value_range`
    is the range of the pictures' values, which float32 needs; they are then measured as floats in [0, 1].  `limit`
    takes that many, evenly spread; `how` gives the figures of one picture.  Raises `ImageError` if the folder holds
    nothing usable.
    """
    paths = sample_evenly(list(find_pictures([folder])), limit)
    each: dict[str, Mapping[str, float]] = {}
    skipped: list[str] = []
    for done, path in enumerate(paths, start=1):
        try:
            figures = how(codec, read_measured(codec, path, value_range))
        except (ImageError, MissingExtraError) as error:
            skipped.append(str(error))
            continue
        except ResizeShapeError as error:  # the networks need more than one cell
            skipped.append(f"{path} is too small to be measured: {error}")
            continue
        each[path.relative_to(folder).as_posix() if folder in path.parents else path.name] = figures
        progress(done, len(paths))
    if not each:
        first = f"; the first: {skipped[0]}" if skipped else ""
        raise ImageError(f"no usable picture in {folder}{first}; name a folder of pictures")
    rows = list(each.values())
    mean = {name: mean_of([row[name] for row in rows]) for name in rows[0]}
    equal = {name: n for name in rows[0] if (n := sum(row[name] == math.inf for row in rows))}
    return SetMetrics(folder.resolve().name, len(each), mean, each, skipped, equal)


def mean_of(values: Sequence[float]) -> float:
    """Give the mean of PSNR in dB over the pictures that differ; infinity if none does."""
    finite = [value for value in values if value != math.inf]
    return fmean(finite) if finite else math.inf


def evaluate_depths(
    codec: Codec,
    folder: Path,
    times: Sequence[int],
    *,
    limit: int | None = None,
    value_range: ValueRange | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> dict[int, SetMetrics | ImageError]:
    """Measure a folder with the networks applied so many times, each of `times`: what `evaluate_folder` gives for it.

    A depth that is too deep for every picture has the error in its place.  Raises `UsageError` for networks that cannot
    be repeated, and `ImageError` if the folder holds nothing that is usable at any depth.
    """
    told: dict[int, SetMetrics | ImageError] = {}
    for i, one in enumerate([repeated(codec, n) for n in times]):
        part = part_of(progress, i, len(times))
        try:
            told[one.times] = evaluate_folder(one, folder, limit=limit, value_range=value_range, progress=part)
        except ImageError as error:
            told[one.times] = error
    errors = [one for one in told.values() if isinstance(one, ImageError)]
    if len(errors) == len(told):
        raise errors[0]
    return told
