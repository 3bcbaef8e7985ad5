"""Where things stand on a drawing: the numbers of inline SVG, so that the template only writes them down."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from resizekit.evaluation.tradeoff import Point

__all__ = ["Curve", "Mark", "Plot", "Tick", "nice_ticks", "tradeoff"]

WIDTH, HEIGHT = 560, 320
LEFT, RIGHT, TOP, BOTTOM = 44, 84, 16, 44
"""Margins; names of the curves stand at the right."""
_ZERO = 72
"""A weight of 0 has no place on a logarithmic axis: it stands so far to the left of it."""


@dataclass(frozen=True)
class Tick:
    """A place on an axis and what is written there."""

    at: float
    text: str


@dataclass(frozen=True)
class Mark:
    """A point, and what it says."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Curve:
    """Marks in order, joined by lines; a line to a point that stands apart is broken."""

    name: str
    marks: list[Mark]
    joined: str
    """The points of a polyline, without the one that stands apart."""
    label: float
    """Where its name stands, from the top."""


@dataclass(frozen=True)
class Plot:
    """A drawing with two axes."""

    curves: list[Curve]
    x: list[Tick]
    y: list[Tick]
    width: int = WIDTH
    height: int = HEIGHT


def tradeoff(points: Sequence[Point]) -> Plot:
    """Place both curves of a sweep, PSNR in dB over the guide weight; the points come smallest weight first."""
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
    if abs(curves[0].label - curves[1].label) < 14:  # names must not lie upon one another
        upper, lower = sorted(range(2), key=lambda i: curves[i].label)
        middle = (curves[0].label + curves[1].label) / 2
        for i, at in ((upper, middle - 7), (lower, middle + 7)):
            curves[i] = Curve(curves[i].name, curves[i].marks, curves[i].joined, at)
    shown = _spread([Tick(x(point.guide_weight), f"{point.guide_weight:g}") for point in points])
    return Plot(
        curves=curves,
        x=shown,
        y=[Tick(y(value), f"{value:g}") for value in ticks],
    )


def nice_ticks(values: Sequence[float]) -> list[float]:
    """Give round numbers at equal steps, three to seven of them, that hold all values between the first and last."""
    low, high = min(values), max(values)
    raw = max(high - low, 1e-3) / 4
    power = 10 ** math.floor(math.log10(raw))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 9) for i in range(first, max(last, first + 1) + 1)]


def _spread(ticks: Sequence[Tick]) -> list[Tick]:
    """Leave out what would be written over its neighbour."""
    kept = list(ticks[:1])
    for tick in ticks[1:]:
        if tick.at - kept[-1].at > 50:
            kept.append(tick)
    return kept
