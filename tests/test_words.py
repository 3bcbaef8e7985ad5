"""Words that do not belong in plain technical English stay out of code and pages.

Identifiers, comments, strings and prose are all checked: the rule is that an engineer understands each sentence at the
first reading, in any country.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

INSTEAD = {
    r"told|retold|tells?": "use the exact noun (metadata, options, metrics), or `returns`, `prints`, `names`",
    r"legs?": "use `step`, `segment` or `stage`",
    r"grain": "use `tile_alignment`",
    r"suited": "use `fits`, or `best_weights_for`",
    r"undone": "use `reversed`, or `inverse`",
    r"beside": "use `next to`, `with` or `against`",
    r"whoever|somebody|nobody": "name the caller, the user or the function",
    r"so (?:many|often)": "use a number, or the name of the parameter, such as `times` times",
    r"for want of": "use `because of missing`",
    r"(?-i:is none)": "use `is not a`",
    r"none of ours": "use `not a file of resizekit`",
    r"of one's own": "use `your own`",
    r"such as it is|thereby": "leave it out",
}
"""Patterns, and what to write instead."""

ALLOWED = ("file.tell()", "there is none")
"""Exact phrases that may contain a pattern."""

FOLDERS = ("resizekit", "plugins", "kernels", "weights", "docs", "examples")
PAGES = ("README.md", "CHANGELOG.md")
SUFFIXES = {".py", ".md", ".toml", ".jinja", ".css", ".js"}
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*(path for folder in FOLDERS for path in (ROOT / folder).rglob("*")), *(ROOT / page for page in PAGES)]
    if path.suffix in SUFFIXES
)


def pattern(words: str) -> re.Pattern[str]:
    """Match complete words, in identifiers too; a phrase may go on in the next line, or the next line of a comment."""
    return re.compile(rf"(?<![a-z])(?:{words})(?![a-z])".replace(" ", r"\s+(?:#\s*)?"), re.IGNORECASE)


PATTERNS = {pattern(words): hint for words, hint in INSTEAD.items()}


def findings(text: str) -> list[tuple[int, str, str]]:
    """The line, the words and the advice of each match."""
    for phrase in ALLOWED:
        text = text.replace(phrase, "")
    return sorted(
        (text.count("\n", 0, match.start()) + 1, " ".join(match[0].replace("#", "").split()), hint)
        for pattern, hint in PATTERNS.items()
        for match in pattern.finditer(text)
    )


@pytest.mark.parametrize("file", FILES)
def test_file_uses_plain_words(file):
    found = findings((ROOT / file).read_text(encoding="utf-8"))
    assert not found, "\n".join(f"{file}:{number}: {word!r}: {hint}" for number, word, hint in found)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("as told by", "told"),
        ("class _Told:", "Told"),
        ("told_as = 1", "told"),
        ("the second leg", "leg"),
        ("applied so\noften", "so often"),
        ("# applied so\n    # often", "so often"),
        ("a span that is none", "is none"),
    ],
)
def test_words_are_found(text, word):
    assert [found for _, found, _ in findings(text)] == [word]


@pytest.mark.parametrize(
    "text",
    [
        "x is None",
        "file.tell()",
        "a legend",
        "fine-grained",
        "besides",
        "fold, foretold",
        "suite",
        "legacy",
        "so\nmuch",
    ],
)
def test_parts_of_other_words_are_not_found(text):
    assert findings(text) == []
