"""Keep standard output free of text that libraries print.

A library in C, or a plugin, can write to file descriptor 1 without `sys.stdout`. Such text would make the JSON or the
picture of a command unreadable.
"""

import ctypes
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["reserved_stdout"]

_STDERR = 2


@contextmanager
def reserved_stdout() -> Iterator[None]:
    """Reserve standard output for `sys.stdout`, and send all other text of descriptor 1 to stderr.

    During the block, `sys.stdout` writes to a copy of the descriptor. The change affects all threads, so it is for
    programs and not for libraries. Nothing changes if a program has replaced `sys.stdout`, or if descriptors cannot be
    copied. Standard streams that are closed become the null device, and stay it.
    """
    _open_closed_streams()
    stream = sys.stdout
    output = _copy(stream) if isinstance(stream, io.TextIOWrapper) and stream is sys.__stdout__ else None
    if output is None:
        yield
        return
    sys.stdout = output
    try:
        yield
    finally:
        sys.stdout = stream
        with suppress(OSError, ValueError):
            stream.flush()  # a plugin may have used `sys.__stdout__`
        _flush_c_streams()
        with suppress(OSError, ValueError):
            os.dup2(output.fileno(), stream.fileno())
        with suppress(OSError):  # each command flushes its output and reports errors
            output.close()


def _copy(stream: io.TextIOWrapper) -> io.TextIOWrapper | None:
    """Return a copy of a stream, and connect the descriptor of the stream to stderr; None if this fails."""
    copy = -1
    try:
        stream.flush()
        copy = os.dup(stream.fileno())
        os.dup2(_STDERR, stream.fileno())
    except (OSError, ValueError):  # closed, or no descriptor is left
        if copy >= 0:
            os.close(copy)
        return None
    buffering = 1 if stream.line_buffering else -1
    return os.fdopen(copy, "w", buffering, encoding=stream.encoding, errors=stream.errors)


def _open_closed_streams() -> None:
    """Open the null device for closed streams: otherwise the next file gets their number, and what is printed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - until the process ends


def _flush_c_streams() -> None:
    """Write what `printf` has buffered."""
    with suppress(AttributeError, OSError, TypeError):  # as for malloc, on Windows
        ctypes.CDLL(None).fflush(None)
