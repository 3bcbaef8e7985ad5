"""Text from files that is safe to print: cut to a length, without control characters."""

__all__ = ["printable"]


def printable(text: str, max_length: int = 300) -> str:
    r"""Replace characters that are not printable with a question mark, and cut the text at `max_length`.

    Args:
        text: Text of any length, for example a name in a file.
        max_length: Maximum number of characters of the result.

    Examples:
        >>> printable("\x1b[31mred")
        '?[31mred'
    """
    return "".join(c if c.isprintable() else "?" for c in text[:max_length])
