"""Text from files that is safe to print: cut to a length, without control characters."""

__all__ = ["escaped", "printable"]


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


def escaped(text: object, max_length: int | None = 80) -> str:
    r"""Write a text in one line for a message: lines joined, control characters escaped, cut at `max_length`.

    Args:
        text: A text, or a value to format, such as an error or a path.
        max_length: Maximum number of characters of the result; None: any.

    Examples:
        >>> escaped("\x1b[31mred\n"), escaped("a" * 100, 4), escaped("1st line:\n    2nd line")
        ('\\x1b[31mred', 'aaaa', '1st line: 2nd line')
    """
    line = " ".join(filter(None, map(str.strip, str(text).splitlines())))[:max_length]
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)[:max_length]
