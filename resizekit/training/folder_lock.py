"""One training at a time in a folder: two would write one state in turn, and neither could be resumed exactly."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from resizekit.errors import UsageError

__all__ = ["folder_lock"]


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a folder for one training; raises `UsageError` while another holds it, or if it cannot be written to.

    The system lets go of it when a process ends, however it ends.
    """
    path = folder / ".lock"
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise UsageError(f"another training is at work in {folder}; wait for it, or name another folder") from None
    except OSError as error:
        raise UsageError(f"cannot write into the folder {folder}: {error.strerror}") from None
    try:
        yield
    finally:
        with suppress(OSError):  # removed while held: whoever opened it meanwhile finds that it is gone, and tries anew
            path.unlink()
        lock.release()
