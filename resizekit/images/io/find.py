"""Expand files, folders and patterns to the pictures that they name."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from resizekit.errors import ImageError

__all__ = ["ROUNDTRIP_SUFFIX", "SUFFIXES", "find_pictures", "sample_evenly"]

SUFFIXES = frozenset({".avif", ".bmp", ".jpeg", ".jpg", ".jxl", ".npy", ".npz", ".png", ".tif", ".tiff", ".webp"})
"""Suffixes of pictures in a folder; a file that is named directly may have any suffix."""

ROUNDTRIP_SUFFIX = "-roundtrip"
"""End of the names of the folders that `roundtrip` writes next to a picture; a search leaves these folders out."""


def find_pictures(paths: Iterable[str | Path]) -> Iterator[Path]:
    """Yield every picture that the paths name, each once.

    A file stands for itself, a folder for the pictures in it and its subfolders, sorted by name, and a pattern for its
    matches. Subfolders that `roundtrip` wrote are left out.

    Args:
        paths: Files, folders and patterns, such as `photos/*.png`.

    Raises:
        ImageError: A path does not exist, or a pattern matches nothing.
    """
    seen: set[Path] = set()
    for name in paths:
        for path in _expand(Path(name)):
            if path not in seen:
                seen.add(path)
                yield path


def _expand(path: Path) -> list[Path]:
    if path.is_dir():
        pictures = (p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        return sorted(p for p in pictures if not _is_in_roundtrip_folder(p.relative_to(path)))
    if path.exists():
        return [path]
    if any(mark in path.name for mark in "*?[") and path.parent.is_dir():
        matches = sorted(p for p in path.parent.glob(path.name) if p.is_file())
        if matches:
            return matches
        raise ImageError(f"nothing matches {path}: check the pattern")
    raise ImageError(f"no file or folder {path}: check the name")


def _is_in_roundtrip_folder(path: Path) -> bool:
    return any(part.endswith(ROUNDTRIP_SUFFIX) for part in path.parts[:-1])


def sample_evenly(paths: Sequence[Path], limit: int | None) -> list[Path]:
    """Return at most `limit` paths, evenly spread over all of them.

    Args:
        paths: Any paths.
        limit: Maximum number of paths; None: all of them.

    Examples:
        >>> [path.name for path in sample_evenly([Path("a"), Path("b"), Path("c"), Path("d")], 2)]
        ['a', 'c']
    """
    if limit is None or limit >= len(paths):
        return list(paths)
    return [paths[i * len(paths) // limit] for i in range(limit)]
