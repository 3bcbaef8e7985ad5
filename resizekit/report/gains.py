"""How much each picture gains over bicubic in one column: which are the best cases, which the worst, and a drawing."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from resizekit.errors import UsageError
from resizekit.plugin.registry import installed
from resizekit.report.plots import Mark, Tick, nice_ticks
from resizekit.report.tables import plain_column
from resizekit.suites.results import ColumnResult, PictureResult, Results

__all__ = ["Gain", "Strips", "column_of", "extremes", "gains", "strips"]

WIDTH, LEFT, RIGHT, ROW, BOTTOM = 560, 84, 20, 44, 40


@dataclass(frozen=True)
class Gain:
    """One picture in a column and by bicubic, PSNR in dB: of RGB, or of Y where the column has no other."""

    told: PictureResult
    high: float
    plain: float

    @property
    def gain(self) -> float:
        """How much better than bicubic; below zero it is worse."""
        return self.high - self.plain


def column_of(results: Results, key: str | None) -> ColumnResult | None:
    """Find the column to look at closely: that of the key, or the first of ours with figures, installed ones before.

    None if there is none of ours; a `UsageError` for a key that is unknown or was not measured.
    """
    measured = [column for column in results.columns if column.status == "measured" and column.weights is not None]
    if key is None:
        ours = [column for column in measured if column.group == "ours"]
        return next((column for column in ours if column.weights in installed().weights), ours[0] if ours else None)
    told = results.column(key)
    if told is None or told not in measured:
        why = "there is none of that name" if told is None else f"{told.label} has no networks that were measured"
        names = ", ".join(column.key for column in measured) or "none"
        raise UsageError(f"--column {key!r}: {why}; measured were: {names}")
    return told


def gains(results: Results, column: ColumnResult) -> list[Gain]:
    """Give every picture that was measured both in the column and by bicubic at its factor."""
    plain = plain_column(results, column.factor)
    if plain is None:
        return []
    figure = "high_y" if column.channels == 1 else "high_rgb"
    theirs = {(one.set, one.picture): getattr(one, figure) for one in results.pictures if one.column == plain.key}
    found = []
    for one in results.pictures:
        ours, other = getattr(one, figure), theirs.get((one.set, one.picture))
        if one.column == column.key and ours is not None and other is not None:
            found.append(Gain(one, ours, other))
    return found


def extremes(found: Sequence[Gain], count: int) -> tuple[list[Gain], list[Gain]]:
    """Give the best and the worst, so many of each at most, the best one first and the worst one first; none twice."""
    order = sorted(found, key=lambda one: (-one.gain, one.told.set, one.told.picture))
    best = order[: min(count, (len(order) + 1) // 2)]
    rest = order[len(best) :]
    return best, rest[::-1][:count]


@dataclass(frozen=True)
class Strips:
    """A row of dots for each set over one axis of gains."""

    rows: list[tuple[str, float, list[Mark]]]
    """Name, the middle of the row from the top, and the pictures' dots."""
    x: list[Tick]
    height: int
    width: int = WIDTH


def strips(found: Sequence[Gain]) -> Strips:
    """Place the gains of at least one picture; dots that would hide one another evade upwards and downwards."""
    ticks = nice_ticks([0, *(one.gain for one in found)])

    def x(gain: float) -> float:
        return LEFT + (gain - ticks[0]) / (ticks[-1] - ticks[0]) * (WIDTH - LEFT - RIGHT)

    rows = []
    for i, (name, those) in enumerate(groupby(found, key=lambda one: one.told.set)):
        middle = ROW * i + ROW / 2 + 6
        taken: dict[int, int] = {}
        marks = []
        for one in sorted(those, key=lambda one: one.gain):
            at = x(one.gain)
            place = taken[round(at / 6)] = taken.get(round(at / 6), -1) + 1
            aside = (place + 1) // 2 * (4 if place % 2 else -4)
            text = f"{one.told.picture}: {one.gain:+.2f} dB ({one.high:.2f} against {one.plain:.2f})"
            marks.append(Mark(at, middle + max(-18, min(18, aside)), text))
        rows.append((name, middle, marks))
    return Strips(rows, [Tick(x(value), f"{value:+g}" if value else "0") for value in ticks], ROW * len(rows) + BOTTOM)
