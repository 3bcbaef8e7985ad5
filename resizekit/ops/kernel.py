"""The dispatch table: which function runs an op on which kind of device.

Every op of `resizekit.ops` is a plain-torch reference under `@op`.  A plugin may offer a faster function for one op on
one device type; the registry puts it in the table when plugins load, and `ops` never asks where it came from.

    unshuffle(x) ─► (unshuffle, cuda) in the table?  ─ yes ─► that kernel
                                                     └ no ──► the reference
"""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from torch import Tensor

from resizekit.errors import PluginError, UsageError

__all__ = ["SWITCH", "Kernel", "install", "op", "ops", "reference", "references", "uninstall"]

SWITCH = "RESIZEKIT_KERNELS"
"""Set to "off" in the environment, every op runs its reference."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A faster function for one op on one type of device."""

    op: str
    """The name of the function in `resizekit.ops` that it stands in for."""
    device_type: str
    """`torch.device.type`, such as "cuda"."""
    run: Callable[..., Any]
    """Same signature and same result as the reference: bit-equal for integers and data movement."""
    bytes_moved: Callable[..., int] | None = None
    """For the arguments of `run`: the bytes that have to cross memory, inputs read once and outputs written once."""


_references: dict[str, Callable[..., Any]] = {}
_table: dict[tuple[str, str], Kernel] = {}
_forced = int(os.environ.get(SWITCH, "").lower() in ("off", "0", "no", "false"))


def ops() -> tuple[str, ...]:
    """Name every op that a kernel can stand in for."""
    return tuple(sorted(_references))


def reference(name: str) -> Callable[..., Any]:
    """Give the plain-torch function of an op, past the table; an unknown op is a `PluginError`."""
    if name not in _references:
        raise PluginError(f"no op {name!r} to speed up; there are: {', '.join(ops())}")
    return _references[name]


def install(*kernels: Kernel) -> None:
    """Put kernels into the table, all or none.

    An unknown op or a second offer for one (op, device) is a `PluginError`.
    """
    added: dict[tuple[str, str], Kernel] = {}
    for kernel in kernels:
        reference(kernel.op)
        key = (kernel.op, kernel.device_type)
        if key in _table or key in added:
            raise PluginError(f"op {kernel.op!r} has a kernel on {kernel.device_type!r} already: disable one")
        added[key] = kernel
    _table.update(added)


def uninstall(kernel: Kernel) -> None:
    """Take a kernel out again; the reference serves from then on."""
    if _table.get((kernel.op, kernel.device_type)) is kernel:
        del _table[(kernel.op, kernel.device_type)]


@contextmanager
def references() -> Iterator[None]:
    """Let every op of this process run its reference, as RESIZEKIT_KERNELS=off in the environment does for good."""
    global _forced
    _forced += 1
    try:
        yield
    finally:
        _forced -= 1


def op(reference: Callable[P, R]) -> Callable[P, R]:
    """Make a plain-torch function an op: looked up by its name and the device of the first tensor it is given."""
    name = reference.__name__
    if name in _references:
        raise PluginError(f"there is an op {name!r} already; give yours another name")
    _references[name] = reference

    @functools.wraps(reference)
    def dispatch(*args: P.args, **kwargs: P.kwargs) -> R:
        first = next((x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)), None)
        if first is None:
            raise UsageError(f"{name} takes a torch.Tensor: pictures become one by torch.from_numpy(array)")
        kernel = None if _forced else _table.get((name, first.device.type))
        if kernel is None:
            return reference(*args, **kwargs)
        result: R = kernel.run(*args, **kwargs)
        return result

    return dispatch
