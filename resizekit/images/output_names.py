"""Name the outputs of many pictures, so that no two of them are equal."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from resizekit.pictures.io.find import Match

__all__ = ["output_names"]


def output_names(matches: Sequence[Match], suffix: Callable[[Path], str]) -> list[Path]:
    """Return the path below the output folder for each picture.

    It is the path below the searched folder with another suffix. If several pictures would have the same output, each
    of them keeps its own suffix as well: `a.jpg` and `a.png` become `a.jpg.png` and `a.png.png`. If their names are
    equal too, because they lie in different searched folders, the names of the folders below their common folder are
    added.

    Args:
        matches: The pictures.
        suffix: Returns the suffix of the output for a picture.

    Examples:
        >>> pictures = [Match(Path("in") / name, Path(name)) for name in ("a.jpg", "a.tif", "b.jpg")]
        >>> [str(path) for path in output_names(pictures, lambda _: ".png")]
        ['a.jpg.png', 'a.tif.png', 'b.png']
    """
    if not matches:
        return []
    suffixes = [suffix(match.path) for match in matches]
    full = [Path(os.path.abspath(match.path)) for match in matches]  # noqa: PTH100  # links keep their names
    common = os.path.commonpath([path.parent for path in full])
    candidates = [
        (
            match.relative.with_suffix(new),
            match.relative.with_name(match.relative.name + new),
            path.relative_to(common).with_suffix(new),
            path.relative_to(common).with_name(path.name + new),
        )
        for match, path, new in zip(matches, full, suffixes, strict=True)
    ]
    level = [0] * len(matches)  # the last candidates all differ, so this ends
    while True:
        names = [choices[index] for choices, index in zip(candidates, level, strict=True)]
        count = Counter(names)
        if len(count) == len(names):
            return names
        level = [min(index + (count[name] > 1), 3) for index, name in zip(level, names, strict=True)]
