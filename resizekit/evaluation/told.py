"""JSON files that people give: read up to a size, and what is wrong with one said in one line."""

from pathlib import Path

from pydantic import ValidationError

from resizekit.errors import ResizeKitError

__all__ = ["read_told", "wrong_with"]


def read_told(path: Path, largest: int, wanted: str) -> bytes:
    """Read a file of at most `largest` bytes; a `ResizeKitError` for others says to give `wanted`."""
    try:
        with path.open("rb") as stream:
            text = stream.read(largest + 1)
    except OSError as error:
        raise ResizeKitError(f"cannot read {path}: {error.strerror}") from None
    if len(text) > largest:
        raise ResizeKitError(f"{path} is larger than {largest >> 20} MiB: give {wanted}")
    return text


def wrong_with(error: ValidationError) -> str:
    """Say in a few words where data first differ from what they should be."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return " ".join(f"{where}: {first['msg']}".split()).removeprefix(": ")[:160]
