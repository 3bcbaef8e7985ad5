"""Losses: how far `restored` is from `high`, plus how far `low` is from its guide (Eq. 4)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch.nn.functional as F
from torch import Tensor

from resizekit.codec import Resized
from resizekit.spec import ResizeSpec

__all__ = ["Guided", "Loss", "Norm", "Weighted", "guided", "guided_l1"]

Loss = Callable[[Resized, Tensor], Tensor]
Norm = Literal["l1", "l2", "charbonnier", "rms"]
_EPSILON = 1e-3
"""Of Charbonnier's norm, in units of the picture's range: a quarter of an 8-bit step."""


class Weighted(Protocol):
    """What a loss asks of a task's config."""

    @property
    def guide_weight(self) -> float:
        """The paper's lambda."""

    @property
    def guide_loss(self) -> Norm:
        """Norm of the guide term."""

    @property
    def restoration_loss(self) -> Norm:
        """Norm of the restoration term."""


def _charbonnier(a: Tensor, b: Tensor) -> Tensor:
    return ((a - b).square() + _EPSILON**2).sqrt().mean()


def _rms(a: Tensor, b: Tensor) -> Tensor:
    return ((a - b).square().mean((1, 2, 3)) + 1e-12).sqrt().mean()


_NORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": F.l1_loss,
    "l2": F.mse_loss,
    "charbonnier": _charbonnier,
    "rms": _rms,
}
"""Mean absolute error; mean squared error; a smooth form of the first; each picture's root mean square, averaged."""


@dataclass(frozen=True, eq=False)
class Guided:
    """Equation 4: an error of `restored` against `high`, plus `weight` times one of `low` against its guide.

    Whoever trains may steer the weight and change the norms: `dataclasses.replace(loss, weight=...)`.
    """

    weight: float | Tensor
    restoration: Norm = "l1"
    guide: Norm = "l1"

    def __call__(self, out: Resized, high: Tensor) -> Tensor:
        """Give the loss of one pass: a scalar."""
        return _NORMS[self.restoration](out.restored, high) + self.weight * _NORMS[self.guide](out.low, out.guide)


def guided_l1(spec: ResizeSpec, config: Weighted) -> Loss:
    """Equation 4: mean absolute error of `restored`, plus `guide_weight` times that of `low` against the guide."""
    return Guided(config.guide_weight)


def guided(spec: ResizeSpec, config: Weighted) -> Loss:
    """Equation 4 with the norms that the config names; its defaults are the paper's, so it then equals `guided_l1`.

    A squared guide term costs next to nothing close to the guide, where the last bits of `low` carry their message; the
    paper's absolute one taxes every step away from it alike.
    """
    return Guided(config.guide_weight, config.restoration_loss, config.guide_loss)
