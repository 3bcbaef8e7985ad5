"""Compute the gain of each picture over bicubic in one column, select the extremes, and draw all gains."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from resizekit.errors import UsageError
from resizekit.plugin.registry import installed
from resizekit.report.plots import Mark, Tick, nice_ticks
from resizekit.report.tables import bicubic_column
from resizekit.suites.results import ColumnResult, PictureResult, Results

__all__ = ["Gain", "Strips", "column_of", "extremes", "gains", "strips"]

WIDTH, LEFT, RIGHT, ROW, BOTTOM = 560, 84, 20, 44, 40


@dataclass(frozen=True)
class Gain:
    """PSNR of one picture in a column and by bicubic, in dB: of RGB, or of Y if the column has one channel."""

    result: PictureResult
    restored: float
    bicubic: float

    @property
    def gain(self) -> float:
        """Restored minus bicubic; negative if bicubic is better."""
        return self.restored - self.bicubic


def column_of(results: Results, key: str | None) -> ColumnResult | None:
    """Select the column whose pictures the report shows.

    Args:
        results: The results.
        key: Key of a measured column; None: the first featured column, preferably one with installed weights.

    Returns:
        The column, or None if no featured column was measured.

    Raises:
        UsageError: If the key is unknown or belongs to a column without measured networks.
    """
    measured = [column for column in results.columns if column.status == "measured" and column.weights is not None]
    if key is None:
        featured = [column for column in measured if column.featured]
        default = featured[0] if featured else None
        return next((column for column in featured if column.weights in installed().weights), default)
    column = results.column(key)
    if column is None or column not in measured:
        reason = "unknown column" if column is None else f"{column.label} has no measured networks"
        names = ", ".join(column.key for column in measured) or "none"
        raise UsageError(f"--column {key!r}: {reason}; measured columns: {names}")
    return column


def gains(results: Results, column: ColumnResult) -> list[Gain]:
    """Compute the gains of all pictures that were measured both in the column and by bicubic at its factor."""
    baseline = bicubic_column(results, column.factor)
    if baseline is None:
        return []
    metric = "high_y" if column.channels == 1 else "high_rgb"
    by_bicubic = {
        (item.set, item.picture): getattr(item, metric) for item in results.pictures if item.column == baseline.key
    }
    found = []
    for item in results.pictures:
        restored, bicubic = getattr(item, metric), by_bicubic.get((item.set, item.picture))
        if item.column == column.key and restored is not None and bicubic is not None:
            found.append(Gain(item, restored, bicubic))
    return found


def extremes(found: Sequence[Gain], count: int) -> tuple[list[Gain], list[Gain]]:
    """Select the pictures with the largest and with the smallest gains.

    Args:
        found: All gains.
        count: Largest number of pictures at each end.

    Returns:
        (best, worst), each with the most extreme picture first. No picture is in both lists.
    """
    order = sorted(found, key=lambda item: (-item.gain, item.result.set, item.result.picture))
    best = order[: min(count, (len(order) + 1) // 2)]
    rest = order[len(best) :]
    return best, rest[::-1][:count]


@dataclass(frozen=True)
class Strips:
    """A plot with a row of dots for each set over a common axis of gains."""

    rows: list[tuple[str, float, list[Mark]]]
    """Name of the set, vertical centre of the row, and the dots."""
    x: list[Tick]
    height: int
    width: int = WIDTH


def strips(found: Sequence[Gain]) -> Strips:
    """Place the gains of at least one picture. Dots that would overlap move up or down."""
    ticks = nice_ticks([0, *(item.gain for item in found)])

    def x(gain: float) -> float:
        return LEFT + (gain - ticks[0]) / (ticks[-1] - ticks[0]) * (WIDTH - LEFT - RIGHT)

    rows = []
    for i, (name, group) in enumerate(groupby(found, key=lambda item: item.result.set)):
        centre = ROW * i + ROW / 2 + 6
        taken: dict[int, int] = {}
        marks = []
        for item in sorted(group, key=lambda item: item.gain):
            at = x(item.gain)
            rank = taken[round(at / 6)] = taken.get(round(at / 6), -1) + 1
            offset = (rank + 1) // 2 * (4 if rank % 2 else -4)
            text = (
                f"{item.result.picture}: {item.gain:+.2f} dB (restored {item.restored:.2f}, bicubic {item.bicubic:.2f})"
            )
            marks.append(Mark(at, centre + max(-18, min(18, offset)), text))
        rows.append((name, centre, marks))
    return Strips(rows, [Tick(x(value), f"{value:+g}" if value else "0") for value in ticks], ROW * len(rows) + BOTTOM)
