"""Restore the pictures with the largest and smallest gains, and cut out the detail where bicubic loses most."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from resizekit.codec import Codec
from resizekit.errors import ImageError, UsageError
from resizekit.evaluation.channels import read_for_evaluation
from resizekit.evaluation.measure import bicubic_roundtrip, roundtrip
from resizekit.images.selection import choose_codec
from resizekit.pictures.io.find import find_pictures
from resizekit.plugin.registry import installed
from resizekit.report.gains import Gain
from resizekit.report.inline import InlinePicture, inline_picture
from resizekit.showcase.panels import worst_window
from resizekit.spec import HW
from resizekit.storage.formats import Pixels
from resizekit.suites.results import ColumnResult

__all__ = ["SIDE", "Case", "load_column_codec", "make_cases"]

SIDE = 320
"""Largest side of a detail in pixels, to keep the page small."""


@dataclass(frozen=True)
class Case:
    """The same detail of the original, bicubic, restored and small picture."""

    gain: Gain
    best: bool
    """True for a picture with a large gain, False for a small gain."""
    size: HW
    """Size of the entire picture."""
    left: int
    """Position of the detail in the picture, in pixels from the left."""
    top: int
    """Position of the detail in the picture, in pixels from the top."""
    original: InlinePicture
    bicubic: InlinePicture
    restored: InlinePicture
    small: InlinePicture


def load_column_codec(column: ColumnResult) -> Codec:
    """Load the installed weights of a column.

    Raises:
        UsageError: If the weights are not installed, or differ from those that were measured.
    """
    if column.weights not in installed().weights:
        fix = installed().how_to_install(str(column.weights))
        raise UsageError(
            f"the weights {column.weights!r} of column {column.key!r} are not installed, so its pictures cannot be "
            f"restored: {f'{fix}, ' if fix else ''}use another --column, or leave out --data"
        )
    codec = choose_codec(weights=column.weights, task=None, precision="float32")
    if column.digest is not None and codec.digest != column.digest:
        raise UsageError(
            f"the installed weights {column.weights!r} differ from those that column {column.key!r} was measured "
            "with: evaluate again, use another --column, or leave out --data"
        )
    return codec.replace(self_ensemble=True) if column.self_ensemble else codec


def make_cases(
    codec: Codec,
    best: Sequence[Gain],
    worst: Sequence[Gain],
    data: Path,
    *,
    effort: int = 0,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[Case]:
    """Restore pictures and cut out a detail of each.

    Args:
        codec: The codec of the column.
        best: Pictures with the largest gains.
        worst: Pictures with the smallest gains.
        data: The folder that contains the folders of the sets.
        effort: Effort of the column.
        progress: Called with (pictures done, all pictures).

    Returns:
        The cases of `best`, then those of `worst`.

    Raises:
        UsageError: If the folder of a set is missing.
        ImageError: If a picture is missing or cannot be read.
    """
    if not data.is_dir():
        raise UsageError(f"--data {data} is not a folder: give the folder that contains the sets")
    chosen = [(gain, True) for gain in best] + [(gain, False) for gain in worst]
    paths = {name: _pictures_of_set(data, name) for name in sorted({gain.result.set for gain, _ in chosen})}
    cases = []
    for done, (gain, is_best) in enumerate(chosen, start=1):
        result = gain.result
        path = paths[result.set].get(result.picture)
        if path is None:
            raise ImageError(f"no picture {result.picture} in {data / result.set}: give the folder that was measured")
        cases.append(_case(codec, effort, gain, is_best, path))
        progress(done, len(chosen))
    return cases


def _pictures_of_set(data: Path, name: str) -> dict[str, Path]:
    """List the pictures of a set by name. Names from the results are only looked up, never joined to a path."""
    folder = next((item for item in data.iterdir() if item.name == name and item.is_dir()), None)
    if folder is None:
        names = ", ".join(sorted(item.name for item in data.iterdir() if item.is_dir())[:8]) or "none"
        raise UsageError(f"--data {data} has no folder {name!r} (there are: {names}): give the folder with the sets")
    return {path.relative_to(folder).as_posix(): path for path in find_pictures([folder])}


def _case(codec: Codec, effort: int, gain: Gain, best: bool, path: Path) -> Case:
    high, _ = read_for_evaluation(codec, path)
    low, restored = roundtrip(codec, high, effort=effort)
    _, bicubic = bicubic_roundtrip(codec, high)
    rows, columns, small = _detail(codec, high, bicubic)
    return Case(
        gain=gain,
        best=best,
        size=HW(*high.shape[:2]),
        left=columns.start,
        top=rows.start,
        original=inline_picture(high[rows, columns]),
        bicubic=inline_picture(bicubic[rows, columns]),
        restored=inline_picture(restored[rows, columns]),
        small=inline_picture(low[small]),
    )


def _detail(codec: Codec, high: Pixels, bicubic: Pixels) -> tuple[slice, slice, tuple[slice, slice]]:
    """Find the window where bicubic loses most: rows and columns of high, and the matching window of low."""
    spec = codec.spec
    of_high, of_low = [], []
    window = worst_window(high, bicubic, min(SIDE, high.shape[0]), min(SIDE, high.shape[1]))
    for factor, at, side in zip((spec.s, spec.r), window, high.shape[:2], strict=True):
        p, q = factor.numerator, factor.denominator
        length = max(1, min(SIDE, side) // p)  # in cells of p pixels of high and q pixels of low
        first = min(at // p, side // p - length)
        of_high.append(slice(first * p, (first + length) * p))
        of_low.append(slice(first * q, (first + length) * q))
    return of_high[0], of_high[1], (of_low[0], of_low[1])
