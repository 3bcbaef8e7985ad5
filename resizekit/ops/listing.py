"""List the kernels of all installed plugins: which of them run, and why the others do not."""

from dataclasses import dataclass
from typing import Any

from resizekit.ops.kernel import Kernel, active_kernel, build_failure, registry
from resizekit.ops.switches import environment_reason, is_off

__all__ = ["KernelInfo", "kernels", "offered_kernels"]


@dataclass(frozen=True, kw_only=True)
class KernelInfo:
    """A kernel of an installed plugin."""

    op: str
    """Name of the op."""
    device_type: str
    """`torch.device.type`, such as "cuda"."""
    provider: str
    """Distribution and version."""
    plugin: str
    """Name of the entry point."""
    module: str
    """Module of the function that runs."""
    serves: bool
    """Whether a call of the op on such a device runs this kernel now, as far as the process knows."""
    reason: str = ""
    """Why it does not; empty if it does."""


def kernels() -> list[KernelInfo]:
    """Return every kernel of the installed plugins, by op and type of device; the first call loads the plugins.

    A kernel can only show at its first call that it cannot be built; until then, it counts as one that serves.

    >>> from resizekit import ops
    >>> {kernel.op for kernel in kernels()} <= set(ops.op_names())
    True
    """
    found = registry()
    offers = sorted(found.kernel_offers.items())
    return [_info(offer, found.kernels.get((op, device_type))) for (op, device_type, _), offer in offers]


def offered_kernels() -> list[Kernel]:
    """Return the kernels that would run if their devices were there; one for each op and type of device."""
    found, chosen = registry(), dict[tuple[str, str], Kernel]()
    for (op, device_type, _), offer in sorted(found.kernel_offers.items()):
        active = found.kernels.get((op, device_type))
        chosen[op, device_type] = (active or offer).value
    return list(chosen.values())


def _info(offer: Any, chosen: Any) -> KernelInfo:
    kernel = offer.value
    if kernel.unavailable is not None:
        reason = kernel.unavailable
    elif chosen is not offer:
        reason = f"replaced by plugin {chosen.plugin!r} of {chosen.provider}"
    elif active_kernel(kernel.op, kernel.device_type) is kernel:
        reason = ""
    elif is_off(kernel.op):
        reason = environment_reason(kernel.op) or "resizekit.ops.references is in use"
    else:
        failure = build_failure(kernel)
        reason = f"it cannot be built: {failure}" if failure else "resizekit.ops.kernels_installed replaces it"
    return KernelInfo(
        op=kernel.op,
        device_type=kernel.device_type,
        provider=offer.provider,
        plugin=offer.plugin,
        module=getattr(kernel.run, "__module__", None) or type(kernel.run).__module__,
        serves=not reason,
        reason=reason,
    )
