"""The dispatch table: which function runs an op on which kind of device.

Every op of `resizekit.ops` is a plain-torch reference under `@op`.  A plugin may offer a faster function for one op on
one device type; the registry puts it in the table when plugins load, and `ops` never asks where it came from.

    unshuffle(x) ─► (unshuffle, cuda) in the table?  ─ yes ─► that kernel
                                                     └ no ──► the reference
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec

from torch import Tensor

from resizekit.errors import PluginError

__all__ = ["Kernel", "install", "op", "ops", "uninstall"]

P = ParamSpec("P")


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A faster function for one op on one type of device."""

    op: str
    """The name of the function in `resizekit.ops` that it stands in for."""
    device_type: str
    """`torch.device.type`, such as "cuda"."""
    run: Callable[..., Tensor]
    """Same signature and same result as the reference: bit-equal for integers and data movement."""


_references: dict[str, Callable[..., Tensor]] = {}
_table: dict[tuple[str, str], Kernel] = {}


def ops() -> tuple[str, ...]:
    """Name every op that a kernel can stand in for."""
    return tuple(sorted(_references))


def install(kernel: Kernel) -> None:
    """Put one kernel into the table; an unknown op or a second offer for one (op, device) is a `PluginError`."""
    if kernel.op not in _references:
        raise PluginError(f"no op {kernel.op!r} to speed up; there are: {', '.join(ops())}")
    key = (kernel.op, kernel.device_type)
    if key in _table:
        raise PluginError(f"op {kernel.op!r} already has a kernel on {kernel.device_type!r}; disable one of the two")
    _table[key] = kernel


def uninstall(kernel: Kernel) -> None:
    """Take a kernel out again; the reference serves from then on."""
    if _table.get((kernel.op, kernel.device_type)) is kernel:
        del _table[(kernel.op, kernel.device_type)]


def op(reference: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Make a plain-torch function an op: looked up by its name and the device of its first argument."""
    name = reference.__name__
    _references[name] = reference

    @functools.wraps(reference)
    def dispatch(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        first = args[0]
        assert isinstance(first, Tensor), f"{name} takes a tensor first"
        kernel = _table.get((name, first.device.type))
        return reference(*args, **kwargs) if kernel is None else kernel.run(*args, **kwargs)

    return dispatch
