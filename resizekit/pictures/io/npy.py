"""NumPy arrays in files: `h w c` in a .npy, or as the only array in a .npz. Nothing is unpickled."""

import io
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from resizekit.errors import ImageError
from resizekit.pictures.io.source import Source, for_library
from resizekit.pictures.limits import check_values
from resizekit.storage.formats import Pixels, Storage
from resizekit.system.printable import escaped

__all__ = ["NPY", "NPZ", "array_bytes", "check_array", "is_array", "read_array"]

_MAGIC = b"\x93NUMPY"
_ZIP = b"PK\x03\x04"
_MAX_HEADER = 10_000
"""NumPy's own limit for the text of a header, in bytes."""
_DTYPES = {"u1": np.uint8, "u2": np.uint16, "f4": np.float32}


@dataclass(frozen=True, kw_only=True)
class Npy(Storage):
    """A NumPy array in a .npy file, or in a compressed .npz file if `zipped` is true."""

    zipped: bool = False

    def save(self, target: Path | BinaryIO, pixels: Pixels, **options: Any) -> None:
        """Write `h w c` of any type; the format has no place for metadata, so `options` are ignored."""
        if isinstance(target, Path):
            with target.open("wb") as file:  # NumPy would append a suffix to a path
                return self.save(file, pixels)
        if self.zipped:
            return np.savez_compressed(target, allow_pickle=False, picture=pixels)
        return np.save(target, pixels, allow_pickle=False)


NPY = Npy(format="NPY", suffixes=(".npy",), exact=True, icc=False)
NPZ = Npy(format="NPZ", suffixes=(".npz",), exact=True, icc=False, zipped=True)


def is_array(path: Source, head: bytes) -> bool:
    """Return whether a file is a NumPy array, or a zip file that may hold one, by its first bytes."""
    return head.startswith(_MAGIC) or (head.startswith(_ZIP) and zipfile.is_zipfile(for_library(path)))


def read_array(path: Source, head: bytes) -> Pixels:
    """Read one array `h w c` of uint8, uint16 or float32.

    Args:
        path: A .npy file, or a .npz file with one array.
        head: First bytes of the file.

    Raises:
        ImageError: The file holds anything else; raised before memory is allocated for it.
    """
    with _opened(path, head) as file:
        return _read(path, file, path.stat().st_size if head.startswith(_MAGIC) else None)


def check_array(path: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse an array that cannot be a picture.

    Args:
        path: The file, for the error message.
        shape: Shape of the array.
        dtype: Type of its values, in any byte order.

    Raises:
        ImageError: The array is not `h w c` of uint8, uint16 or float32, is empty, or is too large.
    """
    if dtype.hasobject or dtype.str[1:] not in _DTYPES:
        values = "Python objects" if dtype.hasobject else f"values of type {escaped(dtype, 60)}"
        raise ImageError(f"{path} holds {values}: save uint8, uint16 or float32")
    check_values(path, shape)


def array_bytes(path: Source, head: bytes) -> int:
    """Return the bytes of the array that a file declares, of any type.

    Raises:
        ImageError: The file does not hold one array.
    """
    with _opened(path, head) as file:
        shape, _, dtype = _read_header(path, file)
    return math.prod(shape) * dtype.itemsize


@contextmanager
def _opened(path: Source, head: bytes) -> Iterator[IO[bytes]]:
    if head.startswith(_MAGIC):
        with path.open("rb") as file:
            yield file
        return
    with zipfile.ZipFile(for_library(path)) as archive:
        names = archive.namelist()
        if len(names) != 1:
            raise ImageError(f"{path} holds {len(names)} arrays: save the picture as the only one")
        with archive.open(names[0]) as member:
            yield member


def _read(path: Source, file: Any, file_size: int | None = None) -> Pixels:
    """Read the header, and then at most the bytes that it declares: a zip file may unpack to any number.

    `file_size` is known for a plain file.
    """
    shape, fortran, dtype = _read_header(path, file)
    check_array(path, shape, dtype)
    expected = math.prod(shape) * dtype.itemsize
    data = b"" if file_size is not None and file_size - file.tell() < expected else file.read(expected + 1)
    if len(data) != expected:
        comparison = "less" if len(data) < expected else "more"
        raise ImageError(
            f"{path} holds {comparison} than the {expected} bytes that its header declares: fetch or export it again"
        )
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    return np.ascontiguousarray(array, dtype.newbyteorder("="))


def _read_header(path: Source, file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    magic = file.read(8)
    is_version_2 = magic[6:7] != b"\x01"
    length = file.read(4 if is_version_2 else 2)
    size = int.from_bytes(length, "little")
    if magic[:6] != _MAGIC or magic[6:8] not in (b"\x01\0", b"\x02\0") or size > _MAX_HEADER:
        raise ImageError(f"{path} does not hold a NumPy array: save one with numpy.save")
    text = io.BytesIO(length + file.read(size))
    parse = np.lib.format.read_array_header_2_0 if is_version_2 else np.lib.format.read_array_header_1_0
    shape, fortran, dtype = parse(text)
    return tuple(int(n) for n in shape), bool(fortran), dtype
