"""Files that are never half written, nor over what should stay: written beside the target, then renamed."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from resizekit.errors import UsageError

__all__ = ["atomic_write", "check_target"]


def check_target(path: Path, *, source: str | Path | None = None, overwrite: bool = False) -> None:
    """Refuse, with a `UsageError`, what must not be written: no plain file, the input `source`, a file that exists."""
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is a folder or device: name a file to write")
    if source is not None and path.exists() and path.samefile(source):
        raise UsageError(f"{path} is the input itself: name another output")
    if not overwrite and os.path.lexists(path):  # a link that leads nowhere is somebody's too
        raise UsageError(f"{path} exists: name another output, or allow it with --overwrite")


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Give a path in the target's folder to write to; rename it at the end, remove it if anything goes wrong.

    Raises `UsageError` for a folder that is missing or cannot be written to.
    """
    short = os.fsencode(target.name)[:100].decode(errors="ignore")  # file systems count bytes, 255 at most
    beside = target.with_name(f".{short}.{secrets.token_hex(4)}.part")
    try:  # from before it exists: a signal may come at any time
        mode = _begun(beside, target)
        yield beside
        beside.chmod(mode)
        beside.replace(target)
    except IsADirectoryError:
        raise UsageError(f"cannot write {target}: it is a folder; name a file") from None
    finally:
        with suppress(OSError):  # renamed, never made, or in what is no folder
            beside.unlink()


def _begun(path: Path, target: Path) -> int:
    """Make the file, which fails before any work is done; give its mode as the umask wants it."""
    try:
        with path.open("xb") as file:
            return os.fstat(file.fileno()).st_mode  # some writers make files private
    except FileNotFoundError:
        raise UsageError(f"the folder {target.parent} does not exist; make it first") from None
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror or error}") from None
