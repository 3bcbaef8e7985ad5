"""Curves of quality over bytes: their points, means, values at a rate, and the difference between two curves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Curve", "Kind", "Point", "bd_rate", "mean_curve", "value_at"]

Kind = Literal["full", "bicubic", "small"]
"""Formats at full size; bicubic small pictures in a format; small pictures of weights."""
_SAMPLES = 200


class Point(NamedTuple):
    """One file: its size, and the quality of the picture that comes back."""

    bpp: float
    """Bits per pixel of the original."""
    rgb: float
    """PSNR of RGB in dB."""
    y: float
    """PSNR of luma in dB."""
    perceptual: float | None = None
    """Score of a perceptual metric; None: not measured."""
    quality: int | None = None
    """Quality of the format; None: it has no qualities."""


@dataclass(frozen=True)
class Curve:
    """The points of one method, from the smallest file to the largest."""

    name: str
    points: tuple[Point, ...]
    kind: Kind = "small"

    def as_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return {"name": self.name, "kind": self.kind, "points": [point._asdict() for point in self.points]}


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """Average the curves of one method over several pictures, point by point."""
    points = []
    for same in zip(*(curve.points for curve in curves), strict=True):
        scores = [point.perceptual for point in same if point.perceptual is not None]
        bpp, rgb, y = np.mean([point[:3] for point in same], axis=0).tolist()
        perceptual = float(np.mean(scores)) if len(scores) == len(same) else None
        points.append(Point(bpp, rgb, y, perceptual, same[0].quality))
    return Curve(curves[0].name, tuple(points), curves[0].kind)


def value_at(curve: Curve, bpp: float, metric: str = "rgb") -> float | None:
    """Return the quality at a rate, on lines over the logarithm of the rate; None outside of the curve's rates.

    Examples:
        >>> curve = Curve("x", (Point(0.1, 30, 31), Point(0.4, 34, 35)))
        >>> value_at(curve, 0.2)
        32.0
    """
    rates, values = _measured(curve, metric)
    if not len(rates) or not rates[0] - 1e-9 <= math.log(bpp) <= rates[-1] + 1e-9:
        return None
    return round(float(np.interp(math.log(bpp), rates, values)), 6)


def bd_rate(curve: Curve, anchor: Curve, metric: str = "rgb") -> float | None:
    """Return the mean difference of the rate at equal quality, in percent (Bjøntegaard's delta, with lines).

    Args:
        curve: The method.
        anchor: The method to compare with; negative results mean that `curve` needs fewer bytes.
        metric: "rgb", "y" or "perceptual".

    Returns:
        The difference over all qualities that both reach; None if there are none.

    Examples:
        >>> anchor = Curve("a", (Point(0.1, 30, 31), Point(0.4, 34, 35)))
        >>> half = Curve("b", (Point(0.05, 30, 31), Point(0.2, 34, 35)))
        >>> round(bd_rate(half, anchor))
        -50
    """
    (rates, values), (other_rates, other_values) = _measured(curve, metric), _measured(anchor, metric)
    if min(len(rates), len(other_rates)) < 2:
        return None
    values, other_values = np.maximum.accumulate(values), np.maximum.accumulate(other_values)
    low, high = max(values[0], other_values[0]), min(values[-1], other_values[-1])
    if low >= high:
        return None
    at = np.linspace(low, high, _SAMPLES)
    difference = np.interp(at, values, rates) - np.interp(at, other_values, other_rates)
    return float(np.expm1(difference.mean()) * 100)


def _measured(curve: Curve, metric: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return logarithms of the rate, ascending, and values."""
    pairs = sorted(
        (math.log(point.bpp), value)
        for point in curve.points
        if (value := getattr(point, metric)) is not None and math.isfinite(value)  # infinite: a perfect restoration
    )
    return np.array([rate for rate, _ in pairs]), np.array([value for _, value in pairs])
