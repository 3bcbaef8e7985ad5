"""Results to tables: a row for each way down and up, what is printed beside, and losses shown as wins are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from resizekit.report.budget import training
from resizekit.suites.results import ColumnResult, Metric, Results

__all__ = ["TABLES", "Cell", "Row", "Table", "Verdict", "plain_column", "sections", "tables", "tally"]

Verdict = Literal["better", "worse", "level"]
_LEVEL = 0.005
"""dB below which a difference would be shown as 0.00."""


@dataclass(frozen=True)
class Kind:
    """One sort of table: its title, what it says, and the figures of a set."""

    name: str
    title: str
    words: str
    figures: tuple[Metric, ...]
    digits: int
    printed: bool = False


TABLES = (
    Kind("psnr", "Restored against the original", "PSNR in dB", ("high_rgb", "high_y"), 2, printed=True),
    Kind("ssim", "Structure kept", "SSIM of restored and original", ("ssim_rgb", "ssim_y"), 4),
    Kind("low", "Small against bicubic", "PSNR in dB of the small picture against bicubic's", ("low_rgb", "low_y"), 2),
)


@dataclass(frozen=True)
class Cell:
    """One mean, and what is printed of it."""

    value: float | None
    printed: float | None
    best: bool
    """Of all that were measured in its column."""
    pictures: int | None
    """So many pictures only, where it is not all of the set."""

    @property
    def difference(self) -> float | None:
        """How much more than printed, which is of whole sets; None beside a part of one."""
        if self.value is None or self.printed is None or self.pictures is not None:
            return None
        return self.value - self.printed

    @property
    def verdict(self) -> Verdict | None:
        """Better or worse than printed."""
        if self.difference is None:
            return None
        if abs(self.difference) < _LEVEL:
            return "level"
        return "better" if self.difference > 0 else "worse"


@dataclass(frozen=True)
class Row:
    """One way down and up."""

    column: ColumnResult
    budget: str
    cells: list[Cell]
    beside: str | None
    """The label of the column whose printed values stand here, if it is another."""


@dataclass(frozen=True)
class Table:
    """Columns of one factor and as many channels in one sort of figure."""

    kind: Kind
    factor: int
    channels: int
    sets: list[str]
    heads: list[str]
    """Of the figures of each set."""
    groups: list[tuple[str, list[Row]]]


def tables(results: Results, factor: int, channels: int) -> list[Table]:
    """Give the tables of a factor and so many channels, without those that hold no figure at all."""
    made = [_table(results, factor, channels, kind) for kind in TABLES]
    return [table for table in made if any(cell.value is not None or cell.printed is not None for cell in cells(table))]


def cells(table: Table) -> Iterator[Cell]:
    """Give every cell."""
    yield from (cell for _, rows in table.groups for row in rows for cell in row.cells)


def tally(results: Results) -> dict[Verdict, int]:
    """Count over all tables how the means of networks stand against what is printed of whole sets."""
    counts: dict[Verdict, int] = {"better": 0, "worse": 0, "level": 0}
    for factor, channels in sections(results):
        for row in (row for _, rows in _table(results, factor, channels, TABLES[0]).groups for row in rows):
            for verdict in (cell.verdict for cell in row.cells):
                if verdict is not None:
                    counts[verdict] += 1
    return counts


def sections(results: Results) -> list[tuple[int, int]]:
    """Give every factor and number of channels that networks are for: colour comes before a single channel."""
    networks = [one for one in results.columns if not _is_plain(one)] or results.columns
    return sorted({(one.factor, one.channels) for one in networks}, key=lambda pair: (pair[0], -pair[1]))


def plain_column(results: Results, factor: int) -> ColumnResult | None:
    """Find what has no networks at all: bicubic itself."""
    return next((one for one in results.columns if one.factor == factor and _is_plain(one)), None)


def _is_plain(column: ColumnResult) -> bool:
    return column.status == "measured" and column.weights is None


def _table(results: Results, factor: int, channels: int, kind: Kind) -> Table:
    columns = [one for one in results.columns if one.factor == factor and (one.channels == channels or _is_plain(one))]
    sets = [one.name for one in results.sets if one.measured]
    figures = [figure for figure in kind.figures if channels != 1 or figure.endswith("_y")]
    places = [(which, figure) for which in sets for figure in figures]
    means = {
        (column.key, which, figure): results.mean(column.key, which, figure)
        for column in columns
        for which, figure in places
    }
    best = {
        place: max((value for column in columns if (value := means[column.key, *place]) is not None), default=None)
        for place in places
    }
    whole = {one.name: one.pictures for one in results.sets}
    groups: dict[str, list[Row]] = {}
    for column in columns:
        row = []
        for which, figure in places:
            value = means[column.key, which, figure]
            printed = results.printed_beside(column.key, which) if kind.printed and not _is_plain(column) else None
            number = None if printed is None else printed.y if figure.endswith("_y") else printed.rgb
            count = sum(getattr(one, figure) is not None for one in results.of(column.key, which))
            part = count if value is not None and count < whole[which] else None
            row.append(Cell(value, number, value is not None and value == best[which, figure], part))
        groups.setdefault(column.group, []).append(Row(column, training(column), row, _beside(results, column)))
    heads = [figure.rpartition("_")[2].upper() for figure in figures]
    return Table(kind, factor, channels, sets, heads, list(groups.items()))


def _beside(results: Results, column: ColumnResult) -> str | None:
    other = results.column(column.beside) if column.beside else None
    own = any(one.column == column.key for one in results.printed)
    return None if other is None or own else other.label
