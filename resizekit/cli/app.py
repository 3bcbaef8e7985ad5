"""Collect the commands, and print errors as one line with an exit code."""

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
from resizekit.cli.compare import compare
from resizekit.cli.evaluate import evaluate
from resizekit.cli.export import export
from resizekit.cli.files import down, up
from resizekit.cli.info import info
from resizekit.cli.kernels import kernels
from resizekit.cli.output import echo_error
from resizekit.cli.pack import pack
from resizekit.cli.pairs import export_pairs
from resizekit.cli.pyramid import pyramid
from resizekit.cli.report import report
from resizekit.cli.roundtrip import roundtrip
from resizekit.cli.sweep import sweep
from resizekit.cli.tasks import tasks
from resizekit.cli.train import schema, train
from resizekit.errors import ResizeKitError
from resizekit.system.malloc import keep_freed_memory
from resizekit.system.onednn import limit_primitive_cache
from resizekit.system.printable import escaped
from resizekit.system.standard_output import reserved_stdout
from resizekit.system.threads import wait_passively

__all__ = ["main"]

app = typer.Typer(
    name="resizekit",
    help="Make a picture small so that a matching network can restore it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_OF_ONE_SIZE = "train", "sweep", "bench"
"""Commands that run networks on images of one size."""


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        typer.echo(f"resizekit {version('resizekit')}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    keep_freed_memory()
    wait_passively()
    if context.invoked_subcommand not in _OF_ONE_SIZE:
        limit_primitive_cache()


def _with_one_line_errors(verb: Callable[..., None]) -> Callable[..., None]:
    """Turn errors into one line on stderr and exit code 1 (data), 2 (usage) or 130 (Ctrl-C)."""

    @functools.wraps(verb)
    def run(*args: object, **options: object) -> None:
        try:
            verb(*args, **options)
        except ResizeKitError as error:
            _fail(error, error.exit_code)
        except KeyboardInterrupt:
            _fail("interrupted", 130)
        except BrokenPipeError:  # the program that reads the output has ended, such as `head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except OSError as error:
            _fail(error, 1)
        except (MemoryError, RuntimeError) as error:  # torch reports a lack of memory as a RuntimeError
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            _fail(error, 1)

    return run


for verb in (
    tasks,
    down,
    up,
    roundtrip,
    pyramid,
    info,
    evaluate,
    compare,
    report,
    export_pairs,
    export,
    kernels,
    bench,
    pack,
    train,
    sweep,
    schema,
):
    app.command()(_with_one_line_errors(verb))


def main() -> None:
    """Run the command line."""
    warnings.showwarning = _show_warning
    received: list[int] = []

    def end(number: int, _: object) -> NoReturn:
        received.append(number)
        sys.exit(128 + number)  # the exit code of a shell, but unlike a signal it lets temporary files be removed

    previous = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with reserved_stdout():
            if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
                sys.stdout.reconfigure(errors="backslashreplace")  # a file name may not be printable in this terminal
            app()
    except BaseException:
        if not received:
            raise
        # a library may replace the exception of `end` by another one, such as a failed assertion in torch
        if received[0] == signal.SIGINT:
            echo_error("interrupted")
        sys.exit(128 + received[0])
    finally:  # restore the handlers for a program that calls this function and continues
        for number, handler in previous.items():
            signal.signal(number, handler)


def _fail(error: BaseException | str, code: int) -> NoReturn:
    echo_error(error)
    sys.exit(code)


def _show_warning(message: object, *_: object, **__: object) -> None:
    typer.echo(f"warning: {escaped(message, None)}", err=True)
