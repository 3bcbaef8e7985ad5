"""The verbs put together, and errors turned into one line and an exit code."""

import os
import sys
import warnings
from typing import Annotated

import typer

from resizekit.cli.evaluate import evaluate
from resizekit.cli.files import down, up
from resizekit.cli.info import info
from resizekit.cli.roundtrip import roundtrip
from resizekit.cli.tasks import tasks
from resizekit.cli.train import schema, train
from resizekit.errors import ResizeKitError

__all__ = ["main"]

app = typer.Typer(
    name="resizekit",
    help="Make a picture small in a way that a matching network can undo.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"resizekit {version('resizekit')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


for verb in (tasks, down, up, roundtrip, info, evaluate, train, schema):
    app.command()(verb)


def main() -> None:
    """Run the command line; bad input ends in one line on stderr and exit code 1 (data) or 2 (usage)."""
    warnings.showwarning = _one_line
    try:
        app()
    except ResizeKitError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except MemoryError:
        _fail("out of memory; try --tile 512", 1)


def _fail(message: str, code: int) -> None:
    typer.echo(f"error: {' '.join(message.split())}", err=True)
    sys.exit(code)


def _one_line(message: object, *_: object, **__: object) -> None:
    typer.echo(f"warning: {' '.join(str(message).split())}", err=True)
