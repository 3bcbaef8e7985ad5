"""Print the results of a suite as tables."""

from collections.abc import Iterator, Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from resizekit.cli.output import print_wide
from resizekit.plugin.suite import Suite
from resizekit.report.checks import within_rounding
from resizekit.suites.results import ColumnResult, PublishedMetric, Results, SetResult

__all__ = ["print_results"]

Kind = Literal["rgb", "y"]


def print_results(results: Results, suite: Suite) -> None:
    """Print the tables: restored pictures with published values, small pictures, trainings, times.

    Args:
        results: The results of a run.
        suite: The suite that was run, for the source of the published values and its note.
    """
    console = Console(markup=False, emoji=False)

    def show(table: Table) -> None:
        print_wide(console, table)
        console.print()

    compared, worse = 0, 0
    for factor in sorted({column.factor for column in results.columns}):
        for kind in ("rgb", "y"):
            columns = _columns(results, factor, kind)
            if columns:
                table, counts = _restored_table(results, columns, factor, kind)
                compared, worse = compared + counts[0], worse + counts[1]
                show(table)
    for line in _legend(results, suite, compared, worse):
        console.print(line, highlight=False, soft_wrap=True)
    console.print()
    show(_small_table(results))
    show(_training_table(results))
    if results.timings:
        show(_timing_table(results))


def _columns(results: Results, factor: int, kind: Kind) -> list[ColumnResult]:
    """Select the columns of a factor for RGB or Y. Bicubic, which needs no networks, is in both tables."""
    bicubic = {column.key for column in results.columns if column.status == "measured" and column.weights is None}
    channels = 3 if kind == "rgb" else 1
    return [
        column
        for column in results.columns
        if column.factor == factor and (column.channels == channels or column.key in bicubic)
    ]


def _restored_table(
    results: Results, columns: Sequence[ColumnResult], factor: int, kind: Kind
) -> tuple[Table, tuple[int, int]]:
    """Make a table of measured values, published values and differences, and count compared and worse means.

    Values worse than published are red and marked with "!". Bicubic is not counted: it is a check of the evaluation,
    and is only marked if it differs by more than rounding explains.
    """
    table = Table(f"x{factor}, {kind.upper()}", box=None, header_style="bold")
    for item in results.sets:
        size = item.expected or item.found
        table.add_column(item.name if _complete(item) else f"{item.name} ({item.measured} of {size})")
    compared = worse = 0
    for column in columns:
        cells = []
        for item in results.sets:
            measured = results.mean(column.key, item.name, "high_rgb" if kind == "rgb" else "high_y")
            published = _value(results.published_for(column.key, item.name), kind)
            gain = None
            if measured is not None and published is not None and _complete(item):
                gain = round(measured - published, 2) + 0.0  # adding zero turns -0.0 into 0.0
            if column.weights is not None:
                compared, worse = compared + (gain is not None), worse + (gain is not None and gain < 0)
            elif gain is not None and within_rounding(gain):
                gain = None
            cells.append(_cell(measured, published, gain, not_trained=column.status == "not trained"))
        table.add_row(column.label, *cells)
    return table, (compared, worse)


def _complete(item: SetResult) -> bool:
    return item.measured == item.pictures


def _value(published: PublishedMetric | None, kind: Kind) -> float | None:
    return None if published is None else published.rgb if kind == "rgb" else published.y


def _cell(measured: float | None, published: float | None, gain: float | None, *, not_trained: bool) -> Text:
    in_brackets = "" if published is None else f" ({published:.2f})"
    if measured is None:
        return Text(("not trained" if not_trained else "-") + in_brackets, "dim")
    text = Text(f"{measured:.2f}{in_brackets}")
    if gain is not None:
        text.append(f" {gain:+.2f}{' !' * (gain < 0)}", "bold red" if gain < 0 else "green")
    return text


def _legend(results: Results, suite: Suite, compared: int, worse: int) -> Iterator[str]:
    border = {
        "factor": "RGB without border, Y with a border of the factor",
        0: "without border",
    }.get(results.border, f"without {results.border} pixels on each side")
    yield f"mean PSNR in dB of restored pictures of 8 bits; the small picture is stored as a real file; {border}"
    if compared:
        yield f"worse than published in {worse} of {compared} values (!)"
    if results.published:
        yield f"in brackets: {suite.source or 'published values'}"
    if any(not _complete(item) and item.measured for item in results.sets):
        yield "incomplete sets are not compared, because the published values are for complete sets"
    if suite.note:
        yield suite.note


def _small_table(results: Results) -> Table:
    """Make a table of small pictures (PSNR against bicubic, file size) and of the SSIM of restored pictures."""
    table = Table("small picture, dB / KiB, and SSIM", box=None, header_style="bold")
    for item in results.sets:
        table.add_column(item.name)
    for column in results.columns:
        if column.status != "measured":
            continue
        cells = []
        for item in results.sets:
            low = results.mean(column.key, item.name, "low_rgb" if column.channels == 3 else "low_y")
            similarity = results.mean(column.key, item.name, "ssim_rgb" if column.channels == 3 else "ssim_y")
            size = results.low_bytes(column.key, item.name)
            kib = None if size is None else size / 1024
            cells.append(f"{_format(low, '.2f')} / {_format(kib, '.1f')}, {_format(similarity, '.4f')}")
        table.add_row(f"x{column.factor} {column.label}", *cells)
    return table


def _format(value: float | None, spec: str) -> str:
    return "-" if value is None else format(value, spec)


def _training_table(results: Results) -> Table:
    """Make a table of the training budget of each column."""
    table = Table("training", "weights", "steps", "minutes", "data", "hardware", box=None, header_style="bold")
    for column in results.columns:
        info = column.training
        if info is None:
            continue
        steps = _format(info.steps, "")
        if info.steps is not None and info.steps_before:
            steps += f" after {info.steps_before}"
        minutes = _format(None if info.seconds is None else info.seconds / 60, ".0f")
        table.add_row(
            f"x{column.factor} {column.label}", column.weights, steps, minutes, info.data or "-", info.hardware or "-"
        )
    return table


def _timing_table(results: Results) -> Table:
    table = Table("time to restore", "pixels", "seconds", "published", "note", box=None, header_style="bold")
    for item in results.timings:
        column = results.column(item.column)
        label = column.label if column else item.column
        size = f"{item.width}x{item.height}"
        table.add_row(label, size, f"{item.seconds:.3g}", _format(item.published, "g"), item.note)
    return table
