"""Compressions: how `low` is stored, as a layer that training can pass through (the compression module of 3.2).

A module `low -> low as it will be read back`, `b c h w -> b c h w`, float in [0, 1].  Its attribute `storage` says in
which format; without one it is a PNG.
"""

import torch
from torch import Tensor, nn

from resizekit.ops import quantize, quantize16, to_uint8
from resizekit.ops.quantize import SCALE
from resizekit.storage.formats import PNG, Storage
from resizekit.storage.png16 import PNG16

__all__ = ["EightBit", "Float", "Lossy", "Round", "Uint8", "Uint16", "read_back"]


class EightBit(nn.Module):
    """What an ordinary 8-bit picture holds: such a compression can add the guide in the pass that rounds.

    The codes that its file is given are always those of `low + guide`, rounded half to even.
    """

    storage: Storage = PNG

    def forward(self, low: Tensor, guide: Tensor | None = None) -> Tensor:
        """Give back what a stored 8-bit picture of `low + guide` will hold."""
        return quantize(low, guide)


class Uint8(EightBit):
    """Clamp and round to 8 bits, half to even, in training and in use; the gradient passes straight through."""


class Uint16(nn.Module):
    """Clamp and round to 16 bits, half to even, in training and in use; the gradient passes straight through."""

    storage: Storage = PNG16

    def forward(self, low: Tensor) -> Tensor:
        """Give back what a stored 16-bit picture will hold: float32, whatever came."""
        return quantize16(low)


class Round(EightBit):
    """Round to 8 bits in use, nothing while training: "a simple rounding operation" (3.2 change 1, 3.3)."""

    def forward(self, low: Tensor, guide: Tensor | None = None) -> Tensor:
        """Give back what a stored 8-bit picture will hold, or `low` itself while training."""
        if not self.training:
            return quantize(low, guide)
        return low if guide is None else guide + low


class Lossy(EightBit):
    """8 bits in a format that changes them: low is what a real file gives back, in training and in use alike.

    Inherit it, or give it the storage alone: a file has no gradient, so that takes the path of `smooth`.
    """

    def __init__(self, storage: Storage) -> None:
        super().__init__()
        self.storage = storage

    def smooth(self, low: Tensor) -> Tensor:
        """What the gradient takes the format for: differentiable, `b c h w -> b c h w`, float32; here no change."""
        return low

    def forward(self, low: Tensor, guide: Tensor | None = None) -> Tensor:
        """Give back what the file of `low + guide` will hold; `ImageError` for what the format cannot hold."""
        rounded = quantize(low, guide)
        with torch.no_grad():
            stored = to_uint8(low, guide)  # not from `rounded`, whose type may be too narrow for a code
        read = (read_back(self.storage, stored) * SCALE).to(rounded.dtype)
        if not (torch.is_grad_enabled() and rounded.requires_grad):
            return read
        with torch.autocast(low.device.type, enabled=False):
            smooth = self.smooth(rounded.float()).to(read.dtype)
        # the difference to itself is exactly nothing, so the value is that of the file to the last bit
        return read + (smooth - smooth.detach())


class Float(nn.Module):
    """Keep `low` as it is: for experiments without storage (the trade-off of section 4.2)."""

    def forward(self, low: Tensor) -> Tensor:
        """Give back `low` itself."""
        return low


def read_back(storage: Storage, stored: Tensor) -> Tensor:
    """Give what files of these codes hold, a file for each picture: `b c h w -> b c h w`, uint8 both.

    Raises `ImageError` for what the format cannot hold.
    """
    pictures = stored.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    read = [torch.from_numpy(storage.read_back(pixels)) for pixels in pictures]
    return torch.stack(read).permute(0, 3, 1, 2).to(stored.device)
