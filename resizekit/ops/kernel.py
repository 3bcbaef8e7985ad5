"""The dispatch table: which function runs an op on which type of device.

Every op of `resizekit.ops` is a plain PyTorch function, its *reference*, decorated with `@op`. A plugin can provide a
faster function, a *kernel*, for one op on one type of device. The registry of the process owns the table of kernels
and activates it with `use_table` when it loads the plugins.

    unshuffle(x) ─► (unshuffle, cuda) in the active table?  ─ yes ─► the kernel
                                                            └ no ──► the reference
"""

import functools
import operator
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeAlias, TypeVar

from torch import Tensor

from resizekit.errors import PluginError, UsageError

__all__ = [
    "SWITCH", "Kernel", "KernelTable",
    "kernels_installed", "op", "op_names", "reference", "references", "use_table",
]  # fmt: skip

SWITCH = "RESIZEKIT_KERNELS"
"""Environment variable: with the value "off", every op runs its reference."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A faster function for one op on one type of device."""

    op: str
    """Name of the function in `resizekit.ops` that the kernel replaces."""
    device_type: str
    """`torch.device.type`, such as "cuda"."""
    run: Callable[..., Any]
    """Same signature and same result as the reference: bit-equal for integers and data movement."""
    bytes_moved: Callable[..., int] | None = None
    """Takes the arguments of `run` and returns the bytes that must cross memory: inputs read once, outputs written
    once."""


KernelTable: TypeAlias = dict[tuple[str, str], Kernel]
"""Kernels by the name of the op and the type of device."""

_references: dict[str, Callable[..., Any]] = {}
_base: KernelTable = {}
_overrides: list[KernelTable] = []
_active: KernelTable = _base  # what dispatch reads: the base itself, or a copy with the overrides on top
# The number of open `references()` blocks, plus 1 if the environment switches kernels off. An int of this module
# because torch.compile guards it: it cannot trace a ContextVar, and it traces a threading.local without a guard, so
# that compiled code would miss later changes.
_forced = int(os.environ.get(SWITCH, "").lower() in ("off", "0", "no", "false"))
_lock = threading.Lock()


def op_names() -> tuple[str, ...]:
    """Return the names of all ops that a kernel can replace.

    >>> "unshuffle" in op_names()
    True
    """
    return tuple(sorted(_references))


def reference(name: str) -> Callable[..., Any]:
    """Return the plain PyTorch function of an op; it never looks into the table.

    Args:
        name: Name of an op, one of `op_names()`.

    Raises:
        PluginError: There is no op of this name.

    >>> import torch
    >>> reference("to_uint8")(torch.tensor([0.0, 0.5, 1.0])).tolist()
    [0, 128, 255]
    """
    if name not in _references:
        raise PluginError(f"unknown op {name!r}: expected one of {', '.join(op_names())}")
    return _references[name]


def use_table(table: KernelTable) -> None:
    """Make a table the active one for the entire process.

    Ops look kernels up in this object, so later changes to it take effect.

    Args:
        table: Kernels by op and type of device; the registry of the process passes its own.
    """
    global _base
    with _lock:
        _base = table
        _activate()


def _activate() -> None:
    global _active
    _active = functools.reduce(operator.or_, _overrides, _base)


@contextmanager
def kernels_installed(*kernels: Kernel) -> Iterator[None]:
    """Run a block with additional kernels in the active table, for tests and experiments.

    The kernels replace others for the same op and type of device. The change affects the entire process and
    ends with the block.

    Args:
        *kernels: Kernels to use inside the block.

    Raises:
        PluginError: A kernel is for an unknown op.

    >>> import torch
    >>> from resizekit import ops
    >>> with kernels_installed(Kernel(op="to_uint8", device_type="cpu", run=lambda x: x.byte() + 7)):
    ...     ops.to_uint8(torch.zeros(2)).tolist()
    [7, 7]
    """
    for kernel in kernels:
        reference(kernel.op)
    table = {(kernel.op, kernel.device_type): kernel for kernel in kernels}
    with _lock:
        _overrides.append(table)
        _activate()
    try:
        yield
    finally:
        with _lock:
            _overrides[:] = [other for other in _overrides if other is not table]
            _activate()


@contextmanager
def references() -> Iterator[None]:
    """Run a block in which every op uses its reference, in all threads of the process.

    `RESIZEKIT_KERNELS=off` in the environment does the same permanently.

    >>> import torch
    >>> from resizekit import ops
    >>> with references():
    ...     ops.shuffle(torch.arange(4.0).reshape(1, 4, 1, 1), 2, 2).tolist()
    [[[[0.0, 1.0], [2.0, 3.0]]]]
    """
    _force(1)
    try:
        yield
    finally:
        _force(-1)


def _force(change: int) -> None:
    global _forced
    with _lock:  # `+=` alone could lose a change if two threads interleave
        _forced += change


def op(reference: Callable[P, R]) -> Callable[P, R]:
    """Turn a plain PyTorch function into an op (decorator).

    A call of the op runs the kernel in the active table for its name and the device of its first tensor argument, or
    the decorated function if there is none.

    Args:
        reference: The function; its `__name__` becomes the name of the op.

    Returns:
        A function with the same signature.

    Raises:
        PluginError: There is already an op of this name.
    """
    name = reference.__name__
    if name in _references:
        raise PluginError(f"there is already an op {name!r}: choose another name")
    _references[name] = reference

    @functools.wraps(reference)
    def dispatch(*args: P.args, **kwargs: P.kwargs) -> R:
        first = next((x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)), None)
        if first is None:
            raise UsageError(f"{name} expects a torch.Tensor: convert arrays with torch.from_numpy(array)")
        kernel = None if _forced else _active.get((name, first.device.type))
        if kernel is None:
            return reference(*args, **kwargs)
        result: R = kernel.run(*args, **kwargs)
        return result

    return dispatch
