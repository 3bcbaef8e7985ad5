"""The range that a picture's values have, where it is not that of their codes: declared, and kept with them."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from resizekit.errors import ImageError, UsageError
from resizekit.storage.formats import Pixels

__all__ = ["Span", "check_span", "in_unit", "physical", "spanned", "unit"]

Span: TypeAlias = tuple[float, float]
"""What 0 and 1 stand for: the lowest and the highest value."""

_BAND = 1_000_000
"""Values that are float64 at once."""


def check_span(span: Span) -> Span:
    """Refuse, with a `UsageError`, a span that is none."""
    low, high = span
    if not (math.isfinite(low) and math.isfinite(high) and low < high and math.isfinite(high - low)):
        raise UsageError(f"a span of {low:g},{high:g} is none: say LOW,HIGH with two finite numbers, the lower first")
    return span


def spanned(path: str | Path, pixels: Pixels, span: Span | None) -> Pixels:
    """Check that a picture's values lie in the span that is said of them; gives the picture.

    Raises `ImageError` for floats without a span, for what is no number and for what lies outside.
    """
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        raise ImageError(f"{path} holds NaN or infinity: replace them first")
    if span is None:
        if pixels.dtype != np.float32:
            return pixels
        raise ImageError(
            f"{path} holds float32 values from {pixels.min():g} to {pixels.max():g}: say what range they may have, "
            "with --span LOW,HIGH"
        )
    low, high = (np.float32(end) for end in check_span(span))
    if pixels.min() < low or pixels.max() > high:
        raise ImageError(
            f"{path} holds values from {pixels.min():g} to {pixels.max():g}, outside the span {low:g},{high:g}: "
            "say a wider one"
        )
    return pixels


def unit(pixels: Pixels, span: Span | None) -> Pixels:
    """Bring values of a span to float32 in [0, 1]; codes without one stay codes."""
    if span is None:
        return pixels
    low, high = span
    made = np.empty(pixels.shape, np.float32)
    for rows in _rows(pixels):
        made[rows] = ((pixels[rows].astype(np.float64) - low) / (high - low)).clip(0, 1)
    return made


class _InUnit:
    """A picture of which each part is brought to [0, 1] when it is taken."""

    def __init__(self, pixels: Pixels, span: Span) -> None:
        self.shape = pixels.shape
        self._pixels, self._span = pixels, span

    def __getitem__(self, part: Any) -> Pixels:
        return unit(self._pixels[part], self._span)


def in_unit(pixels: Pixels, span: Span | None) -> Pixels:
    """Give what `unit` gives, for a reader of parts: it has the `shape`, and is floats only where a part is taken."""
    return pixels if span is None else cast(Pixels, _InUnit(pixels, span))


def physical(values: Pixels, dtype: npt.DTypeLike, span: Span | None) -> Pixels:
    """Bring values of [0, 1] back to their span and type; the inverse of `unit` but for rounding."""
    if span is None:
        return values
    low, high = span
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
