"""Print the description of a task: its default codec, its weights and their metrics."""

import math
import re
from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.table import Table

from resizekit.cli.output import print_wide
from resizekit.evaluation.describe import CodecDescription, TaskDescription, WeightsDescription

__all__ = ["print_description"]

_METRIC = re.compile(r"(?P<set>.+) (?P<side>high|low) (?P<kind>RGB|Y)")


def print_description(task: TaskDescription) -> None:
    """Print three tables: the task with its default codec, the weights, and their metrics."""
    console = Console(markup=False, emoji=False, highlight=False)
    table = Table("", "", box=None, show_header=False)
    for row in _task_rows(task):
        table.add_row(*row)
    console.print(table)
    if task.weights:
        for table in (_weights_table(task.weights), _metrics_table(task.weights)):
            console.print()
            print_wide(console, table)
        console.print("PSNR in dB: the restored picture against the original / the small picture against its guide")


def _task_rows(task: TaskDescription) -> Iterator[tuple[str, str]]:
    yield "task", task.task
    yield "summary", task.summary
    yield "provider", task.provider
    yield "guide", task.guide
    yield "default codec", f"{task.shapes}{_times(task)}"
    yield "  factors", ", ".join(f"{name} = {factor}" for name, factor in task.factors.items())
    yield "  channels", "{} of high and {} of low".format(*task.channels)
    yield "  network", task.network
    yield "  compression", task.compression
    yield "  parameters", _count(task.parameters)
    down, up = task.multiply_adds
    yield "  multiply-adds", f"encoder {down / 1000:.1f} thousand, decoder {up / 1000:.1f} thousand per pixel of high"


def _weights_table(weights: Mapping[str, WeightsDescription]) -> Table:
    table = Table("weights", "shapes", "network", "compression", box=None, header_style="bold")
    for head in ("parameters", "thousand multiply-adds, encoder + decoder"):
        table.add_column(head, justify="right")
    table.add_column("summary")
    for name, item in weights.items():
        codec = item.codec
        if codec is None:
            table.add_row(name, "cannot be read", "", "", "", "", item.summary)
            continue
        cost = " + ".join(f"{count / 1000:.1f}" for count in codec.multiply_adds)
        shapes = f"{codec.shapes}{_times(codec)}"
        table.add_row(name, shapes, codec.network, codec.compression, _count(codec.parameters), cost, item.summary)
    return table


def _metrics_table(weights: Mapping[str, WeightsDescription]) -> Table:
    """Make a row for each weights and kind, with a column for each set. Other metrics are listed as they are."""
    metrics: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    others: dict[str, list[str]] = {}
    for name, item in weights.items():
        for metric, value in item.metrics.items():
            match = _METRIC.fullmatch(metric)
            if match is None:
                others.setdefault(name, []).append(f"{metric} {value:.2f}")
            else:
                sides = metrics.setdefault((name, match["kind"]), {}).setdefault(match["set"], {})
                sides[match["side"]] = value
    sets = list(dict.fromkeys(set_name for row in metrics.values() for set_name in row))
    table = Table("restored / small", "", *sets, box=None, header_style="bold")
    for (name, kind), row in metrics.items():
        cells = (" / ".join(_value(row.get(set_name, {}).get(side)) for side in ("high", "low")) for set_name in sets)
        table.add_row(name, kind, *cells)
    for name, texts in others.items():
        table.add_row(name, ", ".join(texts))
    return table


def _times(codec: CodecDescription) -> str:
    return f", one step applied {codec.times} times" if codec.times > 1 else ""


def _count(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _value(value: float | None) -> str:
    return "-" if value is None else "equal" if value == math.inf else f"{value:.2f}"
