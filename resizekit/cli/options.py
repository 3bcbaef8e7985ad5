"""Options that several verbs share, worded once, and how their texts are read."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from resizekit.errors import UsageError

__all__ = [
    "TASK", "CompressionName", "Device", "Json", "Overwrite", "Precision", "SpanText", "TaskName", "Tile",
    "WeightsName", "read_span", "read_tile", "read_weights",
]  # fmt: skip

TASK = "sr"
"""Whose weights serve when nothing is said: a choice of this product's command line, not of the core."""

Device = Annotated[str, typer.Option(help="Where to compute: auto, cpu or cuda.")]
Precision = Annotated[str, typer.Option(help="Of the networks: auto, float32 or bfloat16.")]
Tile = Annotated[
    str,
    typer.Option(help="Work in tiles to bound memory: auto, off, or a side in pixels (64 or more)."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
WeightsName = Annotated[
    str | None,
    typer.Option(help="Installed weights by name, or a .safetensors file.", show_default=False),
]
TaskName = Annotated[
    str | None,
    typer.Option(help=f"The task whose weights fit the picture best.  [default: {TASK}]", show_default=False),
]


CompressionName = Annotated[
    str | None,
    typer.Option(
        "--compression",
        help="An installed compression in place of the weights' own: uint16 keeps 16 bits a channel.",
        show_default=False,
    ),
]


SpanText = Annotated[
    str | None,
    typer.Option(
        "--span",
        metavar="LOW,HIGH",
        help="The range of the values in the files; float32 needs it.",
        show_default=False,
    ),
]


def read_span(text: str | None) -> tuple[float, float] | None:
    """Read --span; a `UsageError` for what is not two finite numbers, the lower first."""
    if text is None:
        return None
    from resizekit.images.span import check_span

    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--span {text!r}: say LOW,HIGH, such as 0,1") from None
    return check_span((low, high))


def read_tile(text: str) -> int | Literal["auto", "off"]:
    """Read --tile; a `UsageError` for what is neither auto, off nor a whole number."""
    if text == "auto":
        return "auto"
    if text == "off":
        return "off"
    if not text.isdecimal():
        raise UsageError(f"--tile {text!r}: say auto, off or a side in pixels")
    return int(text[:9])


def read_weights(weights: str | None, task: str | None) -> tuple[str | Path | None, str | None]:
    """Read --weights and --task, of which one at most is said: (weights, task), one of them None."""
    if weights is not None and task is not None:
        raise UsageError("--weights and --task contradict one another; say one of them")
    if weights is None:
        return None, task or TASK
    return (Path(weights) if weights.endswith(".safetensors") else weights), None
