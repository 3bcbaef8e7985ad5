"""Poisoned memory: what lies beside the inputs and outputs of a kernel, so that nothing is read or written there."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["POISON", "RedZones", "memory_of", "placed"]

_ZONE = 1 << 14
"""Bytes on either side: more than a block of any kernel, so that an overrun is seen and harms nobody."""
POISON = 0xFF
"""Bytes of it are NaN in every floating type and the brightest code."""


def placed(x: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor, strides and alignment kept, into memory where every other byte is poison."""
    if not x.numel():
        return x.to(device)
    span = 1 + sum((n - 1) * step for n, step in zip(x.shape, x.stride(), strict=True))
    begin = _ZONE // x.element_size() + int(x.storage_offset()) % 16
    size = 2 * _ZONE + (span + 16) * x.element_size()
    memory = torch.full((size,), POISON, dtype=torch.uint8, device=device).view(x.dtype)
    at = torch.arange(span).as_strided(x.shape, x.stride()).flatten()
    memory[(begin + at).to(device)] = x.flatten().to(device)
    return memory.as_strided(x.shape, x.stride(), memory.storage_offset() + begin)


def memory_of(x: Tensor) -> Tensor:
    """Copy all bytes that a tensor is a view of."""
    return torch.empty(0, dtype=torch.uint8, device=x.device).set_(x.untyped_storage()).clone()


class RedZones(TorchDispatchMode):
    """While it is on, every new tensor lies between two zones of poison and is poison itself."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._handed_out: list[tuple[Tensor, int, Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Answer factories with memory of ours."""
        given = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__.removeprefix("new_").removesuffix("_like")
        if name not in ("empty", "empty_strided", "zeros", "ones", "full") or not given.numel():
            return given
        return self._surrounded(given, filled=not name.startswith("empty"))

    def overrun(self) -> str | None:
        """Say which zone was written to, if any."""
        for memory, length, given in self._handed_out:
            for side, zone in (("before", memory[:_ZONE]), ("after", memory[_ZONE + length :])):
                written = int((zone != POISON).sum())
                if written:
                    return f"{written} bytes were written {side} an output of shape {tuple(given.shape)}"
        return None

    def _surrounded(self, x: Tensor, filled: bool) -> Tensor:
        span = 1 + sum((n - 1) * step for n, step in zip(x.shape, x.stride(), strict=True))
        length = span * x.element_size()
        memory = torch.full((length + 2 * _ZONE,), POISON, dtype=torch.uint8, device=x.device)
        ours = memory[_ZONE : _ZONE + length].view(x.dtype).as_strided(x.shape, x.stride(), _ZONE // x.element_size())
        if filled:
            ours.copy_(x)
        self._handed_out.append((memory, length, ours))
        return ours
