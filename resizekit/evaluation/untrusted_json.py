"""Read JSON files from users: limited in size, with errors of one line and text that is safe to print."""

import codecs
import math
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationError

from resizekit.errors import ResizeKitError
from resizekit.system.printable import escaped, printable

__all__ = ["Command", "Label", "finite", "first_error", "printable", "read_untrusted"]


def read_untrusted(path: Path, max_bytes: int, expected: str) -> bytes:
    """Read a file of limited size.

    Args:
        path: The file.
        max_bytes: Largest accepted size.
        expected: Description of the right file, for the error message: "give {expected}".

    Returns:
        The content, without a byte order mark.

    Raises:
        ResizeKitError: If the file cannot be read or is too large.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(max_bytes + 1)
    except OSError as error:
        raise ResizeKitError(f"cannot read {path}: {error.strerror}") from None
    if len(content) > max_bytes:
        raise ResizeKitError(f"{path} is larger than {max_bytes >> 20} MiB: give {expected}")
    return content.removeprefix(codecs.BOM_UTF8)


def first_error(error: ValidationError) -> str:
    """Format the first problem of a validation error in one line of at most 160 characters."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return escaped(f"{where}: {first['msg']}".removeprefix(": "), 160)


Label = Annotated[str, AfterValidator(printable)]
"""Text of at most 300 printable characters."""
Command = Annotated[str, AfterValidator(lambda text: printable(text, 4000))]
"""Text of at most 4000 printable characters: a command line can name every column of a suite."""


def finite(value: float | None) -> float | None:
    """Return a value that JSON can hold: None replaces infinity, such as the PSNR of equal pictures.

    Examples:
        >>> finite(31.5), finite(math.inf)
        (31.5, None)
    """
    return value if value is not None and math.isfinite(value) else None
