"""Print JSON, tables and errors."""

import json
import math
import sys
from typing import TYPE_CHECKING

import typer

from resizekit.errors import ResizeKitError
from resizekit.system.printable import escaped

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["echo_error", "echo_json", "echo_json_line", "error_text", "print_wide"]


def echo_json(value: object) -> None:
    """Print plain data as strict JSON. Infinity and NaN, such as the PSNR of equal pictures, become null."""
    typer.echo(json.dumps(_finite(value), indent=2, allow_nan=False))


def echo_json_line(value: object) -> None:
    """Print plain data as strict JSON in one line, at once."""
    typer.echo(json.dumps(_finite(value), allow_nan=False))
    sys.stdout.flush()


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def echo_error(error: BaseException | str) -> None:
    """Print an error as one line on stderr."""
    typer.echo(f"error: {error_text(error)}", err=True)


def error_text(error: BaseException | str) -> str:
    """Return an error as one line. Control characters, for example in file names, are escaped."""
    if isinstance(error, MemoryError | RuntimeError) and not isinstance(error, ResizeKitError):
        error = "out of memory; try --tile 512, in training a smaller batch or patch"
    elif isinstance(error, OSError) and error.strerror:
        error = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return escaped(error, None)


def print_wide(console: "Console", table: "Table") -> None:
    """Print a table without wrapping its rows: widen the console to the widest row if necessary."""
    widest = console.measure(table, options=console.options.update(max_width=1000)).maximum
    console.width = max(console.width, widest)
    console.print(table)
