"""What goes to the user: JSON that every program reads, and an error as one line."""

import json
import math

import typer

__all__ = ["echo_error", "echo_json"]


def echo_json(value: object) -> None:
    """Print plain data as strict JSON; a number that JSON does not have, as the PSNR of equal pictures, is null."""
    typer.echo(json.dumps(_finite(value), indent=2, allow_nan=False))


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def echo_error(error: BaseException | str) -> None:
    """Print one line on stderr, without anything from a file or a file's name that a terminal would obey."""
    if isinstance(error, OSError) and error.strerror:
        error = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    line = " ".join(str(error).split())
    typer.echo("error: " + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line), err=True)
