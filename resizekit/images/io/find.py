"""Files, folders and patterns to the pictures they mean."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from resizekit.errors import ImageError

__all__ = ["MADE", "SUFFIXES", "find_pictures", "sample_evenly"]

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".npy", ".npz", ".png", ".tif", ".tiff", ".webp"})
"""What a folder is searched for; a file named outright is taken whatever it is called."""

MADE = "-roundtrip"
"""How the folders end that `roundtrip` makes beside a picture: what lies in them is no picture of the folder's own."""


def find_pictures(paths: Iterable[str | Path]) -> Iterator[Path]:
    """Give every picture meant, each once: a file itself, a folder's pictures (also deeper), a pattern's matches.

    Folders deeper down that `roundtrip` made are left out.  In the order given, within a folder by name.  Raises
    `ImageError` for a path or pattern that means nothing.
    """
    seen: set[Path] = set()
    for given in paths:
        for path in _meant(Path(given)):
            if path not in seen:
                seen.add(path)
                yield path


def _meant(path: Path) -> list[Path]:
    if path.is_dir():
        found = (p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        return sorted(p for p in found if not any(part.endswith(MADE) for part in p.relative_to(path).parts[:-1]))
    if path.exists():
        return [path]
    if any(mark in path.name for mark in "*?[") and path.parent.is_dir():
        matches = sorted(p for p in path.parent.glob(path.name) if p.is_file())
        if matches:
            return matches
        raise ImageError(f"nothing matches {path}; check the pattern")
    raise ImageError(f"no file or folder {path}; check the name")


def sample_evenly(paths: Sequence[Path], limit: int | None) -> list[Path]:
    """Take so many of several at most, evenly spread over all; None: every one."""
    if limit is None or limit >= len(paths):
        return list(paths)
    return [paths[i * len(paths) // limit] for i in range(limit)]
