"""The declared range of a picture's values, where it differs from the range of the integer type."""

import math
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from resizekit.errors import ImageError, UsageError
from resizekit.storage.formats import Pixels
from resizekit.system.scratch import bands

__all__ = ["ValueRange", "check_value_range", "check_values_in_range", "denormalize", "normalize", "normalized_view"]

ValueRange: TypeAlias = tuple[float, float]
"""The values that 0 and 1 stand for: the lowest and the highest."""

_BAND = 1_000_000
"""Values that are in memory as float64 at once."""


def check_value_range(value_range: ValueRange) -> ValueRange:
    """Validate a range and return it.

    Raises:
        UsageError: An end is not finite, or the first is not lower than the second.
    """
    low, high = value_range
    if not (math.isfinite(low) and math.isfinite(high) and low < high and math.isfinite(high - low)):
        raise UsageError(f"invalid range {low:g},{high:g}: expected LOW,HIGH with LOW < HIGH, both finite")
    return value_range


def check_values_in_range(path: object, pixels: Pixels, value_range: ValueRange | None) -> Pixels:
    """Check that all values of a picture lie in its declared range, and return the picture.

    Args:
        path: The file, for the error message.
        pixels: `h w c`.
        value_range: The declared range; None: the range of the integer type.

    Raises:
        ImageError: The picture holds float32 values without a declared range, NaN or infinity, or values outside.
        UsageError: The range itself is invalid.
    """
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        raise ImageError(f"{path} holds NaN or infinity: replace them first")
    if value_range is None:
        if pixels.dtype != np.float32:
            return pixels
        raise ImageError(
            f"{path} holds float32 values from {pixels.min():g} to {pixels.max():g}: declare their range "
            "with --value-range LOW,HIGH (in Python: value_range=(LOW, HIGH))"
        )
    low, high = (np.float32(end) for end in check_value_range(value_range))
    if pixels.min() < low or pixels.max() > high:
        raise ImageError(
            f"{path} holds values from {pixels.min():g} to {pixels.max():g}, outside the value range {low:g},{high:g}: "
            "declare a wider one"
        )
    return pixels


def normalize(pixels: Pixels, value_range: ValueRange | None) -> Pixels:
    """Map values of a declared range to float32 in [0, 1]; without a range, return the picture itself.

    Examples:
        >>> normalize(np.array([[[0], [1023]]], np.uint16), (0, 1023)).tolist()
        [[[0.0], [1.0]]]
    """
    if value_range is None:
        return pixels
    low, high = value_range
    normalized = np.empty(pixels.shape, np.float32)
    for rows in bands(pixels.shape, size=_BAND):
        normalized[rows] = ((pixels[rows].astype(np.float64) - low) / (high - low)).clip(0, 1)
    return normalized


class _NormalizedView:
    """A picture that normalizes each part when it is indexed."""

    def __init__(self, pixels: Pixels, value_range: ValueRange) -> None:
        self.shape = pixels.shape
        self.base, self._value_range = pixels, value_range

    def __getitem__(self, part: Any) -> Pixels:
        return normalize(self.base[part], self._value_range)


def normalized_view(pixels: Pixels, value_range: ValueRange | None) -> Pixels:
    """Return `normalize(pixels, value_range)` as a lazy view, for callers that read only parts.

    Returns:
        An object with a `shape`, which computes floats only for the parts that are indexed.
    """
    return pixels if value_range is None else cast(Pixels, _NormalizedView(pixels, value_range))


def denormalize(values: Pixels, dtype: npt.DTypeLike, value_range: ValueRange | None) -> Pixels:
    """Map [0, 1] back to a declared range; the inverse of `normalize` except for rounding.

    Args:
        values: float32 in [0, 1]; without a range, any values.
        dtype: Type of the result: uint8, uint16 or float32.
        value_range: The declared range; None: return the values themselves.
    """
    if value_range is None:
        return values
    low, high = value_range
    target = np.dtype(dtype)
    result: Pixels = np.empty(values.shape, target)
    for rows in bands(values.shape, size=_BAND):
        scaled = low + values[rows].astype(np.float64) * (high - low)
        # clip to the type: a manifest may declare a range that the integer type does not have
        result[rows] = scaled if target == np.float32 else np.rint(scaled).clip(0, np.iinfo(target).max)
    return result
