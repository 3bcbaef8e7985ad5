"""Compressions: how `low` is stored, as a layer that training can pass through (the compression module of 3.2).

A module `low -> low as it will be read back`, `b c h w -> b c h w`, float in [0, 1].
"""

from torch import Tensor, nn

from resizekit.ops import quantize

__all__ = ["Float", "Round", "Uint8"]


class Uint8(nn.Module):
    """Clamp and round to 8 bits, half to even, in training and in use; the gradient passes straight through."""

    def forward(self, low: Tensor) -> Tensor:
        """Give back what a stored 8-bit picture will hold."""
        return quantize(low)


class Round(nn.Module):
    """Round to 8 bits in use, nothing while training: "a simple rounding operation" (3.2 change 1, 3.3)."""

    def forward(self, low: Tensor) -> Tensor:
        """Give back what a stored 8-bit picture will hold, or `low` itself while training."""
        return low if self.training else quantize(low)


class Float(nn.Module):
    """Keep `low` as it is: for experiments without storage (the trade-off of section 4.2)."""

    def forward(self, low: Tensor) -> Tensor:
        """Give back `low` itself."""
        return low
