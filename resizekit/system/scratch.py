"""Keep large arrays in temporary files, so that a picture may be larger than the memory.

Inside of `scratch`, `empty` returns an array that is mapped to a file once it is larger than a limit. Such an array
behaves like any other. Its pages count as memory of this process while they are mapped, so code that walks through one
calls `release` after each part; the values stay in the file.
"""

import math
import mmap
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resizekit.errors import ImageError
from resizekit.system.resident import resident_bytes

__all__ = [
    "Scratch",
    "active_scratch",
    "bands",
    "build",
    "check_memory",
    "contiguous",
    "empty",
    "is_on_disk",
    "loaded",
    "release",
    "scratch",
    "smallest",
]

_BAND = 16_000_000
"""Bytes of the rows that `bands` takes at once."""

_LINES = 256
"""Rows of an array in a file that are read at once."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Scratch:
    """Where large arrays go."""

    folder: Path
    """Folder of the temporary files. They have no name there, so nothing is left if the process is killed."""
    limit: int
    """Bytes up to which arrays stay in memory."""
    memory: int | None = None
    """Bytes that the process may use; None: no limit."""


_ACTIVE: ContextVar[Scratch | None] = ContextVar("scratch", default=None)


@contextmanager
def scratch(place: Scratch | None) -> Iterator[None]:
    """Put large arrays into files inside this block; None: leave everything as it is."""
    token = _ACTIVE.set(place or _ACTIVE.get())
    try:
        yield
    finally:
        _ACTIVE.reset(token)


def active_scratch() -> Scratch | None:
    """Return where large arrays go at present; None: they stay in memory."""
    return _ACTIVE.get()


def empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Return a new array of any values, in memory or in a file.

    Raises:
        ImageError: The file system of the scratch folder has too little space.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    place = _ACTIVE.get()
    if place is None or size <= place.limit:
        return np.empty(shape, dtype)
    try:
        with tempfile.TemporaryFile(dir=place.folder) as file:  # the mapping keeps it until the array is deleted
            _reserve(file.fileno(), place.folder, size)
            return np.memmap(file, dtype, "r+", shape=shape)
    except OSError as error:
        raise ImageError(
            f"cannot keep {size / 1e9:.1f} GB of temporary data in {place.folder} ({error.strerror or error}): free "
            "space there, or write to another folder"
        ) from None


def _reserve(descriptor: int, folder: Path, size: int) -> None:
    """Take the space now: a write to a mapping on a full disk would kill the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    if shutil.disk_usage(folder).free < size:
        raise OSError("too little space")
    os.truncate(descriptor, size)


def _mapping(array: Any) -> mmap.mmap | None:
    """Return the mapping behind an array or a view of it."""
    while array is not None and not isinstance(array, mmap.mmap):
        array = getattr(array, "base", None)
    return array


def check_memory(count: int, content: str) -> None:
    """Refuse to take more memory than the process may use.

    Args:
        count: Bytes to take.
        content: What they are for, and what to do instead.

    Raises:
        ImageError: They do not fit.
    """
    place = _ACTIVE.get()
    if place is not None and place.memory is not None and resident_bytes() + count > place.memory:
        needed = (resident_bytes() + count) / 10**6
        raise ImageError(f"{content}, or allow a memory of {needed:.0f} MB")


def is_on_disk(array: Any) -> bool:
    """Return whether an array, or what it is a view of, is mapped to a file."""
    return _mapping(array) is not None


def release(*arrays: Any) -> None:
    """Unload the pages of arrays that are mapped to files. Their values stay."""
    for array in arrays:
        mapping = _mapping(array)
        if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapping.madvise(mmap.MADV_DONTNEED)


def bands(shape: tuple[int, ...], itemsize: int = 1, size: int | None = None) -> Iterator[slice]:
    """Cut the rows of an array into bands of about `size` bytes; None: 16 MB."""
    rows = max(1, (size or _BAND) // max(1, math.prod(shape[1:]) * itemsize))
    return (slice(top, min(top + rows, shape[0])) for top in range(0, shape[0], rows))


def build(shape: tuple[int, ...], dtype: npt.DTypeLike, part: Callable[[slice], Array], *sources: Array) -> Array:
    """Compute an array band by band.

    Args:
        shape: Its shape; the first axis is cut.
        dtype: Its type.
        part: Returns the values of some rows.
        sources: Arrays that `part` reads.
    """
    result = empty(shape, dtype)
    for rows in bands(shape, result.itemsize):
        result[rows] = part(rows)
        release(result, *sources)
    return result


def loaded(view: Array) -> Array:
    """Return a view of an array in a file as an array in memory; any other array as it is.

    The system maps 16 pages around each page that is read, so a few columns of all rows would load almost everything.
    The view is therefore copied and released in small parts.
    """
    if not is_on_disk(view):
        return view
    result = np.empty(view.shape, view.dtype)
    outer = int(np.argmax(np.abs(view.strides)))
    for start in range(0, view.shape[outer], _LINES):
        part = (slice(None),) * outer + (slice(start, start + _LINES),)
        result[part] = view[part]
        release(view)
    return result


def smallest(array: Array) -> int:
    """Return the least value of an array of integers."""
    least = min(int(array[rows].min()) for rows in bands(array.shape, array.itemsize))
    release(array)
    return least


def contiguous(array: Array) -> Array:
    """Return an array without gaps: itself, or a copy that is made band by band."""
    if array.flags.c_contiguous:
        return array
    return build(array.shape, array.dtype, lambda rows: loaded(array[rows]), array)
