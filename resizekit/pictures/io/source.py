"""The source of a picture: a file on disk, or bytes in memory that the readers treat like a file."""

import io
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO, TypeAlias

from resizekit.errors import ImageError
from resizekit.system.printable import escaped

__all__ = ["MemoryFile", "PictureFile", "Source", "for_library", "source_of"]


@dataclass(frozen=True, repr=False)
class MemoryFile:
    """Bytes with the methods of `Path` that the readers use."""

    data: bytes
    name: str

    def __str__(self) -> str:
        return self.name

    def open(self, mode: str = "rb") -> BinaryIO:
        """Open the bytes for reading."""
        return io.BytesIO(self.data)

    def read_bytes(self) -> bytes:
        """Return the bytes."""
        return self.data

    def stat(self) -> SimpleNamespace:
        """Return the size as `st_size`."""
        return SimpleNamespace(st_size=len(self.data))


Source: TypeAlias = Path | MemoryFile
"""What the readers take."""

PictureFile: TypeAlias = str | Path | bytes | bytearray | BinaryIO | MemoryFile
"""What callers pass for a file: a path, the bytes of a file, or a binary file object."""


def source_of(file: PictureFile) -> Source:
    """Return a path as `Path`, and read a file object from its current position to its end.

    Raises:
        ImageError: The object is not a path, bytes, or a binary file object.

    Examples:
        >>> str(source_of(b"GIF89a")), source_of("a.png").name
        ('<bytes>', 'a.png')
    """
    if isinstance(file, MemoryFile):
        return file
    if isinstance(file, str | Path):
        return Path(file)
    if isinstance(file, bytes | bytearray | memoryview):
        return MemoryFile(bytes(file), "<bytes>")
    try:
        data = file.read() if hasattr(file, "read") else None
    except (OSError, ValueError) as error:  # closed, or opened for writing
        raise ImageError(f"this file object cannot be read ({escaped(error, 160)}): open it with 'rb'") from None
    if not isinstance(data, bytes):
        raise ImageError(
            f"invalid picture of type {type(file).__name__}: expected a path, bytes, or a file object opened with 'rb'"
        )
    name = getattr(file, "name", None)
    return MemoryFile(data, name if isinstance(name, str) else "<file object>")


def for_library(source: Source) -> Path | BinaryIO:
    """Return what Pillow, tifffile and zipfile open: a path as it is, bytes as a file object."""
    return source if isinstance(source, Path) else source.open()
