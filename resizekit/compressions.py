"""Compressions: how `low` is stored, as a layer that training can pass through (the compression module of 3.2).

A module `low -> low as it will be read back`, `b c h w -> b c h w`, float in [0, 1].
"""

from torch import Tensor, nn

from resizekit.ops import quantize

__all__ = ["EightBit", "Float", "Round", "Uint8"]


class EightBit(nn.Module):
    """What an ordinary 8-bit picture holds: such a compression can add the guide in the pass that rounds."""

    def forward(self, low: Tensor, guide: Tensor | None = None) -> Tensor:
        """Give back what a stored 8-bit picture of `low + guide` will hold."""
        return quantize(low, guide)


class Uint8(EightBit):
    """Clamp and round to 8 bits, half to even, in training and in use; the gradient passes straight through."""


class Round(EightBit):
    """Round to 8 bits in use, nothing while training: "a simple rounding operation" (3.2 change 1, 3.3)."""

    def forward(self, low: Tensor, guide: Tensor | None = None) -> Tensor:
        """Give back what a stored 8-bit picture will hold, or `low` itself while training."""
        if not self.training:
            return quantize(low, guide)
        return low if guide is None else guide + low


class Float(nn.Module):
    """Keep `low` as it is: for experiments without storage (the trade-off of section 4.2)."""

    def forward(self, low: Tensor) -> Tensor:
        """Give back `low` itself."""
        return low
