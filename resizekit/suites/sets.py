"""Find the sets of a suite in a folder, and check the number and the sizes of their pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import PIL.Image

from resizekit.errors import ImageError, UsageError
from resizekit.pictures.io.find import find_pictures, sample_evenly
from resizekit.plugin.suite import Suite, SuiteSet
from resizekit.spec import HW

__all__ = ["FoundSet", "find_sets"]

_GREY_MODES = ("1", "L", "LA", "I;16")


@dataclass(frozen=True)
class FoundSet:
    """A set of pictures, whose folder may be missing."""

    name: str
    expected: int | None
    """Number of pictures that the set should have; None: unknown."""
    found: int
    """Number of pictures in the folder."""
    folder: Path
    pictures: tuple[Path, ...]
    """The pictures to measure."""


def find_sets(
    suite: Suite, data: Path, names: Sequence[str] = (), *, limit: int | None = None
) -> tuple[list[FoundSet], list[str]]:
    """Find the sets of a suite in a folder.

    Args:
        suite: The suite.
        data: A folder with one folder for each set.
        names: The sets to find; empty: all, but optional ones only if their folder exists.
        limit: Select at most this number of pictures of each set, sampled evenly.

    Returns:
        (sets, warnings). A missing set has no pictures. There is a warning for each missing set, and for each set
        with an unexpected number, size or colour of pictures.

    Raises:
        UsageError: If the folder does not exist.
        ImageError: If no set has pictures.
    """
    if not data.is_dir():
        raise UsageError(f"no folder {data}: give the folder that contains the sets {_required_names(suite)}")
    known = {item.name: item for item in suite.sets}
    requested = [known.get(name, SuiteSet(name=name)) for name in dict.fromkeys(names)] or [
        item for item in suite.sets if not item.optional or (data / item.name).is_dir()
    ]
    sets, warnings = [], []
    for item in requested:
        folder = data / item.name
        paths = list(find_pictures([folder])) if folder.is_dir() else []
        chosen = sample_evenly(paths, limit)
        sets.append(FoundSet(item.name, item.pictures, len(paths), folder, tuple(chosen)))
        warnings += _warnings(item, folder, paths, chosen)
    if not any(item.found for item in sets):
        raise ImageError(f"no pictures in {data}: it must contain a folder for each set, such as {sets[0].name}")
    return sets, warnings


def _warnings(item: SuiteSet, folder: Path, paths: Sequence[Path], chosen: Sequence[Path]) -> list[str]:
    expected = "" if item.pictures is None else f" ({item.pictures} expected)"
    if not folder.is_dir():
        return [f"set {item.name} is missing{expected}: no folder {folder}"]
    if not paths:
        return [f"set {item.name} is empty{expected}: no picture in {folder}"]
    warnings = []
    if item.pictures is not None and len(paths) != item.pictures:
        warnings.append(
            f"set {item.name} has {len(paths)} pictures{expected}: do not compare its means with other results"
        )
    headers = [(path, *_size_and_mode(path)) for path in chosen]
    wrong = [(path, size) for path, size, _ in headers if size and item.sizes and size not in item.sizes]
    if wrong:
        path, size = wrong[0]
        sizes = ", ".join(f"{w}x{h}" for w, h in sorted(HW(*size).wh for size in item.sizes))
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        warnings.append(
            f"set {item.name} has pictures of unexpected sizes: {path.name} is {size.w}x{size.h}{more}, "
            f"expected are {sizes}"
        )
    grey = [path.name for path, _, mode in headers if mode in _GREY_MODES]
    if grey and len(grey) < len(chosen):
        more = f" and {len(grey) - 1} more" if len(grey) > 1 else ""
        warnings.append(
            f"set {item.name} has both grey and colour pictures: {grey[0]}{more} grey; "
            "their Y is the values of the file, their RGB repeats these values"
        )
    return warnings


def _size_and_mode(path: Path) -> tuple[HW | None, str]:
    """Read size and mode from the header; errors are reported later, when the picture is measured."""
    try:
        with PIL.Image.open(path) as image:
            return HW.from_wh(image.size), image.mode
    except Exception:  # decoders raise all kinds of errors
        return None, ""


def _required_names(suite: Suite) -> str:
    return ", ".join(item.name for item in suite.sets if not item.optional)
