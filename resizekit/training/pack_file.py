"""Read the file of `resizekit pack`: all training pictures in one flat array that is mapped into memory.

A pack is a safetensors file, so other programs can read it:

    length of the header (8 bytes) ─► header (JSON) ─► pixels ─► index: sizes, digests, grey ─► skipped

Opening a pack trusts nothing in it: every number of the header is compared with the size of the file before it is used.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from resizekit.errors import ImageError
from resizekit.system.printable import escaped
from resizekit.training.pictures import Integers, Pictures

__all__ = [
    "BYTES", "FORMAT", "HEADER_BYTES", "SUFFIX", "TYPES", "VERSION", "PackFile", "PackMetadata", "index_digest",
    "is_pack",
]  # fmt: skip

SUFFIX = ".pack"
FORMAT, VERSION = "resizekit-pack", 1
HEADER_BYTES = 4096
"""Bytes before the pixels. It is a multiple of the page size, and the header is padded with spaces."""
_MAX_HEADER_BYTES = 2**16
TYPES = {"pixels": "U8", "sizes": "I64", "digests": "U8", "grey": "U8", "skipped": "U8"}
"""The arrays in the order of the file, with their types."""
BYTES = {"U8": 1, "I64": 8}
_MAX_SIDE, _MAX_CHANNELS = 2**24, 4096
"""Limits of a picture: the product of its sides and channels stays below 2**63."""


class PackMetadata(BaseModel):
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


def index_digest(index: Iterable[bytes | memoryview]) -> str:
    """Hash the arrays after the pixels: 64 hexadecimal digits of SHA-256."""
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
        if index_digest(arrays[name].data for name in list(TYPES)[1:]) != metadata.sha256:
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


def _open(file: BinaryIO) -> tuple[dict[str, npt.NDArray[Any]], PackMetadata]:
    """Read the header, and map the arrays."""
    file_bytes = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(_MAX_HEADER_BYTES, file_bytes - 8):
        raise _InvalidPackError("it has no header")
    try:
        entries = json.loads(file.read(length))
        metadata = PackMetadata.model_validate(entries["__metadata__"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:  # includes pydantic's ValidationError
        raise _InvalidPackError(f"its header is not readable ({escaped(error, 120)})") from None
    if metadata.format != FORMAT:
        raise _InvalidPackError("its format is different")
    if metadata.version != VERSION:
        raise _InvalidPackError(f"its version is {metadata.version}, and this resizekit reads {VERSION}")
    begin, arrays = 8 + length, {}
    for name, kind in TYPES.items():
        count = _checked_bytes(name, entries.get(name), begin - 8 - length, file_bytes - begin) // BYTES[kind]
        dtype = np.uint8 if kind == "U8" else np.dtype("<i8")
        # mapping an empty array fails
        array = np.memmap(file, dtype, "r", begin, (count,)) if count else np.empty(0, dtype)
        arrays[name], begin = array, begin + count * BYTES[kind]
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
    kind = TYPES[name]
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(first), int(end)]} if dtype == kind:
            count = end - first
            expected = BYTES[kind]
            for side in shape:
                expected *= side if isinstance(side, int) else -1
            if first == begin and count == expected and 0 <= count <= available:
                return count
    raise _InvalidPackError(f"the file does not hold its array {name!r}")
