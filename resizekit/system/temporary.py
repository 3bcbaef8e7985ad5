"""Temporary files next to their target, which are locked while their process lives.

A process that is killed cannot delete its temporary file. The system releases the lock of a dead process, so the next
process that writes into the same folder recognizes the file and deletes it.

Libraries may replace the temporary file by one without a lock just before it is renamed. A file without a lock is
therefore deleted only if its process has ended as well, or if it is a minute old. In containers, where few process
numbers are in use, the number alone would be wrong too often.
"""

import functools
import os
import re
import secrets
import time
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["create_locked", "remove_abandoned", "remove_abandoned_once", "temporary_path"]

_NAME = re.compile(r"\..*\.(\d{1,10})\.[0-9a-f]{8}\.part", re.DOTALL)
"""The group is the number of the process."""
_OLD = 60.0
"""Age in seconds at which a file without a lock is deleted, even if its process number is in use."""


def temporary_path(target: Path) -> Path:
    """Return a new hidden name for a temporary file in the folder of a target."""
    # names are limited to 255 bytes, not characters; the locale may not be able to express the characters
    short = os.fsdecode(os.fsencode(target.name)[:100].decode(errors="ignore").encode())
    return target.with_name(f".{short}.{os.getpid()}.{secrets.token_hex(4)}.part")


def create_locked(path: Path, mode: int) -> int:
    """Create an empty file and lock it.

    Args:
        path: The file, which must not exist.
        mode: Permissions before the umask is applied.

    Returns:
        The open file descriptor, or -1 on systems without such locks. The lock ends when it is closed, or when the
        process ends.

    Raises:
        OSError: The file exists or cannot be created.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), mode)
        if fcntl is None:  # there, an open file cannot be renamed
            os.close(descriptor)
            return -1
        with suppress(OSError):  # some network file systems have no locks; their files are never deleted as abandoned
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # another process deleted the file before it was locked


def remove_abandoned(folder: Path) -> None:
    """Delete the temporary files of dead processes in a folder; files of running processes are never deleted."""
    if fcntl is None:
        return
    with suppress(OSError), os.scandir(folder) as entries:
        matches = [match for entry in entries if (match := _NAME.fullmatch(entry.name))]
        for match in matches:
            with suppress(OSError):
                _remove_if_abandoned(folder / match[0], int(match[1]))


@functools.lru_cache(maxsize=4096)
def remove_abandoned_once(folder: Path) -> None:
    """Call `remove_abandoned` for a folder unless this process has done so before."""
    remove_abandoned(folder)


def _remove_if_abandoned(path: Path, process: int) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises OSError if a running process holds the lock
        if time.time() - os.fstat(descriptor).st_mtime > _OLD or not _is_running(process):
            path.unlink()
    finally:
        os.close(descriptor)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to another user
        return True
    return True
