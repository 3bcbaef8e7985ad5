"""Write files atomically: to a temporary file in the same folder, which is renamed at the end.

An interrupted write leaves either the previous file or no file, never an incomplete one.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from resizekit.errors import UsageError
from resizekit.system.temporary import create_locked, remove_abandoned_once, temporary_path

__all__ = ["atomic_write", "check_target"]

_NO_LINKS = {errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EXDEV}
"""Errors of file systems without hard links."""

_WHILE_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""Errors that occur without the name of a file when data are written."""


def check_target(path: Path, *, source: str | Path | None = None, overwrite: bool = False) -> None:
    """Check that a file may be written.

    Args:
        path: File to write.
        source: Input file, which must not be overwritten.
        overwrite: Whether an existing file may be replaced.

    Raises:
        UsageError: If the path is a folder or device, is the input, or exists and `overwrite` is false.
    """
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is a folder or device: name a file to write")
    if source is not None and path.exists() and path.samefile(source):
        raise UsageError(f"{path} is the input itself: name another output")
    if not overwrite and os.path.lexists(path):  # includes links to missing files
        raise _exists(path)


@contextmanager
def atomic_write(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Provide a temporary file that becomes the target at the end of the block.

    If the block raises, the temporary file is deleted and the target stays unchanged. A new file gets the usual
    permissions (umask), whatever the writer inside the block sets.

    Several writers may write the same target. With `overwrite`, all of them succeed, and the target is the complete
    file of the last one. Without it, exactly one succeeds.

    Temporary files of dead processes in the same folder are deleted.

    Args:
        target: File to write.
        overwrite: True: an existing target is replaced and keeps its permissions; if it is a symbolic link, the file
            that it points to is replaced. False: a target that exists at the end of the block stays, as a `UsageError`.

    Yields:
        Path of the temporary file, in the folder of the target.

    Raises:
        UsageError: If the folder does not exist or is not writable, the target is a folder, or the target exists and
            `overwrite` is false.
        OSError: If writing fails; it names the target.
    """
    final = Path(os.path.realpath(target)) if overwrite and target.is_symlink() else target
    remove_abandoned_once(final.parent.absolute())
    temporary, descriptor = temporary_path(final), -1
    try:  # includes the creation, because a signal can arrive at any time
        previous = _permissions(final) if overwrite else None
        descriptor = _create(temporary, target, previous)
        mode = temporary.stat().st_mode if previous is None else previous
        yield temporary
        temporary.chmod(stat.S_IMODE(mode))
        if overwrite:
            temporary.replace(final)
        else:
            _move_to_new(temporary, final)
    except IsADirectoryError:
        raise UsageError(f"cannot write {target}: it is a folder; name a file") from None
    except FileExistsError as error:
        if error.filename != str(final):
            raise
        raise _exists(target) from None
    except OSError as error:
        if error.filename != str(temporary) and (error.filename is not None or error.errno not in _WHILE_WRITING):
            raise
        raise OSError(error.errno, error.strerror, str(target)) from error
    finally:
        with suppress(OSError):  # already renamed, or never created
            temporary.unlink()
        if descriptor >= 0:
            os.close(descriptor)


def _exists(path: Path) -> UsageError:
    return UsageError(
        f"{path} exists: name another output, or replace it with --overwrite (in Python: overwrite=True, of many "
        "pictures existing='overwrite')"
    )


def _permissions(path: Path) -> int | None:
    """Return the mode of an existing file; None if it does not exist."""
    try:
        return path.stat().st_mode
    except OSError:  # `_create` reports every other problem
        return None


def _create(path: Path, target: Path, previous: int | None) -> int:
    """Create an empty file, so that errors occur before any work is done, and return its descriptor."""
    try:
        return create_locked(path, 0o666 if previous is None else stat.S_IMODE(previous) & 0o666)
    except FileNotFoundError:
        raise UsageError(f"the folder {target.parent} does not exist; make it first") from None
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror or error}") from None


def _move_to_new(temporary: Path, final: Path) -> None:
    """Give a file its final name; raise `FileExistsError` with that name if it is in use."""
    try:
        os.link(temporary, final)
    except FileExistsError:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final)) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.close(os.open(final, os.O_CREAT | os.O_EXCL | os.O_WRONLY))  # reserves the name
        temporary.replace(final)
