"""Walk the directories of a TIFF before a library parses them, within a budget that follows from the file size.

Each page has a directory: a list of tags, and the offset of the next directory. Offsets may loop or overlap, so that a
file of a few kilobytes declares thousands of large pages, and a library parses each of them.
"""

import struct
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from resizekit.errors import ImageError
from resizekit.pictures.io.source import Source
from resizekit.pictures.limits import CHANNELS

__all__ = ["check_directories"]

_POINTERS = (34665, 34853, 40965)
"""Tags with the offset of another directory: EXIF, GPS and interoperability."""
_NEW_SUBFILE_TYPE = 254
_SHORT, _LONG = 3, 4
_SIZES = np.array([0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8], np.float64)
"""Bytes of a value by the number of its type."""


class _Layout(NamedTuple):
    """The sizes of a TIFF, or of a BigTIFF."""

    order: str
    length: str
    offset: str
    head: int
    """Position of the offset of the first directory."""

    @property
    def tag(self) -> np.dtype[np.void]:
        offset = f"{self.order}u{struct.calcsize(self.order + self.offset)}"
        return np.dtype([("code", f"{self.order}u2"), ("type", f"{self.order}u2"), ("count", offset), ("at", offset)])


def check_directories(path: Source) -> list[bool]:
    """Refuse a TIFF whose pages loop, or whose tags together declare more bytes than the file has.

    Broken offsets are left to the library that parses the file.

    Args:
        path: A TIFF or BigTIFF.

    Returns:
        For each page, whether it is a thumbnail or a reduced version of another page.

    Raises:
        ImageError: The work of parsing the file would not be in proportion to its size.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4)
        order = "<" if head[:1] == b"I" else ">"
        layout = _Layout(order, "Q", "Q", 8) if 43 in head[2:] else _Layout(order, "H", "I", 4)
        offset = _number(file, layout.head, order + layout.offset)
        pages: dict[int, bool] = {}
        budget = float(size)
        while offset:
            if offset in pages:
                raise ImageError(f"{path} cannot be read (its pages form a loop): fetch or export it again")
            if len(pages) == CHANNELS:
                raise ImageError(f"{path} has more than {CHANNELS} pages: cut it into parts")
            at = offset
            pages[at] = False
            budget, offset, pages[at] = _charge(file, at, layout, budget)
            if budget < 0:
                raise ImageError(
                    f"{path} cannot be read (its tags declare more than the {size} bytes of the file): "
                    "fetch or export it again"
                )
    return list(pages.values())


def _charge(file: BinaryIO, offset: int, layout: _Layout, budget: float) -> tuple[float, int, bool]:
    """Subtract the bytes of a directory, of the values outside it, and of its inner directories from the budget.

    Returns:
        What remains, negative as soon as it does not suffice, the offset of the next directory, and whether the page is
        a reduced version of another.
    """
    inner = [offset]
    following = 0
    is_reduced = False
    while inner and budget >= 0:
        at = inner.pop()
        count = _number(file, at, layout.order + layout.length)
        budget -= struct.calcsize(layout.order + layout.length) + count * layout.tag.itemsize
        if budget < 0:
            break
        data = file.read(count * layout.tag.itemsize)
        tags = np.frombuffer(data[: len(data) // layout.tag.itemsize * layout.tag.itemsize], layout.tag)
        if at == offset and not following:
            following = _number(file, file.tell(), layout.order + layout.offset)
            is_reduced = _is_reduced(tags)
        values = _SIZES[np.where(tags["type"] < len(_SIZES), tags["type"], 0)] * tags["count"].astype(np.float64)
        budget -= float(values[values > layout.tag["at"].itemsize].sum())
        inner += [int(tag["at"]) for tag in tags if tag["code"] in _POINTERS]
    return budget, following, is_reduced


def _is_reduced(tags: np.ndarray[Any, np.dtype[np.void]]) -> bool:
    """Return whether the tag NewSubfileType has the bit of a reduced version."""
    kinds = tags[tags["code"] == _NEW_SUBFILE_TYPE]
    if not len(kinds) or int(kinds[0]["type"]) not in (_SHORT, _LONG):
        return False
    value = kinds["at"][:1].tobytes()[: int(_SIZES[kinds[0]["type"]])]  # a short value is at the start of its field
    is_big_endian = tags.dtype["at"].str[0] == ">"
    return bool(int.from_bytes(value, "big" if is_big_endian else "little") & 1)


def _number(file: BinaryIO, at: int, layout: str) -> int:
    """Read an integer, or 0 beyond the end of the file."""
    if at >= 2**63:
        return 0
    file.seek(at)
    data = file.read(struct.calcsize(layout))
    return int(struct.unpack(layout, data)[0]) if len(data) == struct.calcsize(layout) else 0
