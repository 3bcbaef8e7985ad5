"""Write files atomically: to a temporary file in the same folder, which is renamed at the end.

An interrupted write leaves either the previous file or no file, never an incomplete one.
"""

import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from resizekit.errors import UsageError

__all__ = ["atomic_write", "check_target", "remove_leftovers"]

_SUFFIX = ".part"


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
        raise UsageError(f"{path} exists: name another output, or allow it with --overwrite")


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Provide a temporary file that replaces the target at the end of the block.

    If the block raises, the temporary file is deleted and the target stays unchanged. The file gets the usual
    permissions of a new file (umask), whatever the writer inside the block sets.

    Args:
        target: File to write.

    Yields:
        Path of the temporary file, in the folder of the target.

    Raises:
        UsageError: If the folder does not exist or is not writable, or the target is a folder.
    """
    temporary = target.with_name(f"{_prefix(target)}{secrets.token_hex(4)}{_SUFFIX}")
    try:  # includes the creation, because a signal can arrive at any time
        mode = _create(temporary, target)
        yield temporary
        temporary.chmod(mode)
        temporary.replace(target)
    except IsADirectoryError:
        raise UsageError(f"cannot write {target}: it is a folder; name a file") from None
    finally:
        with suppress(OSError):  # already renamed, or never created
            temporary.unlink()


def remove_leftovers(target: Path) -> None:
    """Delete temporary files that killed processes left next to a target.

    Args:
        target: File that no other process is writing now.
    """
    for path in target.parent.glob(f"{glob.escape(_prefix(target))}{'[0-9a-f]' * 8}{_SUFFIX}"):
        with suppress(OSError):
            path.unlink()


def _prefix(target: Path) -> str:
    short = os.fsencode(target.name)[:100].decode(errors="ignore")  # names are limited to 255 bytes, not characters
    return f".{short}."


def _create(path: Path, target: Path) -> int:
    """Create an empty file, so that errors occur before any work is done, and return its mode."""
    try:
        with path.open("xb") as file:
            return os.fstat(file.fileno()).st_mode
    except FileNotFoundError:
        raise UsageError(f"the folder {target.parent} does not exist; make it first") from None
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror or error}") from None
