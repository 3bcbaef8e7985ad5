"""Keep freed memory in the process, so that later allocations reuse it.

Glibc returns a large block to the operating system when it is freed, and the system clears each page of the next block.
Networks allocate and free large blocks in each layer: on a CPU this takes about a third of their time.
"""

import ctypes

__all__ = ["keep_freed_memory", "keeps_freed_memory", "return_freed_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Parameter numbers from malloc.h."""
_NEVER_TRIM = 2**31 - 1
_DEFAULT_TRIM, _DEFAULT_MMAPS = 2**17, 2**16
"""The defaults of glibc."""
_kept = False


def keep_freed_memory() -> bool:
    """Configure malloc to keep freed memory for the rest of the process.

    All `resizekit` commands do this. The library does not, because the setting affects the entire process: call this
    function once at the start of your program, or set the environment variable `RESIZEKIT_KEEP_MEMORY=1`. On a CPU,
    large pictures in float32 are then processed about 1.5 times as fast with about a fifth more memory (measured by
    benchmarks/kept_memory.py).

    Returns:
        Whether it took effect. It does with glibc (most Linux systems), and not with musl, on macOS or on Windows.

    Examples:
        >>> import resizekit
        >>> isinstance(resizekit.keep_freed_memory(), bool)
        True
    """
    return _configure(0, _NEVER_TRIM, keeps=True)


def return_freed_memory() -> bool:
    """Undo `keep_freed_memory`, and return the memory that is free now: where memory counts more than time.

    Returns:
        Whether it took effect.
    """
    took_effect = _configure(_DEFAULT_MMAPS, _DEFAULT_TRIM, keeps=False)
    if took_effect:
        ctypes.CDLL(None).malloc_trim(0)
    return took_effect


def keeps_freed_memory() -> bool:
    """Return whether `keep_freed_memory` is in effect."""
    return _kept


def _configure(mmaps: int, trim: int, *, keeps: bool) -> bool:
    global _kept
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl and macOS; Windows
        return False
    took_effect = all(mallopt(name, value) == 1 for name, value in ((_M_MMAP_MAX, mmaps), (_M_TRIM_THRESHOLD, trim)))
    if took_effect:
        _kept = keeps
    return took_effect
