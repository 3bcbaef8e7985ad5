"""A task's description on the terminal: what it is, its weights, and how good they are."""

import math
import re
from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.table import Table

from resizekit.cli.wide import print_wide
from resizekit.evaluation.describe import Description, Pair, Trained

__all__ = ["show_description"]

_FIGURE = re.compile(r"(?P<set>.+) (?P<side>high|low) (?P<kind>RGB|Y)")


def show_description(told: Description) -> None:
    """Print it as three tables: the task, the weights, their figures."""
    console = Console(markup=False, emoji=False, highlight=False)
    table = Table("", "", box=None, show_header=False)
    for row in _rows(told):
        table.add_row(*row)
    console.print(table)
    if told.weights:
        for table in (_weights(told.weights), _figures(told.weights)):
            console.print()
            print_wide(console, table)
        console.print("PSNR in dB of the restored picture against the original, and of the small one against its guide")


def _rows(told: Description) -> Iterator[tuple[str, str]]:
    """Give (what, its value) of the task, as it is where nothing is said."""
    yield "task", told.task
    yield "what it does", told.summary
    yield "from", told.provider
    yield "guide", told.guide
    yield "a config without more", f"{told.shapes}{_applied(told)}"
    yield "  factors", ", ".join(f"{name} = {factor}" for name, factor in told.factors.items())
    yield "  channels", "{} of high and {} of low".format(*told.channels)
    yield "  network", told.network
    yield "  compression", told.compression
    yield "  parameters", _count(told.parameters)
    down, up = told.multiply_adds
    yield "  multiply-adds", f"{down / 1000:.1f} thousand down and {up / 1000:.1f} up, for each pixel of high"


def _weights(weights: Mapping[str, Trained]) -> Table:
    table = Table("weights", "shapes", "network", "stored", box=None, header_style="bold")
    for head in ("parameters", "thousand multiply-adds, down + up"):
        table.add_column(head, justify="right")
    table.add_column("for")
    for name, one in weights.items():
        pair = one.pair
        if pair is None:
            table.add_row(name, "the file cannot be read", "", "", "", "", one.summary)
            continue
        cost = " + ".join(f"{way / 1000:.1f}" for way in pair.multiply_adds)
        shapes = f"{pair.shapes}{_applied(pair)}"
        table.add_row(name, shapes, pair.network, pair.compression, _count(pair.parameters), cost, one.summary)
    return table


def _figures(weights: Mapping[str, Trained]) -> Table:
    """Write a row for each weights and kind, a column for each set; what a plugin names otherwise stands as it is."""
    found: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    others: dict[str, list[str]] = {}
    for name, one in weights.items():
        for metric, value in one.metrics.items():
            match = _FIGURE.fullmatch(metric)
            if match is None:
                others.setdefault(name, []).append(f"{metric} {value:.2f}")
            else:
                sides = found.setdefault((name, match["kind"]), {}).setdefault(match["set"], {})
                sides[match["side"]] = value
    sets = list(dict.fromkeys(which for row in found.values() for which in row))
    table = Table("restored / small", "", *sets, box=None, header_style="bold")
    for (name, kind), row in found.items():
        cells = (" / ".join(_told(row.get(which, {}).get(side)) for side in ("high", "low")) for which in sets)
        table.add_row(name, kind, *cells)
    for name, words in others.items():
        table.add_row(name, ", ".join(words))
    return table


def _applied(pair: Pair) -> str:
    return f", {pair.times} times one step" if pair.times > 1 else ""


def _count(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _told(value: float | None) -> str:
    return "-" if value is None else "equal" if value == math.inf else f"{value:.2f}"
