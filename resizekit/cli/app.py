"""The verbs put together, and errors turned into one line and an exit code."""

import functools
import io
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

from resizekit.cli.bench import bench
from resizekit.cli.evaluate import evaluate
from resizekit.cli.files import down, up
from resizekit.cli.info import info
from resizekit.cli.output import echo_error
from resizekit.cli.pairs import export_pairs
from resizekit.cli.pyramid import pyramid
from resizekit.cli.report import report
from resizekit.cli.roundtrip import roundtrip
from resizekit.cli.sweep import sweep
from resizekit.cli.tasks import tasks
from resizekit.cli.train import schema, train
from resizekit.errors import ResizeKitError
from resizekit.system.malloc import keep_freed_memory

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
    keep_freed_memory()


def _told_in_one_line(verb: Callable[..., None]) -> Callable[..., None]:
    """Let bad input end in one line on stderr and exit code 1 (data), 2 (usage) or 130 (Ctrl-C)."""

    @functools.wraps(verb)
    def run(*args: object, **options: object) -> None:
        try:
            verb(*args, **options)
        except ResizeKitError as error:
            _fail(error, error.exit_code)
        except KeyboardInterrupt:
            _fail("interrupted", 130)
        except BrokenPipeError:  # the reader of our output went away, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except OSError as error:
            _fail(error, 1)
        except (MemoryError, RuntimeError) as error:  # torch reports a lack of memory as a RuntimeError
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            _fail("out of memory; try --tile 512, in training a smaller batch or patch", 1)

    return run


for verb in (tasks, down, up, roundtrip, pyramid, info, evaluate, report, export_pairs, bench, train, sweep, schema):
    app.command()(_told_in_one_line(verb))


def main() -> None:
    """Run the command line."""
    warnings.showwarning = _one_line
    told: list[int] = []

    def end(number: int, _: object) -> NoReturn:
        told.append(number)
        sys.exit(128 + number)  # as a shell would tell, but files begun are cleared away

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may hold what this terminal cannot say
    try:
        app()
    except BaseException:
        if not told:
            raise
        # what `end` raised inside a library may come out of it as something else, such as a failed assertion of torch's
        if told[0] == signal.SIGINT:
            echo_error("interrupted")
        sys.exit(128 + told[0])
    finally:  # of use to a program that calls this and goes on
        for number, handler in before.items():
            signal.signal(number, handler)


def _fail(error: BaseException | str, code: int) -> NoReturn:
    echo_error(error)
    sys.exit(code)


def _one_line(message: object, *_: object, **__: object) -> None:
    typer.echo(f"warning: {' '.join(str(message).split())}", err=True)
