"""`resizekit info`."""

from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.options import Json

__all__ = ["info"]


def info(
    file: Annotated[Path, typer.Argument(help="A small image or a weights file.")],
    as_json: Json = False,
) -> None:
    """Show what a small image says of its picture, or a weights file of itself."""
    import json

    if file.suffix == ".safetensors":
        from resizekit.checkpoint import read_header

        told = read_header(file).model_dump(mode="json")
    else:
        from resizekit.images.files import read_small

        told = read_small(file)[1].model_dump(mode="json")
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    width = max(len(key) for key in told)
    for key, value in told.items():
        plain = value if isinstance(value, str) else json.dumps(value)
        typer.echo(f"{key:<{width}}  {plain}")
