"""Run code of a plugin without lasting effects on the process: on its standard output and on settings of torch."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import torch

__all__ = ["isolated"]


def _default_device() -> torch.device | None:
    """Return the device of `torch.set_default_device`; `torch.get_default_device` also sees `with torch.device`."""
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return None if context is None else context.device


def _deterministic() -> tuple[bool, bool, bool, bool]:
    cudnn = torch.backends.cudnn
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        cudnn.deterministic,
        cudnn.benchmark,
    )


def _set_deterministic(flags: tuple[bool, bool, bool, bool]) -> None:
    enabled, warn_only, torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = flags
    torch.use_deterministic_algorithms(enabled, warn_only=warn_only)


_SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "default device": (_default_device, torch.set_default_device),
    "grad mode": (torch.is_grad_enabled, torch.set_grad_enabled),
    "number of threads": (torch.get_num_threads, torch.set_num_threads),
    "deterministic flags": (_deterministic, _set_deterministic),
}
"""Settings that change the results of all code in the process, each with the functions that read and set it."""


@contextmanager
def isolated() -> Iterator[list[str]]:
    """Send the standard output of the block to stderr, and restore the settings of torch at its end.

    Yields:
        An empty list. After the block it contains the names of the settings that the block changed.
    """
    before = {name: read() for name, (read, _) in _SETTINGS.items()}
    changed: list[str] = []
    try:
        with redirect_stdout(sys.stderr):
            yield changed
    finally:
        for name, (read, restore) in _SETTINGS.items():
            if read() != before[name]:
                restore(before[name])
                changed.append(name)
