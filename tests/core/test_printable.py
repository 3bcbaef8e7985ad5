"""Text from files in messages: one line, without control characters."""

import pytest

from resizekit.errors import UsageError
from resizekit.system.printable import escaped


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("photo.png", "photo.png"),
        ("two  spaces", "two  spaces"),
        ("tab\there", "tab\\there"),
        ("grün \u4e2d", "grün \u4e2d"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("right\u202eleft", "right\\u202eleft"),
        ("bad\udcff.png", "bad\\udcff.png"),
        ("1st:\n\n    2nd\r\n", "1st: 2nd"),
        ("", ""),
        (UsageError("in\nlines"), "in lines"),
    ],
)
def test_text_is_one_printable_line(text: object, expected: str) -> None:
    assert escaped(text) == escaped(text, None) == expected


def test_length_is_limited_after_escaping() -> None:
    assert escaped("\x00" * 100_000, 10) == "\\x00\\x00\\x"
    assert len(escaped("a" * 100_000)) == 80
    assert len(escaped("a" * 100_000, None)) == 100_000
