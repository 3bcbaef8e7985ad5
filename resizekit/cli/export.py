"""`resizekit export`."""

from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.options import Overwrite, Times
from resizekit.errors import UsageError

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
    if calibrate is not None and not calibrate.is_dir():
        raise UsageError(f"--calibrate {calibrate}: not a folder; name one that holds pictures")
    write(
        codec,
        direction,  # type: ignore[arg-type]  # checked there
        out,
        dtype=dtype,  # type: ignore[arg-type]  # checked there
        quantized=calibrate is not None,
        calibration=calibrate,
        overwrite=overwrite,
    )
    typer.echo(str(out))
