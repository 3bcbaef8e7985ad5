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

    from resizekit.cli.output import echo_json

    if file.suffix == ".safetensors":
        from resizekit.recipes.checkpoint import read_header

        told = read_header(file).model_dump(mode="json")
    else:
        from resizekit.images.files import read_small

        told = read_small(file)[1].model_dump(mode="json", exclude_none=True)
    if as_json:
        echo_json(told)
        return
    width = max(len(key) for key in told)
    for key, value in told.items():
        # a file may hold anything: what a terminal would obey is shown, not sent
        plain = value if isinstance(value, str) and value.isprintable() else json.dumps(value)
        typer.echo(f"{key:<{width}}  {plain}")
