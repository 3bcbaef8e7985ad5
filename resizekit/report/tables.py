"""Convert results to tables: a row for each column of the suite, each mean next to its published value."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from resizekit.report.budget import training_budget
from resizekit.suites.results import ColumnResult, Metric, Results

__all__ = ["TABLES", "Cell", "Row", "Table", "TableKind", "Verdict", "bicubic_column", "sections", "tables", "tally"]

Verdict = Literal["better", "worse", "equal"]
_EQUAL = 0.005
"""Differences in dB below this value would be shown as 0.00."""


@dataclass(frozen=True)
class TableKind:
    """A kind of table: its title, its description, and the metrics of each set."""

    name: str
    title: str
    description: str
    metrics: tuple[Metric, ...]
    digits: int
    published: bool = False
    """Whether published values exist for these metrics."""


TABLES = (
    TableKind(
        "psnr", "Restored pictures", "PSNR in dB against the original", ("high_rgb", "high_y"), 2, published=True
    ),
    TableKind("ssim", "Structural similarity", "SSIM of restored and original pictures", ("ssim_rgb", "ssim_y"), 4),
    TableKind("low", "Small pictures", "PSNR in dB against bicubic", ("low_rgb", "low_y"), 2),
)


@dataclass(frozen=True)
class Cell:
    """A mean and its published value."""

    value: float | None
    published: float | None
    best: bool
    """Whether this is the best measured value of its set."""
    pictures: int | None
    """Number of measured pictures if the set is incomplete; None if it is complete."""

    @property
    def difference(self) -> float | None:
        """Measured minus published; None for an incomplete set, because published values are for complete sets."""
        if self.value is None or self.published is None or self.pictures is not None:
            return None
        return self.value - self.published

    @property
    def verdict(self) -> Verdict | None:
        """The sign of the difference."""
        if self.difference is None:
            return None
        if abs(self.difference) < _EQUAL:
            return "equal"
        return "better" if self.difference > 0 else "worse"


@dataclass(frozen=True)
class Row:
    """A column of the suite."""

    column: ColumnResult
    budget: str
    cells: list[Cell]
    compared_with: str | None
    """Label of the column whose published values are used, if it is another column."""


@dataclass(frozen=True)
class Table:
    """Columns with the same factor and number of channels, and one kind of metric."""

    kind: TableKind
    factor: int
    channels: int
    sets: list[str]
    heads: list[str]
    """Names of the metrics of each set."""
    groups: list[tuple[str, list[Row]]]


def tables(results: Results, factor: int, channels: int) -> list[Table]:
    """Make the tables for a factor and a number of channels; empty tables are left out."""
    made = [_table(results, factor, channels, kind) for kind in TABLES]
    return [
        table for table in made if any(cell.value is not None or cell.published is not None for cell in cells(table))
    ]


def cells(table: Table) -> Iterator[Cell]:
    """Iterate over all cells of a table."""
    yield from (cell for _, rows in table.groups for row in rows for cell in row.cells)


def tally(results: Results) -> dict[Verdict, int]:
    """Count how many means over complete sets are better than, worse than or equal to their published values."""
    counts: dict[Verdict, int] = {"better": 0, "worse": 0, "equal": 0}
    for factor, channels in sections(results):
        for cell in cells(_table(results, factor, channels, TABLES[0])):
            if cell.verdict is not None:
                counts[cell.verdict] += 1
    return counts


def sections(results: Results) -> list[tuple[int, int]]:
    """List every (factor, channels) of the networks, sorted; colour comes before one channel."""
    networks = [column for column in results.columns if not _is_bicubic(column)] or results.columns
    return sorted({(column.factor, column.channels) for column in networks}, key=lambda pair: (pair[0], -pair[1]))


def bicubic_column(results: Results, factor: int) -> ColumnResult | None:
    """Return the measured column without networks at a factor, or None."""
    return next((column for column in results.columns if column.factor == factor and _is_bicubic(column)), None)


def _is_bicubic(column: ColumnResult) -> bool:
    return column.status == "measured" and column.weights is None


def _table(results: Results, factor: int, channels: int, kind: TableKind) -> Table:
    columns = [
        column
        for column in results.columns
        if column.factor == factor and (column.channels == channels or _is_bicubic(column))
    ]
    sets = [item.name for item in results.sets if item.measured]
    metrics = [metric for metric in kind.metrics if channels != 1 or metric.endswith("_y")]
    places = [(name, metric) for name in sets for metric in metrics]
    means = {
        (column.key, name, metric): results.mean(column.key, name, metric)
        for column in columns
        for name, metric in places
    }
    best = {
        place: max((value for column in columns if (value := means[column.key, *place]) is not None), default=None)
        for place in places
    }
    set_sizes = {item.name: item.pictures for item in results.sets}
    groups: dict[str, list[Row]] = {}
    for column in columns:
        row = []
        for name, metric in places:
            value = means[column.key, name, metric]
            published = results.published_for(column.key, name) if kind.published and not _is_bicubic(column) else None
            number = None if published is None else published.y if metric.endswith("_y") else published.rgb
            count = sum(getattr(item, metric) is not None for item in results.of(column.key, name))
            incomplete = count if value is not None and count < set_sizes[name] else None
            row.append(Cell(value, number, value is not None and value == best[name, metric], incomplete))
        groups.setdefault(column.group, []).append(
            Row(column, training_budget(column), row, _compared_with(results, column))
        )
    heads = [metric.rpartition("_")[2].upper() for metric in metrics]
    return Table(kind, factor, channels, sets, heads, list(groups.items()))


def _compared_with(results: Results, column: ColumnResult) -> str | None:
    other = results.column(column.compare_with) if column.compare_with else None
    has_published = any(item.column == column.key for item in results.published)
    return None if other is None or has_published else other.label
