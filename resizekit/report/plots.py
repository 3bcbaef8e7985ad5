"""Compute the coordinates of inline SVG plots, so that the templates only write them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from resizekit.evaluation.tradeoff import Point

__all__ = ["Curve", "Mark", "Plot", "Tick", "nice_ticks", "rate_curves", "tradeoff"]

WIDTH, HEIGHT = 560, 320
LEFT, RIGHT, TOP, BOTTOM = 44, 84, 16, 44
"""Margins; the names of the curves are in the right margin."""
_NAMES = 190
"""Right margin of plots with long names."""
_LINE = 14
"""Least distance between two names."""
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
    right: int = RIGHT


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
    curves = _with_spread_labels(curves)
    labels = _without_overlap([Tick(x(point.guide_weight), f"{point.guide_weight:g}") for point in points])
    return Plot(
        curves=curves,
        x=labels,
        y=[Tick(y(value), f"{value:g}") for value in ticks],
    )


def rate_curves(curves: Mapping[str, Sequence[tuple[float, float]]]) -> Plot:
    """Place curves of PSNR in dB over the logarithm of bits per pixel. The names are in the right margin.

    Args:
        curves: Points (bits per pixel, PSNR) of each method by its name; methods without points are left out.
    """
    curves = {name: sorted(points) for name, points in curves.items() if points}
    logs = [math.log10(bpp) for points in curves.values() for bpp, _ in points] or [0.0]
    low, high = min(logs), max(logs)
    ticks = nice_ticks([value for points in curves.values() for _, value in points] or [0.0])
    width = WIDTH + _NAMES

    def x(bpp: float) -> float:
        return LEFT + (math.log10(bpp) - low) / ((high - low) or 1) * (width - _NAMES - LEFT)

    def y(decibels: float) -> float:
        return HEIGHT - BOTTOM - (decibels - ticks[0]) / (ticks[-1] - ticks[0]) * (HEIGHT - BOTTOM - TOP)

    placed = []
    for name, points in curves.items():
        marks = [Mark(x(bpp), y(value), f"{name}, {bpp:.3f} bits per pixel: {value:.2f} dB") for bpp, value in points]
        placed.append(Curve(name, marks, " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in marks), marks[-1].y))
    powers = range(math.floor(low), math.ceil(high) + 1)
    rates = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    return Plot(
        curves=_with_spread_labels(placed),
        x=_without_overlap([Tick(x(rate), f"{rate:g}") for rate in rates if low <= math.log10(rate) <= high]),
        y=[Tick(y(value), f"{value:g}") for value in ticks],
        width=width,
        right=_NAMES,
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


def _with_spread_labels(curves: Sequence[Curve]) -> list[Curve]:
    """Move the names of curves apart that would overlap, as little as possible and within the plot."""
    order = sorted(range(len(curves)), key=lambda i: curves[i].label)
    at = [curves[i].label for i in order]
    for _ in range(len(at)):
        for i in range(1, len(at)):
            if (missing := _LINE - (at[i] - at[i - 1])) > 0:
                at[i - 1], at[i] = at[i - 1] - missing / 2, at[i] + missing / 2
    if at:  # below the upper edge
        at = [max(value, TOP + _LINE * i) for i, value in enumerate(at)]
    found = list(curves)
    for i, label in zip(order, at, strict=True):
        found[i] = replace(found[i], label=label)
    return found


def _without_overlap(ticks: Sequence[Tick]) -> list[Tick]:
    """Drop labels that would overlap their neighbour."""
    spaced = list(ticks[:1])
    for tick in ticks[1:]:
        if tick.at - spaced[-1].at > 50:
            spaced.append(tick)
    return spaced
