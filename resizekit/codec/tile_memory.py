"""How much memory a codec needs for a tile: measured on a small one, since it grows with the area."""

import weakref
from collections import Counter
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from resizekit.codec.codec import Codec
from resizekit.codec.convert import dtype_of_bits
from resizekit.codec.padded_sizes import padded_sizes_for
from resizekit.spec import HW

__all__ = ["bytes_per_pixel"]

_SIDE = 128
"""Side of the tile that is measured, in pixels of high."""
_WORKSPACE = 1.4
"""What convolutions need for themselves: the largest measured ratio to the tensors (benchmarks/NOTEBOOK.md)."""


def bytes_per_pixel(codec: Codec) -> float:
    """Return the bytes that either direction needs for each pixel of high in a tile, besides the weights.

    Examples:
        >>> import resizekit
        >>> bytes_per_pixel(resizekit.load("sr-x2-fast")) < bytes_per_pixel(resizekit.load("sr-x2"))
        True
    """
    one = codec.at(1) if codec.times > 1 else codec  # each step of a repeated network has tiles of its own
    size = padded_sizes_for(one.spec, HW(_SIDE, _SIDE)).high
    high = np.zeros((*size, one.channels), np.uint8)
    with _Peak() as down:
        low = one.down_pixels(high)
    with _Peak() as up:
        one.up_pixels(low, dtype_of_bits(one.storage.bits))
    return _WORKSPACE * float(max(down.bytes, up.bytes)) / (size.h * size.w)


class _Peak(TorchFunctionMode):
    """Counts the bytes of the tensors that functions return, as long as they live.

    A mode for the operations below the functions would be more exact, but its import takes 150 MB and a second.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self._now = 0
        self._users: Counter[int] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor) and tensor.layout == torch.strided:
                self._count(tensor)
        self.bytes = max(self.bytes, self._now)
        return result

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if not self._users[key]:
            self._now += size
        self._users[key] += 1
        weakref.finalize(tensor, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._users[key] -= 1
        if not self._users[key]:
            self._now -= size
