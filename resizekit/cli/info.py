"""`resizekit info`."""

from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.options import Json

__all__ = ["info"]


def info(
    file: Annotated[Path, typer.Argument(help="A small picture or a weights file.")],
    as_json: Json = False,
) -> None:
    """Show the manifest of a small picture, or the header of a weights file."""
    import json

    from resizekit.cli.output import echo_json

    if file.suffix == ".safetensors":
        from resizekit.recipes.checkpoint import read_header

        fields = read_header(file).model_dump(mode="json")
    else:
        from resizekit.images.small_files import inspect_small

        manifest, is_checked = inspect_small(file)
        fields = manifest.model_dump(mode="json", exclude_none=True)
        if not is_checked:
            from resizekit.system.printable import escaped

            typer.echo(f"note: {escaped(file, 300)} is large: its pixels are checked by `up` only", err=True)
    if as_json:
        echo_json(fields)
        return
    width = max(len(key) for key in fields)
    for key, value in fields.items():
        # a file may hold control characters of the terminal: escape them
        text = value if isinstance(value, str) and value.isprintable() else json.dumps(value)
        typer.echo(f"{key:<{width}}  {text}")
