"""Threads of PyTorch on a CPU: how they wait, and how many there are."""

import os

__all__ = ["available_cpus", "wait_passively"]

_WAITING = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"
"""Variables that set how the threads of OpenMP wait for each other."""


def wait_passively() -> None:
    """Let waiting threads sleep instead of using a core. Call it before PyTorch is imported.

    Threads of OpenMP wait for each other after each operation, and by default they keep their core busy meanwhile. If
    another process uses one of the cores, the network then needs two to four times as long as with sleeping threads; on
    idle cores there is no difference. An environment variable of the user takes precedence.
    """
    if not any(name in os.environ for name in _WAITING):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def available_cpus() -> int:
    """Return the number of CPU cores that this process may use.

    Examples:
        >>> available_cpus() >= 1
        True
    """
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
