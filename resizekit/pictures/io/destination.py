"""The destination of a picture: a file on disk, or a binary file object that gets the complete file at once."""

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, BinaryIO, TypeAlias

from resizekit.errors import ImageError, UsageError
from resizekit.system.atomic_write import atomic_write, check_target
from resizekit.system.printable import escaped

__all__ = ["Destination", "FileObject", "Target", "folder_of", "target_of", "writing"]

Destination: TypeAlias = str | Path | BinaryIO
"""What callers pass for the file to write: a path, or a binary file object."""


class FileObject:
    """A binary file object with the attributes of `Path` that the writers use."""

    def __init__(self, file: Any) -> None:
        """Check that the object takes bytes.

        Raises:
            UsageError: It is not a binary file object that is open for writing.
        """
        name = getattr(file, "name", None)
        self._file, self._size = file, 0
        self.name = name if isinstance(name, str) else "<file object>"
        writable = getattr(file, "writable", None)
        if not hasattr(file, "write") or isinstance(file, io.TextIOBase):
            raise UsageError(
                f"invalid output of type {type(file).__name__}: expected a path, or a file object opened with 'wb'"
            )
        if getattr(file, "closed", False) or (callable(writable) and not writable()):
            raise UsageError(f"the file object {self.name} is not open for writing: open it with 'wb'")

    def __str__(self) -> str:
        return self.name

    @property
    def suffix(self) -> str:
        """Suffix of the name; empty without one."""
        return PurePath(self.name).suffix

    def size(self) -> int:
        """Return the bytes of the file that was written."""
        return self._size

    def write(self, data: bytes) -> None:
        """Write a complete file.

        Raises:
            ImageError: Writing failed.
        """
        try:
            if isinstance(self._file, io.RawIOBase):  # a raw file may write a part
                buffered = io.BufferedWriter(self._file)
                buffered.write(data)
                buffered.flush()
                buffered.detach()
            else:
                self._file.write(data)
        except (OSError, ValueError) as error:
            raise ImageError(f"cannot write {self.name} ({escaped(error, 160)}): pass another file object") from None
        self._size = len(data)


Target: TypeAlias = Path | FileObject
"""What the writers take."""


def target_of(file: Destination | FileObject) -> Target:
    """Return a path as `Path`, and a checked file object.

    Raises:
        UsageError: The object is not a path or a binary file object that is open for writing.

    Examples:
        >>> target_of("a.png").suffix, str(target_of(io.BytesIO()))
        ('.png', '<file object>')
    """
    if isinstance(file, FileObject):
        return file
    return Path(file) if isinstance(file, str | Path) else FileObject(file)


def folder_of(target: Target) -> Path:
    """Return the folder of a file, where its temporary files go; that of the system for a file object."""
    return target.parent if isinstance(target, Path) else Path(tempfile.gettempdir())


@contextmanager
def writing(target: Target, *, source: Path | None = None, overwrite: bool = False) -> Iterator[Path | BinaryIO]:
    """Provide a file for the content; the target gets it at the end of the block, and nothing if the block raises.

    Args:
        target: Where the file goes.
        source: The input, which must not be overwritten.
        overwrite: Replace a file that exists; a file object is written at its position in any case.

    Raises:
        UsageError: The path cannot be written.
        ImageError: Writing to the file object failed.
    """
    if isinstance(target, Path):
        check_target(target, source=source, overwrite=overwrite)
        with atomic_write(target, overwrite=overwrite) as temporary:
            yield temporary
        return
    memory = io.BytesIO()
    yield memory
    target.write(memory.getvalue())
