"""The tables of a suite's results on the terminal."""

from collections.abc import Iterator, Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from resizekit.cli.wide import print_wide
from resizekit.plugin.suite import Suite
from resizekit.report.checks import within_rounding
from resizekit.suites.results import ColumnResult, PublishedMetric, Results, SetResult

__all__ = ["show_results"]

Kind = Literal["rgb", "y"]


def show_results(results: Results, suite: Suite) -> None:
    """Print every table: restored pictures beside what is printed, small pictures, trainings, times."""
    console = Console(markup=False, emoji=False)

    def show(table: Table) -> None:
        print_wide(console, table)
        console.print()

    compared, lost = 0, 0
    for factor in sorted({column.factor for column in results.columns}):
        for kind in ("rgb", "y"):
            columns = _columns(results, factor, kind)
            if columns:
                table, counts = _restored(results, columns, factor, kind)
                compared, lost = compared + counts[0], lost + counts[1]
                show(table)
    for line in _meaning(results, suite, compared, lost):
        console.print(line, highlight=False, soft_wrap=True)
    console.print()
    show(_small(results))
    show(_trainings(results))
    if results.timings:
        show(_times(results))


def _columns(results: Results, factor: int, kind: Kind) -> list[ColumnResult]:
    """Columns of a factor that belong into the table of RGB or Y; bicubic, which needs no networks, into both."""
    plain = {column.key for column in results.columns if column.status == "measured" and column.weights is None}
    channels = 3 if kind == "rgb" else 1
    return [one for one in results.columns if one.factor == factor and (one.channels == channels or one.key in plain)]


def _restored(
    results: Results, columns: Sequence[ColumnResult], factor: int, kind: Kind
) -> tuple[Table, tuple[int, int]]:
    """Write ours, what is printed, and the difference: a loss is red and marked, for eyes and programs that search.

    With the table come how many figures of networks were compared, and how many of them are lost.  Bicubic is no rival
    but a check: it is marked where it differs by more than rounding explains.
    """
    table = Table(f"x{factor}, {kind.upper()}", box=None, header_style="bold")
    for one in results.sets:
        table.add_column(one.name if _whole(one) else f"{one.name} ({one.measured} of {one.expected or one.found})")
    compared = lost = 0
    for column in columns:
        cells = []
        for one in results.sets:
            ours = results.mean(column.key, one.name, "high_rgb" if kind == "rgb" else "high_y")
            theirs = _figure(results.printed_beside(column.key, one.name), kind)
            gain = (
                None if ours is None or theirs is None or not _whole(one) else round(ours - theirs, 2) + 0.0
            )  # never -0.00
            if column.weights is not None:
                compared, lost = compared + (gain is not None), lost + (gain is not None and gain < 0)
            elif gain is not None and within_rounding(gain):
                gain = None
            cells.append(_cell(ours, theirs, gain, not_trained=column.status == "not trained"))
        table.add_row(column.label, *cells)
    return table, (compared, lost)


def _whole(one: SetResult) -> bool:
    return one.measured == one.pictures


def _figure(printed: PublishedMetric | None, kind: Kind) -> float | None:
    return None if printed is None else printed.rgb if kind == "rgb" else printed.y


def _cell(ours: float | None, theirs: float | None, gain: float | None, *, not_trained: bool) -> Text:
    told = "" if theirs is None else f" ({theirs:.2f})"
    if ours is None:
        return Text(("not trained" if not_trained else "-") + told, "dim")
    text = Text(f"{ours:.2f}{told}")
    if gain is not None:
        text.append(f" {gain:+.2f}{' !' * (gain < 0)}", "bold red" if gain < 0 else "green")
    return text


def _meaning(results: Results, suite: Suite, compared: int, lost: int) -> Iterator[str]:
    rule = {
        "factor": "RGB without border, Y with a border of the factor",
        0: "without border",
    }.get(results.border, f"without {results.border} pixels on each side")
    yield f"mean PSNR in dB of restored pictures, 8 bits, the small one stored as a real file; {rule}"
    if compared:
        yield f"behind what is printed in {lost} of {compared} (!)"
    if results.printed:
        yield f"in brackets: {suite.source or 'what is printed elsewhere'}"
    if any(not _whole(one) and one.measured for one in results.sets):
        yield "sets that are not whole are compared with nothing: what is printed is of whole ones"
    if suite.says:
        yield suite.says


def _small(results: Results) -> Table:
    """Write of the small pictures PSNR against bicubic and bytes, of the restored ones SSIM."""
    table = Table("small picture, dB / KiB, and SSIM", box=None, header_style="bold")
    for one in results.sets:
        table.add_column(one.name)
    for column in results.columns:
        if column.status != "measured":
            continue
        cells = []
        for one in results.sets:
            low = results.mean(column.key, one.name, "low_rgb" if column.channels == 3 else "low_y")
            similar = results.mean(column.key, one.name, "ssim_rgb" if column.channels == 3 else "ssim_y")
            size = results.low_bytes(column.key, one.name)
            kib = None if size is None else size / 1024
            cells.append(f"{_told(low, '.2f')} / {_told(kib, '.1f')}, {_told(similar, '.4f')}")
        table.add_row(f"x{column.factor} {column.label}", *cells)
    return table


def _told(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _trainings(results: Results) -> Table:
    """Write what each column's weights cost to train."""
    table = Table("trained", "weights", "steps", "minutes", "data", "on", box=None, header_style="bold")
    for column in results.columns:
        told = column.trained
        if told is None:
            continue
        steps = (
            "-"
            if told.steps is None
            else f"{told.steps} after {told.steps_before}"
            if told.steps_before
            else f"{told.steps}"
        )
        minutes = _told(None if told.seconds is None else told.seconds / 60, ".0f")
        table.add_row(
            f"x{column.factor} {column.label}", column.weights, steps, minutes, told.data or "-", told.hardware or "-"
        )
    return table


def _times(results: Results) -> Table:
    table = Table("way up to", "pixels", "seconds", "printed", "what", box=None, header_style="bold")
    for one in results.timings:
        column = results.column(one.column)
        label = column.label if column else one.column
        table.add_row(label, f"{one.width}x{one.height}", f"{one.seconds:.3g}", _told(one.printed, "g"), one.note)
    return table
