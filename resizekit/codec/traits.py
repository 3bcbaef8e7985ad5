"""Capabilities of networks beyond `b c h w -> b c h w` in float, as their plugins declare them."""

from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from resizekit.nn import Recurrent, to_float

__all__ = ["NetworkTraits", "Traits", "apply_step"]


@dataclass(frozen=True, kw_only=True)
class NetworkTraits:
    """The capabilities of one network; the defaults fit every `nn.Module`."""

    block_size: int = 1
    """Side of the blocks that the network works on, in cells of the factors: tiles start at multiples of it."""
    accepts_uint8: bool = False
    """Whether it inherits `resizekit.nn.LowResolutionNet`, which reads and writes uint8 in one pass."""
    recurrent: bool = False
    """Whether it inherits `resizekit.nn.Recurrent`, which passes a state from one step to the next."""


@dataclass(frozen=True, kw_only=True)
class Traits:
    """The capabilities of a pair of networks."""

    encoder: NetworkTraits = field(default_factory=NetworkTraits)
    decoder: NetworkTraits = field(default_factory=NetworkTraits)
    residual: bool = True
    """True: the encoder's output is added to the guide (3.2). False: the encoder predicts low itself."""


def apply_step(network: nn.Module, traits: NetworkTraits, x: Tensor, *, first: bool, last: bool) -> Tensor:
    """Apply a network as one of several steps.

    Args:
        network: Encoder or decoder.
        traits: Its capabilities.
        x: An image, float in [0, 1] or uint8 or uint16; the previous step's output after the first step.
        first: Whether `x` is an image.
        last: Whether the output is an image.

    Returns:
        An image, or the input of the next step: `b c h w`, float.
    """
    if not (traits.accepts_uint8 and x.dtype == torch.uint8):
        x = to_float(x)
    if traits.recurrent:
        return cast(Recurrent, network).step(x, first=first, last=last)
    return cast(Tensor, network(x))
