"""Suppress the warnings of image libraries while a file is read."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["library_warnings_ignored"]

_LIBRARIES = r"(PIL|numpy|tifffile|imagecodecs|resizekit\.images\.io)\b"
"""Modules whose warnings are ignored: Python attributes a warning to its module or to the caller of that module."""
for _name in ("PIL", "tifffile", "imagecodecs"):  # they log problems of broken files that they also raise
    logging.getLogger(_name).addHandler(logging.NullHandler())
_LOCK = threading.RLock()


@contextmanager
def library_warnings_ignored() -> Iterator[None]:
    """Ignore warnings of Pillow, NumPy and tifffile, one thread at a time.

    Python's warnings filters belong to the process: two threads that enter and leave `warnings.catch_warnings` in turn
    restore the filters of each other, which then stay changed. The libraries have no option to stay quiet (Pillow
    warns about metadata deep in its decoders), so a lock makes each change of the filters end before the next begins.
    Warnings of other modules are not affected, not even in other threads.
    """
    with _LOCK, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=_LIBRARIES)
        yield
