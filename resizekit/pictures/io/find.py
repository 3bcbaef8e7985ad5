"""Expand files, folders and patterns to the pictures that they name."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from resizekit.errors import ImageError
from resizekit.pictures.io.patterns import Pattern, has_marks
from resizekit.pictures.io.walk import files_below

__all__ = ["ROUNDTRIP_SUFFIX", "SUFFIXES", "Match", "Search", "find_pictures", "sample_evenly", "search_pictures"]

_SUFFIXES = """
.apng .avif .bmp .dib .gif .heic .heif .hif .j2c .j2k .jfif .jp2 .jpc .jpe .jpeg .jpf .jpg .jpx .jxl .mpo .npy .npz
.pbm .pcx .pgm .png .pnm .ppm .qoi .sgi .tga .tif .tiff .webp
"""
SUFFIXES = frozenset(_SUFFIXES.split())
"""Suffixes of pictures in a folder; a file that is named directly may have any suffix."""

ROUNDTRIP_SUFFIX = "-roundtrip"
"""End of the names of the folders that `roundtrip` writes next to a picture; a search leaves these folders out."""

_APPLE_DOUBLE = "._"
"""Start of the names of the files in which macOS stores attributes of the file with the rest of the name."""


@dataclass(frozen=True)
class Match:
    """A picture of a search."""

    path: Path
    relative: Path
    """The path below the searched folder, or below the folder in which a pattern begins; of a file only its name."""


@dataclass(frozen=True)
class Search:
    """The result of a search."""

    pictures: tuple[Match, ...]
    """Each picture once, in the order of the arguments and then of the paths."""
    ignored: tuple[Path, ...]
    """Files in folders that are not pictures, and folders that cannot be read."""
    empty: tuple[Path, ...] = ()
    """Folders among the arguments that contain no picture."""


def find_pictures(paths: Iterable[str | Path]) -> Iterator[Path]:
    """Yield every picture that the paths name, each once.

    The arguments and errors are those of `search_pictures`.
    """
    yield from (match.path for match in search_pictures(paths).pictures)


def search_pictures(paths: Iterable[str | Path], *, out: Path | None = None) -> Search:
    """Find every picture that the paths name, each once.

    A file stands for itself, a folder for the pictures in it and its subfolders, sorted by name, and a pattern for its
    matches. Subfolders that `roundtrip` wrote are left out.

    Args:
        paths: Files, folders and patterns, such as `photos/**/*.png`.
        out: A folder for results, which is not searched if it lies in a searched folder.

    Raises:
        ImageError: A path does not exist, or a pattern matches nothing.
    """
    pictures: dict[str, Match] = {}
    ignored: dict[Path, None] = {}
    empty: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            matches = _in_folder(path, Pattern(path, ("**",)), out, ignored)
            if not matches:
                empty.append(path)
        elif os.path.lexists(path):
            matches = [Match(path, Path(path.name))]
        elif has_marks(str(path)):
            pattern = Pattern.parse(path)
            matches = _in_folder(pattern.folder, pattern, out, ignored) if pattern.folder.is_dir() else []
            if not matches:
                raise ImageError(f"nothing matches {path}: check the pattern")
        else:
            raise ImageError(f"no file or folder {path}: check the name")
        for match in matches:
            pictures.setdefault(_identity(match.path), match)
    return Search(tuple(pictures.values()), tuple(ignored), tuple(empty))


def _in_folder(folder: Path, pattern: Pattern, out: Path | None, ignored: dict[Path, None]) -> list[Match]:
    results = None if out is None else os.path.realpath(out)

    def leaves_out(path: Path) -> bool:
        return path.name.endswith(ROUNDTRIP_SUFFIX) or os.path.realpath(path) == results

    matches = []
    for path in sorted(files_below(folder, depth=pattern.depth, leaves_out=leaves_out)):
        relative = path.relative_to(folder)
        if not pattern.matches(relative):
            continue
        known = pattern.names_a_suffix or path.suffix.lower() in SUFFIXES
        if known and path.is_file() and not path.name.startswith(_APPLE_DOUBLE):
            matches.append(Match(path, relative))
        else:
            ignored[path] = None
    return matches


def _identity(path: Path) -> str:
    """Return a text that is equal for all spellings of a path; a link to a file differs from the file."""
    return os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118


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
