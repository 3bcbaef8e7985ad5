"""Text of a file that is shown to people: nothing in it that a terminal would obey, and not too much of it."""

from typing import Annotated

from pydantic import AfterValidator

__all__ = ["Label", "printable"]

_LONGEST = 300


def printable(text: str) -> str:
    """Put a question mark for what cannot be printed, and cut what is too long."""
    return "".join(c if c.isprintable() else "?" for c in text[:_LONGEST])


Label = Annotated[str, AfterValidator(printable)]
