"""Patterns of file names, such as `photos/**/*.jpg`."""

import fnmatch
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

__all__ = ["Pattern", "has_marks"]

_ANY_DEPTH = "**"


def has_marks(text: str) -> bool:
    """Return whether a text contains a character of a pattern: `*`, `?` or `[`."""
    return any(mark in text for mark in "*?[")


@dataclass(frozen=True)
class Pattern:
    """A pattern, split into the folder to search and the parts that its matches fulfil.

    In each part, `*`, `?` and `[...]` match within a name. The part `**` matches any number of folders, also none.

    Examples:
        >>> Pattern.parse(Path("photos/*/a?.png"))
        Pattern(folder=PosixPath('photos'), parts=('*', 'a?.png'))
        >>> Pattern.parse(Path("**/*.png")).matches(Path("deep/er/a.png"))
        True
    """

    folder: Path
    """The longest start of the pattern without special characters, or with an existing folder of exactly this name."""
    parts: tuple[str, ...]
    """The parts below the folder."""

    @classmethod
    def parse(cls, path: Path) -> "Pattern":
        """Split a pattern."""
        folder, parts = Path(path.anchor), list(path.parts[1:] if path.anchor else path.parts)
        while len(parts) > 1 and (not has_marks(parts[0]) or (folder / parts[0]).is_dir()):
            folder /= parts.pop(0)
        repeated = [part for part, next_part in pairwise(parts) if part == next_part == _ANY_DEPTH]
        for part in repeated:
            parts.remove(part)
        return cls(folder, tuple(parts))

    @property
    def depth(self) -> int | None:
        """Largest number of folders below `folder` in which a match can be; None: any."""
        return None if _ANY_DEPTH in self.parts else len(self.parts) - 1

    @property
    def names_a_suffix(self) -> bool:
        """Whether the pattern itself decides which kinds of files match."""
        suffix = Path(self.parts[-1]).suffix
        return len(suffix) > 1 and not has_marks(suffix[1])

    def matches(self, relative: Path) -> bool:
        """Return whether a path below `folder` matches."""
        return _match(self.parts, relative.parts)


def _match(parts: tuple[str, ...], names: tuple[str, ...]) -> bool:
    if not parts:
        return not names
    if parts[0] == _ANY_DEPTH:
        return any(_match(parts[1:], names[start:]) for start in range(len(names) + 1))
    return bool(names) and fnmatch.fnmatchcase(names[0], parts[0]) and _match(parts[1:], names[1:])
