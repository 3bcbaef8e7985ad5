"""Allow only one training at a time in a folder.

Two trainings would overwrite each other's state file, and neither could be resumed exactly.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from resizekit.errors import UsageError

__all__ = ["folder_lock"]


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Lock a folder for one training. The operating system releases the lock when the process ends.

    Raises:
        UsageError: If another process holds the lock, or the folder is not writable.
    """
    path = folder / ".lock"
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise UsageError(
            f"another training is running in {folder}; wait until it ends or pass a different --out folder"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot write into the folder {folder}: {error.strerror}") from None
    try:
        yield
    finally:
        # Remove the file before the release: a process that opened it meanwhile notices the removal and tries again.
        with suppress(OSError):
            path.unlink()
        lock.release()
