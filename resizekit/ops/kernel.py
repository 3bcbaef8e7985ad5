"""The dispatch table: which function runs an op on which type of device.

Every op of `resizekit.ops` is a plain PyTorch function, its *reference*, decorated with `@op`. A plugin can provide a
faster function, a *kernel*, for one op on one type of device. The registry of the process owns the table of kernels
and activates it with `use_table` when it loads the plugins. The first call of an op on a device other than the CPU
loads them.

    unshuffle(x) ─► (unshuffle, cuda) in the active table?  ─ yes ─► the kernel ─ cannot be built ─┐
                                                            └ no ──► the reference ◄───────────────┘
"""

import functools
import importlib
import operator
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

import torch
from torch import Tensor

from resizekit.errors import KernelUnavailableError, PluginError, UsageError
from resizekit.ops.switches import KernelWarning, check_environment, is_off, switch
from resizekit.ops.timing_case import TimingCase

__all__ = [
    "Kernel", "KernelTable",
    "active_kernel", "build_failure", "kernels_installed", "op", "op_names", "reference", "references", "registry",
    "use_table",
]  # fmt: skip

_REGISTRY = "resizekit.plugin.registry"
"""The module that loads the plugins. It lies above the ops, so it is imported by name when a kernel is needed;
tests/test_architecture.py lists this exception."""
_WITHOUT_PLUGINS = ("cpu", "meta")
"""Types of devices on which a call does not load the plugins: references need no start-up time."""

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
    """Same signature and same result as the reference: bit-equal for integers and data movement.

    It raises `KernelUnavailableError` if it cannot be built on this machine: the reference then runs, from then on."""
    bytes_moved: Callable[..., int] | None = None
    """Takes the arguments of `run` and returns the bytes that must cross memory: inputs read once, outputs written
    once."""
    cases: Callable[[torch.device], Iterable[TimingCase]] | None = None
    """Takes a device and returns calls to time, small ones for a CPU; None: `resizekit bench --run` leaves it out."""
    unavailable: str | None = None
    """Why the kernel cannot run in this process, such as a missing GPU; it is then listed, but never runs."""


KernelTable: TypeAlias = dict[tuple[str, str], Kernel]
"""Kernels by the name of the op and the type of device."""

_references: dict[str, Callable[..., Any]] = {}
_base: KernelTable = {}
_overrides: list[KernelTable] = []
_active: KernelTable = _base  # what dispatch reads: the base itself, or a copy with the overrides on top
_failures: dict[tuple[str, str], tuple[Kernel, str]] = {}  # kernels that cannot be built, with the reason
_found = False  # whether a table is in use, or the plugins are being loaded
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
    global _base, _found
    with _lock:
        _base, _found = table, True
        _activate()
    check_environment(op_names())


def registry() -> Any:
    """Return the registry of the process (`resizekit.plugin.Registry`); the first call loads the plugins."""
    return importlib.import_module(_REGISTRY).installed()


def _find(device_type: str) -> None:
    """Load the plugins, which activates their kernels, before the first call on a device that can have kernels."""
    global _found
    with _lock:
        if _found or device_type in _WITHOUT_PLUGINS:
            return
        _found = True  # first: plugins may call ops while they load, and other threads use references meanwhile
    try:
        registry()
    except BaseException:
        _found = False
        raise


# torch.compile cannot trace the loading of plugins. With this mark, which `torch.compiler.assume_constant_result` sets
# too, it calls the function while it traces. That function would import the compiler, even if it is never used.
_find._dynamo_marked_constant = True  # type: ignore[attr-defined]


def active_kernel(op: str, device_type: str) -> Kernel | None:
    """Return the kernel that a call of an op runs now on a type of device; None: its reference."""
    if is_off(op):
        return None
    kernel = _active.get((op, device_type))
    return None if kernel is None or (_failures and build_failure(kernel)) else kernel


def build_failure(kernel: Kernel) -> str | None:
    """Return why a kernel could not be built when an op ran it; None if it could, or was not used yet."""
    failed = _failures.get((kernel.op, kernel.device_type))
    return failed[1] if failed is not None and failed[0] is kernel else None


def _give_up(kernel: Kernel, error: KernelUnavailableError) -> None:
    with _lock:
        if build_failure(kernel):  # in another thread, at the same time
            return
        _failures[kernel.op, kernel.device_type] = kernel, str(error)
    message = f"the kernel of {kernel.op} for {kernel.device_type} cannot be built, so its reference runs: {error}"
    warnings.warn(message, KernelWarning, stacklevel=3)


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
    table = {(kernel.op, kernel.device_type): kernel for kernel in kernels if kernel.unavailable is None}
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
def references(*ops: str) -> Iterator[None]:
    """Run a block in which ops use their references, in all threads of the process.

    RESIZEKIT_KERNELS in the environment does the same permanently. Blocks can overlap, in one thread or several: an op
    uses its kernel again when the last block that names it has ended.

    Args:
        *ops: Names of ops; without names, all ops.

    Raises:
        PluginError: There is no op of one of the names.

    >>> import torch
    >>> from resizekit import ops
    >>> with references("shuffle"):
    ...     ops.shuffle(torch.arange(4.0).reshape(1, 4, 1, 1), 2, 2).tolist()
    [[[[0.0, 1.0], [2.0, 3.0]]]]
    """
    for name in ops:
        reference(name)
    switch(ops, 1)
    try:
        yield
    finally:
        switch(ops, -1)


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
        device_type, compiling = first.device.type, torch.compiler.is_compiling()
        if compiling or not _found:  # in this order: compiled code must not depend on `_found`
            _find(device_type)
        kernel = active_kernel(name, device_type)
        if kernel is None:
            return reference(*args, **kwargs)
        if compiling:  # the compiler builds kernels later, and reports its own errors
            return cast(R, kernel.run(*args, **kwargs))
        try:
            return cast(R, kernel.run(*args, **kwargs))
        except KernelUnavailableError as error:
            _give_up(kernel, error)
            return reference(*args, **kwargs)

    return dispatch
