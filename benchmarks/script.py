"""A script's command line: what is wrong with its input ends in one line, as the program's own verbs end."""

import sys
from collections.abc import Callable

import typer

from resizekit.cli.output import echo_error
from resizekit.errors import ResizeKitError

__all__ = ["run_script"]


def run_script(main: Callable[..., None]) -> None:
    """Run a function with the arguments of the command line."""
    try:
        typer.run(main)
    except ResizeKitError as error:
        echo_error(error)
        sys.exit(1)
