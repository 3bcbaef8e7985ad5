"""Write the file of `resizekit pack`, whose layout `resizekit.training.pack_file` describes."""

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from resizekit.training.pack_file import BYTES, FORMAT, HEADER_BYTES, TYPES, VERSION, PackMetadata, index_digest
from resizekit.training.pictures import Bytes, picture_digest

__all__ = ["PackWriter"]


class PackWriter:
    """Writes pictures one after another; the memory holds a single picture.

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
        file.write(b" " * HEADER_BYTES)

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
        self._file.write((HEADER_BYTES - 8).to_bytes(8, "little") + header.ljust(HEADER_BYTES - 8))


def _header(shapes: Mapping[str, tuple[int, ...]], channels: int, index: Iterable[bytes]) -> bytes:
    metadata = PackMetadata(
        format=FORMAT, version=VERSION, resizekit=version("resizekit"), channels=channels, sha256=index_digest(index)
    )
    entries: dict[str, object] = {"__metadata__": {key: str(value) for key, value in metadata}}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + int(np.prod(shape)) * BYTES[TYPES[name]]
        entries[name] = {"dtype": TYPES[name], "shape": list(shape), "data_offsets": [begin, end]}
    return json.dumps(entries).encode()
