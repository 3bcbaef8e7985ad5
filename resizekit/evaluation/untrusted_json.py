"""JSON files that people give: read up to a size, and what is wrong with one said in one line."""

import math
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationError

from resizekit.errors import ResizeKitError

__all__ = ["Command", "Label", "finite", "first_error", "printable", "read_untrusted"]


def read_untrusted(path: Path, largest: int, wanted: str) -> bytes:
    """Read a file of at most `largest` bytes; a `ResizeKitError` for others says to give `wanted`."""
    try:
        with path.open("rb") as stream:
            text = stream.read(largest + 1)
    except OSError as error:
        raise ResizeKitError(f"cannot read {path}: {error.strerror}") from None
    if len(text) > largest:
        raise ResizeKitError(f"{path} is larger than {largest >> 20} MiB: give {wanted}")
    return text


def first_error(error: ValidationError) -> str:
    """Say in a few words where data first differ from what they should be."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return " ".join(f"{where}: {first['msg']}".split()).removeprefix(": ")[:160]


def printable(text: str, longest: int = 300) -> str:
    """Put a question mark for what cannot be printed, and cut what is too long."""
    return "".join(c if c.isprintable() else "?" for c in text[:longest])


Label = Annotated[str, AfterValidator(printable)]
Command = Annotated[str, AfterValidator(lambda text: printable(text, 4000))]
"""A label that may name every column of a suite."""


def finite(value: float | None) -> float | None:
    """Give a figure as JSON can hold it: None for the infinite PSNR of equal pictures."""
    return value if value is not None and math.isfinite(value) else None
