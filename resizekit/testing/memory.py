"""Poisoned memory around the inputs and outputs of a kernel, which reveals reads and writes out of bounds."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["POISON", "RedZones", "memory_of", "placed"]

_ZONE = 1 << 14
"""Bytes on each side: more than a block of any kernel, so that an overrun hits no other memory."""
POISON = 0xFF
"""The value of poison bytes: NaN in every floating dtype and 255 as uint8."""


def placed(x: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor, with its strides and alignment, into memory where every other byte is poison."""
    if not x.numel():
        return x.to(device)
    extent = 1 + sum((n - 1) * step for n, step in zip(x.shape, x.stride(), strict=True))
    first = _ZONE // x.element_size() + int(x.storage_offset()) % 16
    size = 2 * _ZONE + (extent + 16) * x.element_size()
    memory = torch.full((size,), POISON, dtype=torch.uint8, device=device).view(x.dtype)
    offsets = torch.arange(extent).as_strided(x.shape, x.stride()).flatten()
    memory[(first + offsets).to(device)] = x.flatten().to(device)
    return memory.as_strided(x.shape, x.stride(), memory.storage_offset() + first)


def memory_of(x: Tensor) -> Tensor:
    """Copy all bytes of the storage of a tensor."""
    return torch.empty(0, dtype=torch.uint8, device=x.device).set_(x.untyped_storage()).clone()


class RedZones(TorchDispatchMode):
    """While it is active, every new tensor is filled with poison and lies between two zones of poison.

    >>> with RedZones() as zones:
    ...     x = torch.empty(2)
    >>> x.isnan().all().item(), zones.overrun()
    (True, None)
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._handed_out: list[tuple[Tensor, int, Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Return memory with zones from every factory function."""
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__.removeprefix("new_").removesuffix("_like")
        if name not in ("empty", "empty_strided", "zeros", "ones", "full") or not result.numel():
            return result
        return self._surrounded(result, filled=not name.startswith("empty"))

    def overrun(self) -> str | None:
        """Describe the first zone that was written to, if any."""
        for memory, length, output in self._handed_out:
            for side, zone in (("before", memory[:_ZONE]), ("after", memory[_ZONE + length :])):
                written = int((zone != POISON).sum())
                if written:
                    return f"{written} bytes were written {side} an output of shape {tuple(output.shape)}"
        return None

    def _surrounded(self, x: Tensor, filled: bool) -> Tensor:
        extent = 1 + sum((n - 1) * step for n, step in zip(x.shape, x.stride(), strict=True))
        length = extent * x.element_size()
        memory = torch.full((length + 2 * _ZONE,), POISON, dtype=torch.uint8, device=x.device)
        inside = memory[_ZONE : _ZONE + length].view(x.dtype).as_strided(x.shape, x.stride(), _ZONE // x.element_size())
        if filled:
            inside.copy_(x)
        self._handed_out.append((memory, length, inside))
        return inside
