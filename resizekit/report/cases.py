"""Single pictures to look at: restored here and now by a column's weights, and cut to the detail that tells most."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from resizekit.codec import Codec
from resizekit.errors import ImageError, UsageError
from resizekit.evaluation.channels import read_measured
from resizekit.evaluation.measure import bicubic_roundtrip, roundtrip
from resizekit.images.io.find import find_pictures
from resizekit.images.selection import choose_codec
from resizekit.plugin.registry import installed
from resizekit.report.gains import Gain
from resizekit.report.inline import Inline, inline
from resizekit.showcase.panels import worst_window
from resizekit.storage.formats import Pixels
from resizekit.suites.results import ColumnResult

__all__ = ["SIDE", "Case", "codec_of", "make_cases"]

SIDE = 320
"""A detail has so many pixels a side at most, or the page would be too large to send around."""


@dataclass(frozen=True)
class Case:
    """One detail of one picture, four ways."""

    gain: Gain
    best: bool
    """Among the best, or else the worst."""
    size: tuple[int, int]
    """Width and height of the whole picture."""
    place: tuple[int, int]
    """Left and top of the detail in it."""
    original: Inline
    bicubic: Inline
    restored: Inline
    small: Inline


def codec_of(column: ColumnResult) -> Codec:
    """Load the installed weights of a column; a `UsageError` if they are not there, or not those that were measured."""
    if column.weights not in installed().weights:
        raise UsageError(
            f"the weights {column.weights!r} of column {column.key!r} are not installed, so nothing can be "
            "restored with them: name another --column, or leave out --data"
        )
    codec = choose_codec(weights=column.weights, task=None, precision="float32")
    if column.digest is not None and codec.digest != column.digest:
        raise UsageError(
            f"the weights {column.weights!r} that are installed are not those that column {column.key!r} was measured "
            "with: evaluate again, name another --column, or leave out --data"
        )
    return codec.replace(self_ensemble=True) if column.self_ensemble else codec


def make_cases(
    codec: Codec,
    best: Sequence[Gain],
    worst: Sequence[Gain],
    data: Path,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[Case]:
    """Restore pictures that lie in `data`/SET, the best ones first, the worst one next.

    Raises `UsageError` for sets that are not there, `ImageError` for pictures that are not or cannot be read.
    """
    if not data.is_dir():
        raise UsageError(f"--data {data} is no folder: name the one that holds the sets")
    wanted = [(one, True) for one in best] + [(one, False) for one in worst]
    paths = {which: _files(data, which) for which in sorted({one.told.set for one, _ in wanted})}
    cases = []
    for done, (one, is_best) in enumerate(wanted, start=1):
        path = paths[one.told.set].get(one.told.picture)
        if path is None:
            raise ImageError(f"{data / one.told.set} holds no {one.told.picture}: name the folder that was measured")
        cases.append(_case(codec, one, is_best, path))
        progress(done, len(wanted))
    return cases


def _files(data: Path, which: str) -> dict[str, Path]:
    """The pictures of a set by their names: of what a file of results says nothing becomes a path."""
    folder = next((one for one in data.iterdir() if one.name == which and one.is_dir()), None)
    if folder is None:
        names = ", ".join(sorted(one.name for one in data.iterdir() if one.is_dir())[:8]) or "none"
        raise UsageError(f"--data {data} holds no folder {which!r} (there are: {names}): name the one with the sets")
    return {path.relative_to(folder).as_posix(): path for path in find_pictures([folder])}


def _case(codec: Codec, gain: Gain, best: bool, path: Path) -> Case:
    high = read_measured(codec, path)
    low, restored = roundtrip(codec, high)
    _, plain = bicubic_roundtrip(codec, high)
    rows, columns, small = _detail(codec, high, plain)
    return Case(
        gain=gain,
        best=best,
        size=(high.shape[1], high.shape[0]),
        place=(columns.start, rows.start),
        original=inline(high[rows, columns]),
        bicubic=inline(plain[rows, columns]),
        restored=inline(restored[rows, columns]),
        small=inline(low[small]),
    )


def _detail(codec: Codec, high: Pixels, plain: Pixels) -> tuple[slice, slice, tuple[slice, slice]]:
    """Where bicubic loses most: rows, columns, and the same of low, to the pixel."""
    spec = codec.spec
    whole, part = [], []
    found = worst_window(high, plain, min(SIDE, high.shape[0]), min(SIDE, high.shape[1]))
    for factor, at, side in zip((spec.s, spec.r), found, high.shape[:2], strict=True):
        p, q = factor.numerator, factor.denominator
        length = max(1, min(SIDE, side) // p)  # in steps, of p pixels of high and q of low
        first = min(at // p, side // p - length)
        whole.append(slice(first * p, (first + length) * p))
        part.append(slice(first * q, (first + length) * q))
    return whole[0], whole[1], (part[0], part[1])
