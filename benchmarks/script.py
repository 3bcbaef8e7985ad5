"""Run a benchmark script so that errors in its input end in one line, like those of the `resizekit` commands."""

import sys
from collections.abc import Callable

import typer

from resizekit.cli.output import echo_error
from resizekit.errors import ResizeKitError

__all__ = ["run_script"]


def run_script(main: Callable[..., None]) -> None:
    """Run a typer function with the arguments of the command line; exit with code 1 on a `ResizeKitError`."""
    try:
        typer.run(main)
    except ResizeKitError as error:
        echo_error(error)
        sys.exit(1)
