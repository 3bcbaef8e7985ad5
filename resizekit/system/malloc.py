"""Memory that is freed stays with the process, to be used again.

Glibc hands a large block back to the system as soon as it is free, and the system clears every page of the next one
that is asked for.  Networks free and ask for large blocks at every layer: on a CPU that is a third of their time.
"""

import ctypes

__all__ = ["keep_freed_memory"]

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of malloc.h
MOST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let malloc keep what is freed, for the rest of the process; False where the C library has no such settings.

    Every verb of the command line calls it.  A program of your own may: with a large picture in float32 it is half as
    fast again, and holds about a fifth more memory (benchmarks/kept_memory.py).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl and macOS; Windows
        return False
    return all(mallopt(setting, value) == 1 for setting, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, MOST)))
