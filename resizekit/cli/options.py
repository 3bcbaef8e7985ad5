"""Options that several commands share, and the functions that parse their values."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from resizekit.errors import UsageError

if TYPE_CHECKING:
    from resizekit.codec.refine.effort import Effort
    from resizekit.images.max_bytes import MaxBytes
    from resizekit.images.run_options import RunOptions
    from resizekit.images.target_size import TargetSize

__all__ = [
    "TASK",
    "BitsPerPixel",
    "CompressionName",
    "Device",
    "EffortLevel",
    "FrameNumber",
    "Json",
    "MaxBytesCount",
    "MaxPixels",
    "MaxSide",
    "Memory",
    "MetadataPolicyName",
    "Overwrite",
    "Precision",
    "Scale",
    "Size",
    "Smaller",
    "TargetLowPsnr",
    "TaskName",
    "Tile",
    "Times",
    "ValueRangeText",
    "WeightsName",
    "read_effort",
    "read_efforts",
    "read_max_bytes",
    "read_run_options",
    "read_target",
    "read_tile",
    "read_times",
    "read_value_range",
    "read_weights",
]  # fmt: skip

TASK = "sr"
"""The default task of the command line. The library has no default task."""
_BYTES = {"": 1, "k": 1000, "K": 1000, "M": 1_000_000}
"""Bytes of a unit."""

Device = Annotated[str, typer.Option(help="Where to compute: auto, cpu or cuda.")]
Precision = Annotated[
    str,
    typer.Option(
        help="Precision of the networks: float32, winograd, bfloat16, float16, int8 or auto.  float32 gives the same "
        "pixels on every CPU; auto is the fastest for this hardware."
    ),
]
Tile = Annotated[
    str,
    typer.Option(help="Tile side in pixels (64 or more) to limit memory use; auto, or off."),
]
Memory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Memory of a process, such as 512MB. PNG and JPEG files may then be larger than the memory.",
        show_default=False,
    ),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Most pixels of a picture (default: 89478485, and no limit with --memory).",
        show_default=False,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing output files.")]
MetadataPolicyName = Annotated[
    Literal["keep", "all", "minimal", "none"],
    typer.Option("--metadata", help="Which EXIF, XMP and resolution to keep; keep: all but location and maker notes."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Times = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="How many times to apply the networks; with x2 weights, 3 gives x8.",
        show_default=False,
    ),
]
WeightsName = Annotated[
    str | None,
    typer.Option(help="Name of installed weights, or a .safetensors file.", show_default=False),
]
TaskName = Annotated[
    str | None,
    typer.Option(
        help=f"Name of a task; for each picture, the weights of this task that fit best are used.  [default: {TASK}]",
        show_default=False,
    ),
]
Size = Annotated[
    str | None,
    typer.Option(metavar="WxH", help="Exact size in pixels, WIDTHxHEIGHT, such as 640x480.", show_default=False),
]
Scale = Annotated[
    str | None,
    typer.Option(
        metavar="P/Q",
        help="Exact downscaling factor, such as 3, 5/2 or 2.5; 2x3/2 sets width and height separately.",
        show_default=False,
    ),
]
MaxSide = Annotated[
    str | None, typer.Option(metavar="N", help="Maximum of width and height in pixels.", show_default=False)
]
CompressionName = Annotated[
    str | None,
    typer.Option(
        "--compression",
        help="Name of an installed compression that replaces the compression of the weights, such as uint16, which "
        "keeps 16 bits per channel.",
        show_default=False,
    ),
]
ValueRangeText = Annotated[
    str | None,
    typer.Option(
        "--value-range",
        metavar="LOW,HIGH",
        help="Lowest and highest possible value in the files; required for float32.",
        show_default=False,
    ),
]
FrameNumber = Annotated[
    int | None,
    typer.Option(
        "--frame",
        metavar="N",
        min=1,
        help="The frame of an animation, or the page of a TIFF, to use; the first is 1.",
        show_default=False,
    ),
]


EffortLevel = Annotated[
    int,
    typer.Option(
        "--effort",
        metavar="0..4",
        help="How long to improve the small picture for its decoder: 0 (off) to 4. Restored pictures become better, "
        "and `down` takes longer.",
    ),
]
TargetLowPsnr = Annotated[
    float | None,
    typer.Option(
        "--target-low-psnr",
        metavar="DB",
        help="PSNR that the small picture keeps against its guide, over all channels, with --effort. Without it, the "
        "small picture loses at most 0.1 dB. A limit above the PSNR of effort 0 makes restored pictures worse.",
        show_default=False,
    ),
]


Smaller = Annotated[
    bool,
    typer.Option(
        "--smaller", help="With --effort: spend a part of the gain on a smaller file. Not for lossy small files."
    ),
]


MaxBytesCount = Annotated[
    str | None,
    typer.Option(
        "--max-bytes",
        metavar="N",
        help="Largest size of the small file, such as 20000, 20k or 1.5M: the best quality that fits is used. Needs a "
        "lossy small file, such as .jpg.",
        show_default=False,
    ),
]
BitsPerPixel = Annotated[
    float | None,
    typer.Option("--bpp", help="As --max-bytes, in bits per pixel of the original.", show_default=False),
]


def read_max_bytes(text: str | None, bpp: float | None) -> "MaxBytes | None":
    """Parse --max-bytes and --bpp; None if neither is set.

    Raises:
        UsageError: Both are set, or the value is not a positive number.
    """
    from resizekit.images.max_bytes import MaxBytes

    if text is not None and bpp is not None:
        raise UsageError("--max-bytes and --bpp contradict one another: pass only one of them")
    if bpp is not None:
        return MaxBytes(bpp=bpp)
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)([kKM]?)", text.strip())
    count = int(float(match[1]) * _BYTES[match[2]]) if match else 0
    if count < 1:
        raise UsageError(f"invalid --max-bytes {text[:80]!r}: expected a number of bytes, such as 20000, 20k or 1.5M")
    return MaxBytes(count)


def read_effort(level: int, target_low_psnr: float | None, smaller: bool) -> "Effort":
    """Collect --effort, --target-low-psnr and --smaller; raises `UsageError` if they do not fit together."""
    from resizekit.codec.refine.effort import Effort

    if smaller and level == 0:
        raise UsageError("--smaller needs --effort 1 or more: effort 0 does not change the small picture")
    if target_low_psnr is not None and level == 0:
        raise UsageError("--target-low-psnr needs --effort 1 or more: effort 0 does not change the small picture")
    return Effort(level, target_low_psnr, smaller)


def read_efforts(text: str | None) -> "tuple[Effort, ...]":
    """Parse a list of efforts such as `0,2`; only effort 0 for None.

    Raises:
        UsageError: The text is not a list of integers from 0 to 4.
    """
    from resizekit.codec.refine.effort import LEVELS, Effort

    parts = ["0"] if text is None else [part.strip() for part in text.split(",")]
    if any(part not in map(str, range(len(LEVELS) + 1)) for part in parts):
        raise UsageError(
            f"invalid --effort {(text or '')[:80]!r}: expected integers from 0 to {len(LEVELS)}, such as 0,2"
        )
    return tuple(Effort(level) for level in dict.fromkeys(map(int, parts)))


def read_value_range(text: str | None) -> tuple[float, float] | None:
    """Parse --value-range; raises `UsageError` unless it is two finite numbers in ascending order."""
    if text is None:
        return None
    from resizekit.pictures.value_range import check_value_range

    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"invalid --value-range {text!r}: expected LOW,HIGH, such as 0,1") from None
    return check_value_range((low, high))


def read_tile(text: str) -> int | Literal["auto", "off"]:
    """Parse --tile; raises `UsageError` unless it is auto, off or an integer."""
    if text == "auto":
        return "auto"
    if text == "off":
        return "off"
    if not text.isdecimal():
        raise UsageError(f"invalid --tile {text!r}: expected auto, off or a side in pixels")
    return int(text[:9])


def read_run_options(
    tile: str,
    device: str,
    precision: str,
    overwrite: bool,
    memory: str | None = None,
    max_pixels: int | None = None,
) -> "RunOptions":
    """Collect --tile, --device, --precision, --overwrite, --memory and --max-pixels."""
    from resizekit.images.budget import Budget
    from resizekit.images.run_options import RunOptions

    budget = Budget(memory=memory, max_pixels=max_pixels)
    return RunOptions(tile=read_tile(tile), device=device, precision=precision, overwrite=overwrite, budget=budget)


def read_target(
    size: str | None, scale: str | None, max_side: str | None, times: int | None = None
) -> "TargetSize | None":
    """Parse --size, --scale, --max-side and --times; None if none of them is set.

    Raises:
        UsageError: Several of them are set, or the value is invalid.
    """
    from resizekit.images.target_size import TargetSize

    values = {"--size": size, "--scale": scale, "--max-side": max_side, "--times": times}
    names = [name for name, value in values.items() if value is not None]
    if len(names) > 1:
        raise UsageError(f"{' and '.join(names)} contradict one another: pass only one of them")
    return TargetSize(size=size, scale=scale, max_side=max_side, times=times) if names else None


def read_times(text: str | None) -> tuple[int, ...]:
    """Parse a list of depths such as `1,2,3`; empty for None.

    Raises:
        UsageError: The text is not a list of positive integers.
    """
    if text is None:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if any(not part.isdecimal() or int(part[:9]) == 0 for part in parts):
        raise UsageError(f"invalid --times {text[:80]!r}: expected a list of positive integers, such as 1,2,3")
    return tuple(dict.fromkeys(int(part[:9]) for part in parts))


def read_weights(weights: str | None, task: str | None) -> tuple[str | Path | None, str | None]:
    """Resolve --weights and --task to (weights, task), of which exactly one is set.

    Raises:
        UsageError: Both are set.
    """
    if weights is not None and task is not None:
        raise UsageError("--weights and --task contradict one another: pass only one of them")
    if weights is None:
        return None, task or TASK
    return (Path(weights) if weights.endswith(".safetensors") else weights), None
