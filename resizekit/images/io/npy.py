"""Arrays of numpy's in files: `h w c` in a .npy, or alone in a .npz, without unpickling and without trusting sizes."""

import io
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from resizekit.errors import ImageError
from resizekit.images.limits import check_values
from resizekit.storage.formats import Pixels, Storage

__all__ = ["NPY", "NPZ", "is_array", "read_array"]

_MAGIC = b"\x93NUMPY"
_ZIP = b"PK\x03\x04"
_HEADER = 10_000
"""numpy's own limit for the text of a header, in bytes."""
_KINDS = {"u1": np.uint8, "u2": np.uint16, "f4": np.float32}


@dataclass(frozen=True, kw_only=True)
class Npy(Storage):
    """An array of numpy's in a file of its own, or with `zipped` in a .npz."""

    zipped: bool = False

    def save(self, target: Path | BinaryIO, pixels: Pixels, **more: Any) -> None:
        """Write `h w c`, of any type; there is room for nothing `more`."""
        if isinstance(target, Path):
            with target.open("wb") as file:  # under a name, numpy would add a suffix to it
                return self.save(file, pixels)
        if self.zipped:
            return np.savez_compressed(target, allow_pickle=False, picture=pixels)
        return np.save(target, pixels, allow_pickle=False)


NPY = Npy(format="NPY", suffixes=(".npy",), exact=True, icc=False)
NPZ = Npy(format="NPZ", suffixes=(".npz",), exact=True, icc=False, zipped=True)


def is_array(path: Path, head: bytes) -> bool:
    """Tell an array of numpy's, or a zip file that may hold one, by its first bytes."""
    return head.startswith(_MAGIC) or (head.startswith(_ZIP) and zipfile.is_zipfile(path))


def read_array(path: Path, head: bytes) -> Pixels:
    """Read one array `h w c` of uint8, uint16 or float32; raises `ImageError` for any other, before memory is taken."""
    if head.startswith(_MAGIC):
        with path.open("rb") as file:
            return _read(path, file, path.stat().st_size)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if len(names) != 1:
            raise ImageError(f"{path} holds {len(names)} arrays: save the one that is the picture alone")
        with archive.open(names[0]) as member:
            return _read(path, member)


def _read(path: Path, file: Any, size: int | None = None) -> Pixels:
    """Read the header, and then as many bytes as it speaks of and no more: a zip file may hold any number.

    `size` is that of a plain file.
    """
    shape, fortran, kind = _header(path, file)
    if kind.hasobject or kind.str[1:] not in _KINDS:
        what = "Python objects" if kind.hasobject else f"values of type {kind}"
        raise ImageError(f"{path} holds {what}: save uint8, uint16 or float32")
    check_values(path, shape)
    wanted = math.prod(shape) * kind.itemsize
    data = b"" if size is not None and size - file.tell() < wanted else file.read(wanted + 1)
    if len(data) != wanted:
        than = "less" if len(data) < wanted else "more"
        raise ImageError(f"{path} holds {than} than the {wanted} bytes that its header says: fetch or export it again")
    array = np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")
    return np.ascontiguousarray(array, kind.newbyteorder("="))


def _header(path: Path, file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    lead = file.read(8)
    wide = lead[6:7] != b"\x01"
    length = file.read(4 if wide else 2)
    size = int.from_bytes(length, "little")
    if lead[:6] != _MAGIC or lead[6:8] not in (b"\x01\0", b"\x02\0") or size > _HEADER:
        raise ImageError(f"{path} holds no array that numpy writes: save one with numpy.save")
    text = io.BytesIO(length + file.read(size))
    read = np.lib.format.read_array_header_2_0 if wide else np.lib.format.read_array_header_1_0
    shape, fortran, kind = read(text)
    return tuple(int(n) for n in shape), bool(fortran), kind
