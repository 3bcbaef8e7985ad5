"""Prepare the folders that `roundtrip` and `pyramid` wrote for the report."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from resizekit.errors import ImageError, ResizeKitError
from resizekit.evaluation.channels import to_display
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.value_range import normalize
from resizekit.report.inline import InlinePicture, inline_picture
from resizekit.showcase.metrics_file import FolderRecord, RoundtripRecord, read_record
from resizekit.showcase.panels import depth_panels, worst_window
from resizekit.spec import HW, ResizeSpec
from resizekit.storage.formats import Pixels

__all__ = ["RoundtripView", "pyramid_views", "roundtrip_view"]

_MAX_SIDE, _DETAIL = 576, 448
"""A picture up to `_MAX_SIDE` pixels is shown entirely, a larger one as a detail of `_DETAIL` pixels."""


@dataclass(frozen=True)
class RoundtripView:
    """The same detail of the original, the small and the restored picture."""

    name: str
    """File name of the original."""
    record: RoundtripRecord
    size: HW
    """Size of the entire small picture."""
    original: InlinePicture
    small: InlinePicture
    restored: InlinePicture


def pyramid_views(folder: Path) -> list[RoundtripView]:
    """Prepare every depth that `pyramid` wrote. The details that are cut out of the pictures grow with the factor.

    Args:
        folder: The folder.

    Returns:
        A view for each depth.

    Raises:
        ResizeKitError: If the folder was not written by `pyramid` or `roundtrip`.
        ImageError: If its pictures have changed.
    """
    record = read_record(folder)
    original = _read_original(folder, record)
    return [_depth_view(folder, record, trip, original) for trip in record.roundtrips]


def roundtrip_view(folder: Path) -> RoundtripView:
    """Prepare the original, small and restored picture that `roundtrip` wrote.

    Raises:
        ResizeKitError: If the folder was not written by `pyramid` or `roundtrip`.
        ImageError: If its pictures have changed.
    """
    record = read_record(folder)
    original = _read_original(folder, record)
    if not record.roundtrips:
        raise ResizeKitError(f"metrics.json in {folder} lists no roundtrip: make the folder again")
    trip = record.roundtrips[-1]
    small, restored = _read_pictures(folder, record, trip, original)
    window = _detail(original, restored)
    sides = tuple(zip(original.shape, small.shape, strict=True))[:2]
    small_window = tuple(
        slice(cut.start * low // high, max(cut.start * low // high + 1, -(-cut.stop * low // high)))
        for cut, (high, low) in zip(window, sides, strict=True)
    )
    return RoundtripView(
        name=Path(record.original).name,
        record=trip,
        size=HW(*small.shape[:2]),
        original=inline_picture(original[window]),
        small=inline_picture(small[small_window]),
        restored=inline_picture(restored[window]),
    )


def _depth_view(folder: Path, record: FolderRecord, trip: RoundtripRecord, original: Pixels) -> RoundtripView:
    small, restored = _read_pictures(folder, record, trip, original)
    s, r = (max(Fraction(1), Fraction(*sides)) for sides in list(zip(original.shape, small.shape, strict=True))[:2])
    low, back, _, high = depth_panels(ResizeSpec(s=s, r=r), original, restored, restored, small)
    panels = (inline_picture(np.asarray(panel)) for panel in (high, low, back))
    return RoundtripView(Path(record.original).name, trip, HW(*small.shape[:2]), *panels)


def _read_original(folder: Path, record: FolderRecord) -> Pixels:
    """Read the original at its recorded path, and compare its digest with the recorded one."""
    path = folder / record.original
    if path.is_file():
        picture = read_picture(path, record.value_range, frame=record.frame)
        if picture.digest == record.digest:
            return to_display(normalize(picture.pixels, record.value_range))
    raise ImageError(
        f"{folder} was made from {record.original}, which is missing or has changed: make the folder again"
    )


def _read_pictures(
    folder: Path, record: FolderRecord, trip: RoundtripRecord, original: Pixels
) -> tuple[Pixels, Pixels]:
    small = to_display(read_picture(folder / trip.small).pixels)
    back = read_picture(folder / trip.restored, record.value_range)
    restored = to_display(normalize(back.pixels, record.value_range))
    if restored.shape != original.shape:
        raise ImageError(f"{folder / trip.restored} has another size than its original: make the folder again")
    return small, restored


def _detail(original: Pixels, restored: Pixels) -> tuple[slice, slice]:
    """Select the entire picture, or the detail of a large picture that loses most."""
    h, w = original.shape[:2]
    if max(h, w) <= _MAX_SIDE:
        return slice(0, h), slice(0, w)
    sides = min(_DETAIL, h), min(_DETAIL, w)
    top, left = worst_window(original, restored, *sides)
    return slice(top, top + sides[0]), slice(left, left + sides[1])
