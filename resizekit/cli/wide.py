"""Tables on the terminal whose rows stay lines, however narrow it is."""

from rich.console import Console
from rich.table import Table

__all__ = ["print_wide"]


def print_wide(console: Console, table: Table) -> None:
    """Print a table on a console that is made as wide as the widest row, if it is not that wide already."""
    widest = console.measure(table, options=console.options.update(max_width=1000)).maximum
    console.width = max(console.width, widest)
    console.print(table)
