"""The file of `resizekit pack`: all training pictures in one flat array that is mapped into memory.

A pack is a safetensors file, so other programs can read it:

    length of the header (8 bytes) ─► header (JSON) ─► pixels ─► index: sizes, digests, grey ─► skipped

Opening a pack trusts nothing in it: every number of the header is compared with the size of the file before it is used.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from resizekit.errors import ImageError
from resizekit.system.printable import escaped
from resizekit.training.pictures import Bytes, Integers, Pictures, picture_digest

__all__ = ["SUFFIX", "PackFile", "PackWriter", "is_pack"]

SUFFIX = ".pack"
_FORMAT, _VERSION = "resizekit-pack", 1
_HEADER_BYTES = 4096
"""Bytes before the pixels. It is a multiple of the page size, and the header is padded with spaces."""
_MAX_HEADER_BYTES = 2**16
_TYPES = {"pixels": "U8", "sizes": "I64", "digests": "U8", "grey": "U8", "skipped": "U8"}
"""The arrays in the order of the file, with their types."""
_BYTES = {"U8": 1, "I64": 8}
_MAX_SIDE, _MAX_CHANNELS = 2**24, 4096
"""Limits of a picture: the product of its sides and channels stays below 2**63."""


class _Metadata(BaseModel):
    """Facts about all pictures; in the file each is a text, as safetensors requires."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: str
    version: int
    resizekit: str
    channels: int = Field(ge=1, le=_MAX_CHANNELS)
    sha256: str
    """Digest of the index."""


def is_pack(path: Path) -> bool:
    """Return whether a path names a pack; its suffix decides."""
    return path.suffix.lower() == SUFFIX and not path.is_dir()


class PackWriter:
    """Writes pictures one after another, so that the memory holds only the current one.

    Args:
        file: Empty file, open for reading and writing.
        channels: Number of channels of all pictures.
    """

    def __init__(self, file: BinaryIO, channels: int) -> None:
        self._file, self._channels = file, channels
        self._sizes: list[tuple[int, int]] = []
        self._digests: list[bytes] = []
        self._grey = bytearray()
        self.pixel_bytes = 0
        file.write(b" " * _HEADER_BYTES)

    def __len__(self) -> int:
        return len(self._sizes)

    def add(self, picture: Bytes, *, grey: bool) -> None:
        """Append a picture.

        Args:
            picture: `h w c`.
            grey: Whether the source has a single channel, which was repeated.
        """
        picture = np.ascontiguousarray(picture)
        self._file.write(picture.data)
        self._sizes.append((picture.shape[0], picture.shape[1]))
        self._digests.append(picture_digest(picture))
        self._grey.append(grey)
        self.pixel_bytes += picture.size

    def finish(self, skipped: Iterable[str]) -> None:
        """Write the index and the header."""
        padding = -self.pixel_bytes % 8  # the numbers of the index begin at a multiple of their size
        self._file.write(b"\0" * padding)
        arrays: dict[str, npt.NDArray[Any]] = {
            "sizes": np.array(self._sizes, np.int64).reshape(-1, 2),
            "digests": np.frombuffer(b"".join(self._digests), np.uint8).reshape(-1, 32),
            "grey": np.frombuffer(bytes(self._grey), np.uint8),
            "skipped": np.frombuffer("\n".join(skipped).encode(errors="backslashreplace"), np.uint8),
        }
        index = [array.tobytes() for array in arrays.values()]
        shapes: dict[str, tuple[int, ...]] = {"pixels": (self.pixel_bytes + padding,)}
        header = _header(shapes | {name: array.shape for name, array in arrays.items()}, self._channels, index)
        for content in index:
            self._file.write(content)
        self._file.seek(0)
        self._file.write((_HEADER_BYTES - 8).to_bytes(8, "little") + header.ljust(_HEADER_BYTES - 8))


def _header(shapes: Mapping[str, tuple[int, ...]], channels: int, index: Iterable[bytes]) -> bytes:
    metadata = _Metadata(
        format=_FORMAT, version=_VERSION, resizekit=version("resizekit"), channels=channels, sha256=_digest(index)
    )
    entries: dict[str, object] = {"__metadata__": {key: str(value) for key, value in metadata}}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + int(np.prod(shape)) * _BYTES[_TYPES[name]]
        entries[name] = {"dtype": _TYPES[name], "shape": list(shape), "data_offsets": [begin, end]}
    return json.dumps(entries).encode()


def _digest(index: Iterable[bytes | memoryview]) -> str:
    sha = hashlib.sha256()
    for content in index:
        sha.update(content)
    return sha.hexdigest()


class PackFile:
    """An open pack. Its pixels are mapped into memory and read when they are used.

    Args:
        path: File that `pack` wrote.

    Raises:
        ImageError: If the file cannot be read, is not a pack, is incomplete, or its numbers contradict its size.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                arrays, metadata = _open(file)
        except OSError as error:
            raise ImageError(f"cannot read {path}: {error.strerror or error}") from None
        except _InvalidPackError as error:
            raise ImageError(f"{path} is not a complete pack: {error}; write it again with resizekit pack") from None
        self.channels, self._metadata = metadata.channels, metadata
        self._pixels, self.sizes, self.digests = arrays["pixels"], arrays["sizes"].reshape(-1, 2), arrays["digests"]
        self.grey, self._skipped = arrays["grey"].astype(bool), arrays["skipped"]
        if _digest(arrays[name].data for name in list(_TYPES)[1:]) != metadata.sha256:
            raise ImageError(f"{path}: the index was changed; write it again with resizekit pack")
        self._offsets = self._checked_offsets()

    @property
    def pictures(self) -> Pictures:
        """All pictures of the pack."""
        count = len(self.sizes)
        digests = self.digests.reshape(-1, 32)
        return Pictures([self._pixels], np.zeros(count, np.int64), self._offsets, self.sizes, digests, self.channels)

    @property
    def skipped(self) -> list[str]:
        """One line for each file that was not packed: its path and the reason."""
        return self._skipped.tobytes().decode(errors="backslashreplace").splitlines()

    def as_dict(self) -> dict[str, Any]:
        """Describe the pack with JSON-compatible values."""
        counts = {"pictures": len(self.sizes), "grey": int(self.grey.sum()), "bytes": self.path.stat().st_size}
        return self._metadata.model_dump(mode="json") | counts | {"skipped": self.skipped}

    def _checked_offsets(self) -> Integers:
        """Return the first byte of each picture, after checking that all pictures lie in the file."""
        sizes, limit = self.sizes, self._pixels.size
        if not ((sizes >= 1) & (sizes <= _MAX_SIDE)).all():
            raise ImageError(f"{self.path}: the sizes of its pictures are invalid")
        lengths = sizes.prod(1) * self.channels
        # a length above the limit is found before the sum can exceed 64 bits
        ends = np.cumsum(lengths) if (lengths <= limit).all() else lengths
        if (ends > limit).any() or not 0 <= limit - int(ends[-1] if len(ends) else 0) < 8:
            raise ImageError(f"{self.path}: its pictures have more or fewer bytes than the file")
        return np.asarray(np.concatenate([np.zeros(1, np.int64), ends[:-1]]) if len(ends) else ends)


class _InvalidPackError(Exception):
    """The header of a pack is invalid; the message is a part of a sentence."""


def _open(file: BinaryIO) -> tuple[dict[str, npt.NDArray[Any]], _Metadata]:
    """Read the header, and map the arrays."""
    file_bytes = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(_MAX_HEADER_BYTES, file_bytes - 8):
        raise _InvalidPackError("it has no header")
    try:
        entries = json.loads(file.read(length))
        metadata = _Metadata.model_validate(entries["__metadata__"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:  # includes pydantic's ValidationError
        raise _InvalidPackError(f"its header is not readable ({escaped(error, 120)})") from None
    if metadata.format != _FORMAT:
        raise _InvalidPackError("its format is different")
    if metadata.version != _VERSION:
        raise _InvalidPackError(f"its version is {metadata.version}, and this resizekit reads {_VERSION}")
    begin, arrays = 8 + length, {}
    for name, kind in _TYPES.items():
        count = _checked_bytes(name, entries.get(name), begin - 8 - length, file_bytes - begin) // _BYTES[kind]
        dtype = np.uint8 if kind == "U8" else np.dtype("<i8")
        # mapping an empty array fails
        array = np.memmap(file, dtype, "r", begin, (count,)) if count else np.empty(0, dtype)
        arrays[name], begin = array, begin + count * _BYTES[kind]
    if begin != file_bytes:
        raise _InvalidPackError(f"it has {file_bytes} bytes instead of {begin}")
    count = arrays["grey"].size
    if arrays["sizes"].size != 2 * count or arrays["digests"].size != 32 * count or not count:
        raise _InvalidPackError("its index has different numbers of pictures, or none")
    return arrays, metadata


def _checked_bytes(name: str, entry: object, begin: int, available: int) -> int:
    """Return the bytes of an array, after comparing its entry in the header with the bytes of the file.

    Args:
        name: Name of the array.
        entry: Its entry in the header.
        begin: Bytes of the arrays before it.
        available: Bytes of the file after them.
    """
    kind = _TYPES[name]
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(first), int(end)]} if dtype == kind:
            count = end - first
            expected = _BYTES[kind]
            for side in shape:
                expected *= side if isinstance(side, int) else -1
            if first == begin and count == expected and 0 <= count <= available:
                return count
    raise _InvalidPackError(f"the file does not hold its array {name!r}")
