"""Measure a codec on a folder of pictures: the mean of each metric, and the metrics of each picture."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean

from resizekit.codec import Codec
from resizekit.codec.grid import part_of
from resizekit.errors import ImageError, MissingExtraError, ResizeShapeError
from resizekit.evaluation.channels import read_for_evaluation
from resizekit.evaluation.measure import measure
from resizekit.images.planning import repeated
from resizekit.pictures.io.find import find_pictures, sample_evenly
from resizekit.pictures.value_range import ValueRange

__all__ = ["SetMetrics", "evaluate_depths", "evaluate_folder", "mean_of"]


@dataclass(frozen=True)
class SetMetrics:
    """Metrics of a codec on a set of pictures, in dB."""

    name: str
    pictures: int
    mean: Mapping[str, float]
    """Mean of each metric of `measure`. Infinite values are left out; the mean is infinite if all values are."""
    each: Mapping[str, Mapping[str, float]]
    """Metrics of each picture, by its path inside the folder."""
    skipped: list[str] = field(default_factory=list)
    """Files that could not be measured, each with the reason."""
    equal: Mapping[str, int] = field(default_factory=dict)
    """For each metric, the number of pictures with an infinite value because the two compared pictures are equal."""

    def as_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return asdict(self)


def evaluate_folder(
    codec: Codec,
    folder: Path,
    *,
    limit: int | None = None,
    value_range: ValueRange | None = None,
    measure_with: Callable[..., Mapping[str, float]] = measure,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> SetMetrics:
    """Measure a codec on every picture of a folder, cropped to a size that the factors divide (paper, section 4.1).

    A codec for one channel is measured on the luma (16 to 235) of colour pictures, and on grey pictures as they are.

    Args:
        codec: The codec to measure.
        folder: A folder of pictures, or a single picture.
        limit: Measure at most this number of pictures, sampled evenly.
        value_range: The range of the files' values. Float files need it; they are measured as floats in [0, 1].
        measure_with: The function that computes the metrics of one picture: `measure`, with other options.
        progress: Called with (pictures done, all pictures) after each measured picture.

    Returns:
        The means and the metrics of each picture.

    Raises:
        ImageError: If the folder holds no usable picture.

    Examples:
        >>> from resizekit import load
        >>> result = evaluate_folder(load("sr-x2"), Path("Set5"))  # doctest: +SKIP
        >>> print(f"{result.mean['high_rgb']:.2f} dB")  # doctest: +SKIP
    """
    paths = sample_evenly(list(find_pictures([folder])), limit)
    each: dict[str, Mapping[str, float]] = {}
    skipped: list[str] = []
    for done, path in enumerate(paths, start=1):
        try:
            pixels, alpha = read_for_evaluation(codec, path, value_range)
            metrics = measure_with(codec, pixels, alpha=alpha)
        except (ImageError, MissingExtraError) as error:
            skipped.append(str(error))
            continue
        except ResizeShapeError as error:  # some networks need more than the smallest size that the factors divide
            skipped.append(f"{path} is too small to be measured: {error}")
            continue
        each[path.relative_to(folder).as_posix() if folder in path.parents else path.name] = metrics
        progress(done, len(paths))
    if not each:
        first = f"; the first: {skipped[0]}" if skipped else ""
        raise ImageError(f"no usable picture in {folder}{first}; name a folder of pictures")
    rows = list(each.values())
    mean = {name: mean_of([row[name] for row in rows]) for name in rows[0]}
    equal = {name: n for name in rows[0] if (n := sum(row[name] == math.inf for row in rows))}
    return SetMetrics(folder.resolve().name, len(each), mean, each, skipped, equal)


def mean_of(values: Sequence[float]) -> float:
    """Compute the mean of the finite PSNR values in dB; infinity if there are none.

    Examples:
        >>> mean_of([30.0, 32.0, math.inf])
        31.0
    """
    finite = [value for value in values if value != math.inf]
    return fmean(finite) if finite else math.inf


def evaluate_depths(
    codec: Codec,
    folder: Path,
    times: Sequence[int],
    *,
    limit: int | None = None,
    value_range: ValueRange | None = None,
    measure_with: Callable[..., Mapping[str, float]] = measure,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> dict[int, SetMetrics | ImageError]:
    """Measure a codec on a folder at several depths: with its networks applied once, twice, and so on.

    Args:
        codec: The codec to measure.
        folder: A folder of pictures, or a single picture.
        times: How many times the networks are applied, for each depth.
        limit: As in `evaluate_folder`.
        value_range: As in `evaluate_folder`.
        measure_with: As in `evaluate_folder`.
        progress: Called with (pictures done, all pictures), counted over all depths.

    Returns:
        By depth: the result of `evaluate_folder`, or the error if every picture is too small for this depth.

    Raises:
        UsageError: If the networks cannot be repeated.
        ImageError: If no picture is usable at any depth.
    """
    results: dict[int, SetMetrics | ImageError] = {}
    for i, deep in enumerate([repeated(codec, n) for n in times]):
        part = part_of(progress, i, len(times))
        try:
            results[deep.times] = evaluate_folder(
                deep, folder, limit=limit, value_range=value_range, measure_with=measure_with, progress=part
            )
        except ImageError as error:
            results[deep.times] = error
    errors = [result for result in results.values() if isinstance(result, ImageError)]
    if len(errors) == len(results):
        raise errors[0]
    return results
