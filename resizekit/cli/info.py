"""`resizekit info`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from resizekit.cli.options import Json

__all__ = ["info"]


def info(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Small pictures, weights files, names of installed weights, or packs."),
    ],
    as_json: Json = False,
) -> None:
    """Show the manifest of a small picture, the header of weights, or the contents of a pack."""
    from resizekit.cli.output import echo_error, echo_json
    from resizekit.errors import ResizeKitError

    rows: list[dict[str, Any]] = []
    failed = False
    for name in files:
        try:
            fields = _fields(name)
        except (ResizeKitError, OSError) as error:
            if len(files) == 1:
                raise
            echo_error(error)
            failed = True
            continue
        rows.append({"file": name, **fields} if len(files) > 1 else fields)
        if not as_json:
            if len(rows) > 1:
                typer.echo()
            _print_fields(rows[-1])
    if as_json:
        echo_json(rows if len(files) > 1 else rows[0])
    if failed:
        raise typer.Exit(1)


def _fields(name: str) -> dict[str, Any]:
    """Read a file, or the file of installed weights. A file takes precedence over weights of the same name."""
    path = Path(name)
    if path.suffix == ".safetensors" or (not path.exists() and path.name == name and not path.suffix):
        from resizekit.recipes.checkpoint import header_of

        return header_of(name).model_dump(mode="json")
    if path.suffix == ".pack":
        from resizekit.training.pack_file import PackFile

        return PackFile(path).as_dict()
    from resizekit.images.small_files import inspect_small

    manifest, is_checked = inspect_small(path)
    if not is_checked:
        from resizekit.system.printable import escaped

        typer.echo(f"note: {escaped(name, 300)} is large: its pixels are checked by `up` only", err=True)
    return manifest.model_dump(mode="json", exclude_none=True)


def _print_fields(fields: dict[str, Any]) -> None:
    import json

    width = max(len(key) for key in fields)
    for key, value in fields.items():
        # a file may hold control characters of the terminal: escape them
        text = value if isinstance(value, str) and value.isprintable() else json.dumps(value)
        typer.echo(f"{key:<{width}}  {text}")
