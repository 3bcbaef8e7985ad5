"""The range that a picture's values have, where it is not that of their codes: declared, and kept with them."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from resizekit.errors import ImageError, UsageError
from resizekit.storage.formats import Pixels

__all__ = ["ValueRange", "check_value_range", "check_values_in_range", "denormalize", "normalize", "normalized_view"]

ValueRange: TypeAlias = tuple[float, float]
"""What 0 and 1 stand for: the lowest and the highest value."""

_BAND = 1_000_000
"""Values that are float64 at once."""


def check_value_range(value_range: ValueRange) -> ValueRange:
    """Refuse, with a `UsageError`, a value_range that is none."""
    low, high = value_range
    if not (math.isfinite(low) and math.isfinite(high) and low < high and math.isfinite(high - low)):
        raise UsageError(
            f"a value_range of {low:g},{high:g} is none: say LOW,HIGH with two finite numbers, the lower first"
        )
    return value_range


def check_values_in_range(path: str | Path, pixels: Pixels, value_range: ValueRange | None) -> Pixels:
    """Check that a picture's values lie in the value_range that is said of them; gives the picture.

    Raises `ImageError` for floats without a value_range, for what is no number and for what lies outside.
    """
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        raise ImageError(f"{path} holds NaN or infinity: replace them first")
    if value_range is None:
        if pixels.dtype != np.float32:
            return pixels
        raise ImageError(
            f"{path} holds float32 values from {pixels.min():g} to {pixels.max():g}: say what range they may have, "
            "with --value-range LOW,HIGH"
        )
    low, high = (np.float32(end) for end in check_value_range(value_range))
    if pixels.min() < low or pixels.max() > high:
        raise ImageError(
            f"{path} holds values from {pixels.min():g} to {pixels.max():g}, outside the value_range {low:g},{high:g}: "
            "say a wider one"
        )
    return pixels


def normalize(pixels: Pixels, value_range: ValueRange | None) -> Pixels:
    """Bring values of a value_range to float32 in [0, 1]; codes without one stay codes."""
    if value_range is None:
        return pixels
    low, high = value_range
    made = np.empty(pixels.shape, np.float32)
    for rows in _rows(pixels):
        made[rows] = ((pixels[rows].astype(np.float64) - low) / (high - low)).clip(0, 1)
    return made


class _InUnit:
    """A picture of which each part is brought to [0, 1] when it is taken."""

    def __init__(self, pixels: Pixels, value_range: ValueRange) -> None:
        self.shape = pixels.shape
        self._pixels, self._span = pixels, value_range

    def __getitem__(self, part: Any) -> Pixels:
        return normalize(self._pixels[part], self._span)


def normalized_view(pixels: Pixels, value_range: ValueRange | None) -> Pixels:
    """Give what `unit` gives, for a reader of parts: it has the `shape`, and is floats only where a part is taken."""
    return pixels if value_range is None else cast(Pixels, _InUnit(pixels, value_range))


def denormalize(values: Pixels, dtype: npt.DTypeLike, value_range: ValueRange | None) -> Pixels:
    """Bring values of [0, 1] back to their value_range and type; the inverse of `unit` but for rounding."""
    if value_range is None:
        return values
    low, high = value_range
    kind = np.dtype(dtype)
    made: Pixels = np.empty(values.shape, kind)
    for rows in _rows(values):
        back = low + values[rows].astype(np.float64) * (high - low)
        # whatever a manifest says, codes stay codes
        made[rows] = back if kind == np.float32 else np.rint(back).clip(0, np.iinfo(kind).max)
    return made


def _rows(pixels: Pixels) -> Iterator[slice]:
    """Cut a picture into bands, which are float64 one at a time."""
    few = max(1, _BAND // max(1, math.prod(pixels.shape[1:])))
    return (slice(top, top + few) for top in range(0, pixels.shape[0], few))
