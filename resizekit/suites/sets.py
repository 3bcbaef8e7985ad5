"""The sets of a suite in a folder: which are there, and whether they are what they are known to be."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import PIL.Image

from resizekit.errors import ImageError, UsageError
from resizekit.images.io.find import find_pictures, sample_evenly
from resizekit.plugin.suite import Suite, SuiteSet

__all__ = ["FoundSet", "find_sets"]

_GREY = ("1", "L", "LA", "I;16")


@dataclass(frozen=True)
class FoundSet:
    """A set of pictures, which may be missing."""

    name: str
    expected: int | None
    found: int
    folder: Path
    pictures: tuple[Path, ...]
    """Those that are to be measured."""


def find_sets(
    suite: Suite, data: Path, names: Sequence[str] = (), *, limit: int | None = None
) -> tuple[list[FoundSet], list[str]]:
    """Find the sets of a suite, or those named, in the folder `data`: (sets, warnings).

    What is missing is found empty and warned of, as is a set whose number or sizes are not what they are known to be.
    `limit` takes that many of each, evenly spread.  Raises `UsageError` if there is no such folder, and `ImageError` if
    nothing is found.
    """
    if not data.is_dir():
        raise UsageError(f"no folder {data}: name the one that the sets {_listed(suite)} lie in")
    known = {one.name: one for one in suite.sets}
    wanted = [known.get(name, SuiteSet(name=name)) for name in dict.fromkeys(names)] or [
        one for one in suite.sets if not one.optional or (data / one.name).is_dir()
    ]
    found, warnings = [], []
    for one in wanted:
        folder = data / one.name
        paths = list(find_pictures([folder])) if folder.is_dir() else []
        chosen = sample_evenly(paths, limit)
        found.append(FoundSet(one.name, one.pictures, len(paths), folder, tuple(chosen)))
        warnings += _complaints(one, folder, paths, chosen)
    if not any(one.found for one in found):
        raise ImageError(f"no pictures in {data}: it is to hold a folder for each set, such as {found[0].name}")
    return found, warnings


def _complaints(one: SuiteSet, folder: Path, paths: Sequence[Path], chosen: Sequence[Path]) -> list[str]:
    expected = "" if one.pictures is None else f", where {one.pictures} are expected"
    if not folder.is_dir():
        return [f"set {one.name} is missing{expected.replace('are', 'pictures are')}: there is no folder {folder}"]
    if not paths:
        return [f"set {one.name} is empty{expected.replace('are', 'pictures are')}: no picture in {folder}"]
    told = []
    if one.pictures is not None and len(paths) != one.pictures:
        told.append(f"set {one.name} has {len(paths)} pictures{expected}: its means are not those of others")
    looked = [(path, *_looked_at(path)) for path in chosen]
    wrong = [(path, size) for path, size, _ in looked if size and one.sizes and size not in one.sizes]
    if wrong:
        path, (width, height) = wrong[0]
        sizes = ", ".join(f"{w}x{h}" for w, h in sorted(one.sizes))
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        told.append(
            f"set {one.name} has pictures of other sizes: {path.name} is {width}x{height}{more}, expected are {sizes}"
        )
    grey = [path.name for path, _, mode in looked if mode in _GREY]
    if grey and len(grey) < len(chosen):
        more = f" and {len(grey) - 1} more" if len(grey) > 1 else ""
        told.append(
            f"set {one.name} has grey pictures among those in colours: {grey[0]}{more}; "
            "their Y is what the file holds, their RGB three times the same"
        )
    return told


def _looked_at(path: Path) -> tuple[tuple[int, int] | None, str]:
    """Tell size and mode from the head of a file; what cannot be read is complained of where it is measured."""
    try:
        with PIL.Image.open(path) as image:
            return image.size, image.mode
    except Exception:  # decoders raise whatever they like
        return None, ""


def _listed(suite: Suite) -> str:
    return ", ".join(one.name for one in suite.sets if not one.optional)
