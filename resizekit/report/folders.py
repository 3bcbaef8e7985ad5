"""What `roundtrip` and `pyramid` wrote, to be shown: a ladder of factors, and triptychs."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from resizekit.errors import ImageError, ResizeKitError
from resizekit.evaluation.channels import to_display
from resizekit.images.io.read import read_picture
from resizekit.images.value_range import normalize
from resizekit.report.inline import Inline, inline
from resizekit.showcase.metrics_file import FolderRecord, RoundtripRecord, read_record
from resizekit.showcase.panels import depth_panels, worst_window
from resizekit.spec import ResizeSpec
from resizekit.storage.formats import Pixels

__all__ = ["Shown", "ladder", "triptych"]

_WHOLE, _DETAIL = 576, 448
"""A picture with no side above the first is shown whole, of a larger one a detail of the second."""


@dataclass(frozen=True)
class Shown:
    """One way down and up: three pictures of one detail."""

    name: str
    """Of the original's file."""
    trip: RoundtripRecord
    size: tuple[int, int]
    """Width and height of the whole small picture."""
    original: Inline
    small: Inline
    restored: Inline


def ladder(folder: Path) -> list[Shown]:
    """Show every depth that `pyramid` wrote, in windows that grow with the factor.

    Raises `ResizeKitError` for a folder that is none of ours or whose pictures changed.
    """
    kept = read_record(folder)
    original = _original(folder, kept)
    return [_rung(folder, kept, trip, original) for trip in kept.trips]


def triptych(folder: Path) -> Shown:
    """Show original, small and restored of what `roundtrip` wrote; raises as `ladder`."""
    kept = read_record(folder)
    original = _original(folder, kept)
    if not kept.trips:
        raise ResizeKitError(f"{folder} tells of no roundtrip: make it again")
    trip = kept.trips[-1]
    small, restored = _pictures(folder, kept, trip, original)
    rows, columns = _cut(original, restored)
    sizes = tuple(zip(original.shape, small.shape, strict=True))[:2]
    part = tuple(
        slice(cut.start * few // many, max(cut.start * few // many + 1, -(-cut.stop * few // many)))
        for cut, (many, few) in zip((rows, columns), sizes, strict=True)
    )
    return Shown(
        name=Path(kept.original).name,
        trip=trip,
        size=(small.shape[1], small.shape[0]),
        original=inline(original[rows, columns]),
        small=inline(small[part]),
        restored=inline(restored[rows, columns]),
    )


def _rung(folder: Path, kept: FolderRecord, trip: RoundtripRecord, original: Pixels) -> Shown:
    small, restored = _pictures(folder, kept, trip, original)
    s, r = (max(Fraction(1), Fraction(*pair)) for pair in list(zip(original.shape, small.shape, strict=True))[:2])
    low, back, _, high = depth_panels(ResizeSpec(s=s, r=r), original, restored, restored, small)
    size = small.shape[1], small.shape[0]
    panels = (inline(np.asarray(panel)) for panel in (high, low, back))
    return Shown(Path(kept.original).name, trip, size, *panels)


def _original(folder: Path, kept: FolderRecord) -> Pixels:
    """The picture that the folder was made from, looked for where it lay; only its very pixels are taken."""
    path = folder / kept.original
    if path.is_file():
        picture = read_picture(path, kept.value_range)
        if picture.digest == kept.digest:
            return to_display(normalize(picture.pixels, kept.value_range))
    raise ImageError(
        f"{folder} was made from {kept.original}, which is not there any more or has changed: make the folder again"
    )


def _pictures(folder: Path, kept: FolderRecord, trip: RoundtripRecord, original: Pixels) -> tuple[Pixels, Pixels]:
    small = to_display(read_picture(folder / trip.small).pixels)
    back = read_picture(folder / trip.restored, kept.value_range)
    restored = to_display(normalize(back.pixels, kept.value_range))
    if restored.shape != original.shape:
        raise ImageError(f"{folder / trip.restored} has another size than its original: make the folder again")
    return small, restored


def _cut(original: Pixels, restored: Pixels) -> tuple[slice, slice]:
    """All of a picture, or of a large one a detail."""
    h, w = original.shape[:2]
    if max(h, w) <= _WHOLE:
        return slice(0, h), slice(0, w)
    sides = min(_DETAIL, h), min(_DETAIL, w)
    top, left = worst_window(original, restored, *sides)
    return slice(top, top + sides[0]), slice(left, left + sides[1])
