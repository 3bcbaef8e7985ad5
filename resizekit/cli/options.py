"""Options that several verbs share, worded once, and how their texts are read."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from resizekit.errors import UsageError

if TYPE_CHECKING:
    from resizekit.images.target_size import TargetSize

__all__ = [
    "TASK",
    "CompressionName",
    "Device",
    "Json",
    "MaxSide",
    "Overwrite",
    "Precision",
    "Scale",
    "Size",
    "TaskName",
    "Tile",
    "Times",
    "ValueRangeText",
    "WeightsName",
    "read_tile",
    "read_times",
    "read_value_range",
    "read_wanted",
    "read_weights",
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
Times = Annotated[
    int | None,
    typer.Option(min=1, help="Apply the networks so many times: weights by 2 three times make x8.", show_default=False),
]
WeightsName = Annotated[
    str | None,
    typer.Option(help="Installed weights by name, or a .safetensors file.", show_default=False),
]
TaskName = Annotated[
    str | None,
    typer.Option(help=f"The task whose weights fit the picture best.  [default: {TASK}]", show_default=False),
]
Size = Annotated[
    str | None, typer.Option(metavar="WxH", help="Exactly so many pixels, WIDTHxHEIGHT: 640x480.", show_default=False)
]
Scale = Annotated[
    str | None,
    typer.Option(
        metavar="P/Q",
        help="Exactly so many times smaller: 3, 5/2, or WIDTHxHEIGHT where they differ: 2x3/2.",
        show_default=False,
    ),
]
MaxSide = Annotated[
    str | None, typer.Option(metavar="N", help="The longer side has so many pixels at most.", show_default=False)
]


CompressionName = Annotated[
    str | None,
    typer.Option(
        "--compression",
        help="An installed compression in place of the weights' own: uint16 keeps 16 bits a channel.",
        show_default=False,
    ),
]


ValueRangeText = Annotated[
    str | None,
    typer.Option(
        "--value-range",
        metavar="LOW,HIGH",
        help="The range of the values in the files; float32 needs it.",
        show_default=False,
    ),
]


def read_value_range(text: str | None) -> tuple[float, float] | None:
    """Read --value-range; a `UsageError` for what is not two finite numbers, the lower first."""
    if text is None:
        return None
    from resizekit.images.value_range import check_value_range

    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--value-range {text!r}: say LOW,HIGH, such as 0,1") from None
    return check_value_range((low, high))


def read_tile(text: str) -> int | Literal["auto", "off"]:
    """Read --tile; a `UsageError` for what is neither auto, off nor a whole number."""
    if text == "auto":
        return "auto"
    if text == "off":
        return "off"
    if not text.isdecimal():
        raise UsageError(f"--tile {text!r}: say auto, off or a side in pixels")
    return int(text[:9])


def read_wanted(size: str | None, scale: str | None, max_side: str | None) -> "TargetSize | None":
    """Read --size, --scale and --max-side, of which one at most is said; None: none is, so what the weights do."""
    from resizekit.images.target_size import TargetSize

    said = [f"--{name}" for name, it in (("size", size), ("scale", scale), ("max-side", max_side)) if it is not None]
    if len(said) > 1:
        raise UsageError(f"{' and '.join(said)} contradict one another; say one of them")
    return TargetSize(size=size, scale=scale, max_side=max_side) if said else None


def read_times(text: str | None) -> tuple[int, ...]:
    """Read the depths of `1,2,3`; none for None, a `UsageError` for what is no list of whole numbers from 1 on."""
    if text is None:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if any(not part.isdecimal() or int(part[:9]) == 0 for part in parts):
        raise UsageError(f"--times {text[:80]!r}: say how often, such as 1,2,3")
    return tuple(dict.fromkeys(int(part[:9]) for part in parts))


def read_weights(weights: str | None, task: str | None) -> tuple[str | Path | None, str | None]:
    """Read --weights and --task, of which one at most is said: (weights, task), one of them None."""
    if weights is not None and task is not None:
        raise UsageError("--weights and --task contradict one another; say one of them")
    if weights is None:
        return None, task or TASK
    return (Path(weights) if weights.endswith(".safetensors") else weights), None
