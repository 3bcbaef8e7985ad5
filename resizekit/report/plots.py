"""Compute the coordinates of inline SVG plots, so that the templates only write them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from resizekit.evaluation.tradeoff import Point

__all__ = ["Curve", "Mark", "Plot", "Tick", "nice_ticks", "tradeoff"]

WIDTH, HEIGHT = 560, 320
LEFT, RIGHT, TOP, BOTTOM = 44, 84, 16, 44
"""Margins; the names of the curves are in the right margin."""
_ZERO = 72
"""Distance between a weight of 0, which is not on the logarithmic axis, and the start of the axis."""


@dataclass(frozen=True)
class Tick:
    """A position on an axis and its label."""

    at: float
    text: str


@dataclass(frozen=True)
class Mark:
    """A point and its tooltip."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Curve:
    """Marks in order, joined by lines. A weight of 0 is not joined."""

    name: str
    marks: list[Mark]
    joined: str
    """The points of the polyline, without a weight of 0."""
    label: float
    """Vertical position of the name, from the top."""


@dataclass(frozen=True)
class Plot:
    """Curves with two axes."""

    curves: list[Curve]
    x: list[Tick]
    y: list[Tick]
    width: int = WIDTH
    height: int = HEIGHT


def tradeoff(points: Sequence[Point]) -> Plot:
    """Place both curves of a sweep: PSNR in dB over the guide weight. The points are sorted by weight."""
    logs = [math.log10(point.guide_weight) for point in points if point.guide_weight > 0]
    zero = any(point.guide_weight == 0 for point in points)
    start, end = LEFT + (_ZERO if zero and logs else 12), WIDTH - RIGHT
    low, high = (min(logs), max(logs)) if logs else (0.0, 0.0)
    ticks = nice_ticks([value for point in points for value in (point.high, point.low)])

    def x(weight: float) -> float:
        if weight == 0:
            return LEFT + 12
        return start + (math.log10(weight) - low) / ((high - low) or 1) * (end - start)

    def y(decibels: float) -> float:
        share = (decibels - ticks[0]) / (ticks[-1] - ticks[0])
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)

    curves = []
    for field, name in (("high", "restored"), ("low", "small")):
        marks = [
            Mark(x(p.guide_weight), y(value), f"{name}, guide weight {p.guide_weight:g}: {value:.2f} dB")
            for p in points
            if (value := getattr(p, field)) is not None
        ]
        joined = " ".join(f"{x(p.guide_weight):.1f},{y(getattr(p, field)):.1f}" for p in points if p.guide_weight > 0)
        curves.append(Curve(name, marks, joined, marks[-1].y))
    if abs(curves[0].label - curves[1].label) < 14:  # the names must not overlap
        upper, lower = sorted(range(2), key=lambda i: curves[i].label)
        middle = (curves[0].label + curves[1].label) / 2
        for i, at in ((upper, middle - 7), (lower, middle + 7)):
            curves[i] = Curve(curves[i].name, curves[i].marks, curves[i].joined, at)
    labels = _without_overlap([Tick(x(point.guide_weight), f"{point.guide_weight:g}") for point in points])
    return Plot(
        curves=curves,
        x=labels,
        y=[Tick(y(value), f"{value:g}") for value in ticks],
    )


def nice_ticks(values: Sequence[float]) -> list[float]:
    """Compute three to seven round numbers at equal distances that span all values.

    Examples:
        >>> nice_ticks([0, 15.1])
        [0, 5, 10, 15, 20]
    """
    low, high = min(values), max(values)
    raw = max(high - low, 1e-3) / 4
    power = 10 ** math.floor(math.log10(raw))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 9) for i in range(first, max(last, first + 1) + 1)]


def _without_overlap(ticks: Sequence[Tick]) -> list[Tick]:
    """Drop labels that would overlap their neighbour."""
    spaced = list(ticks[:1])
    for tick in ticks[1:]:
        if tick.at - spaced[-1].at > 50:
            spaced.append(tick)
    return spaced
