"""The memory that this process uses."""

import os
import sys
from pathlib import Path

__all__ = ["resident_bytes"]

_STATM = Path("/proc/self/statm")
_USUAL = 350_000_000
"""Where the system has no such figure: PyTorch, resizekit and its weights."""


def resident_bytes() -> int:
    """Return the bytes of memory that this process uses now.

    Examples:
        >>> resident_bytes() > 1_000_000
        True
    """
    if sys.platform == "linux" and _STATM.exists():
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return _USUAL
