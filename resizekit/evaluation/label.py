"""Text of a file that is shown to people: nothing in it that a terminal would obey, and not too much of it."""

from typing import Annotated

from pydantic import AfterValidator

__all__ = ["Command", "Label", "printable"]


def printable(text: str, longest: int = 300) -> str:
    """Put a question mark for what cannot be printed, and cut what is too long."""
    return "".join(c if c.isprintable() else "?" for c in text[:longest])


Label = Annotated[str, AfterValidator(printable)]
Command = Annotated[str, AfterValidator(lambda text: printable(text, 4000))]
"""A label that may name every column of a suite."""
