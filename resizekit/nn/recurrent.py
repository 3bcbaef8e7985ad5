"""Networks that hand more than a picture from one application to the next.

    picture ─► step(first) ─► between ─► step ─► between ─► step(last) ─► picture

Applied once, such a side is an ordinary network.  Applied again and again, what lies between two applications has
channels of its own: what the next one needs to know, and a picture has no room for.
"""

from typing import cast

from torch import Tensor, nn

from resizekit.nn.low_resolution import as_network_input

__all__ = ["Recurrent", "apply"]


class Recurrent(nn.Module):
    """Inherit it, set `between` and define `step`."""

    between: int
    """Channels of what one application hands to the next."""

    def step(self, x: Tensor, *, first: bool, last: bool) -> Tensor:
        """Resize once, one way, floats in [0, 1]: `b c h w`, a picture, or `b between h w` unless it is the `first`.

        Gives a picture if it is the `last` application, or else what the next one takes.
        """
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Resize one way, as the first and last application."""
        return self.step(x, first=True, last=True)


def apply(network: nn.Module, x: Tensor, *, first: bool = True, last: bool = True) -> Tensor:
    """Apply one side once, as the first or last of several applications if it is one that asks."""
    x = as_network_input(network, x)
    if isinstance(network, Recurrent):
        return network.step(x, first=first, last=last)
    return cast(Tensor, network(x))
