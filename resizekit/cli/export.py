"""`resizekit export`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resizekit.cli.options import Overwrite, Times
from resizekit.errors import UsageError

if TYPE_CHECKING:
    from resizekit.codec import Codec
    from resizekit.storage import Pixels

__all__ = ["export"]


def export(
    weights: Annotated[str, typer.Argument(metavar="WEIGHTS", help="Installed weights, or a .safetensors file.")],
    direction: Annotated[str, typer.Argument(metavar="down|up", help="The direction to export.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.onnx", help="The file to write.")],
    dtype: Annotated[str, typer.Option(metavar="T", help="Pixel values: uint8, or float32 in [0, 1].")] = "uint8",
    times: Times = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Quantize to 8-bit integers, with ranges that are measured on the pictures of a folder: faster on "
            "some processors, and less exact.",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write one direction of weights to an ONNX file, for programs without PyTorch."""
    from resizekit.exporting.write import export as write
    from resizekit.recipes.checkpoint import load

    codec = load(weights, times=times)
    pictures = None if calibrate is None else _pictures(codec, calibrate)
    write(
        codec,
        direction,  # type: ignore[arg-type]  # checked there
        out,
        dtype=dtype,  # type: ignore[arg-type]  # checked there
        quantized=calibrate is not None,
        calibration=pictures,
        overwrite=overwrite,
    )
    typer.echo(str(out))


def _pictures(codec: "Codec", folder: Path) -> "Iterator[Pixels]":
    """Read at most 32 pictures, sampled evenly."""
    from resizekit.evaluation.channels import read_for_evaluation
    from resizekit.pictures.io.find import find_pictures, sample_evenly

    if not folder.is_dir():
        raise UsageError(f"--calibrate {folder}: not a folder; name one that holds pictures")
    paths = sample_evenly(list(find_pictures([folder])), _MOST)
    return (read_for_evaluation(codec, path)[0] for path in paths)


_MOST = 32
"""More pictures take longer and hardly change the ranges."""
