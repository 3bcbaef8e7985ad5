"""`resizekit info`."""

from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.options import Json

__all__ = ["info"]


def info(
    file: Annotated[Path, typer.Argument(help="A small picture, a weights file or a pack.")],
    as_json: Json = False,
) -> None:
    """Show the manifest of a small picture, the header of a weights file, or the contents of a pack."""
    import json

    from resizekit.cli.output import echo_json

    if file.suffix == ".safetensors":
        from resizekit.recipes.checkpoint import read_header

        fields = read_header(file).model_dump(mode="json")
    elif file.suffix == ".pack":
        from resizekit.training.pack_file import PackFile

        fields = PackFile(file).as_dict()
    else:
        from resizekit.images.small_files import read_small

        fields = read_small(file)[1].model_dump(mode="json", exclude_none=True)
    if as_json:
        echo_json(fields)
        return
    width = max(len(key) for key in fields)
    for key, value in fields.items():
        # a file may hold control characters of the terminal: escape them
        text = value if isinstance(value, str) and value.isprintable() else json.dumps(value)
        typer.echo(f"{key:<{width}}  {text}")
