"""Let one process at a time write files that belong together."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["locked_folder"]


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Wait for the lock of a folder, and hold it during the block.

    It has an effect between processes and threads that use this function. On systems without such locks, and in a
    folder that is not readable, it has none. The lock of a process that dies is released.

    Args:
        folder: A folder that exists.
    """
    descriptor = -1
    try:
        if fcntl is not None:
            try:
                descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError:  # some network file systems have no locks
                pass
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)
