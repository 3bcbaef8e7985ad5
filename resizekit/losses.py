"""Losses: how far `restored` is from `high`, plus how far `low` is from its guide (Eq. 4)."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor

from resizekit.codec import Resized
from resizekit.spec import ResizeSpec

__all__ = ["Loss", "Weighted", "guided", "guided_l1"]

Loss = Callable[[Resized, Tensor], Tensor]


class Weighted(Protocol):
    """What a loss asks of a task's config."""

    @property
    def guide_weight(self) -> float:
        """The paper's lambda."""

    @property
    def guide_loss(self) -> str:
        """Norm of the guide term, "l1" or "l2"."""

    @property
    def restoration_loss(self) -> str:
        """Norm of the restoration term, "l1" or "l2"."""


_NORMS = {"l1": F.l1_loss, "l2": F.mse_loss}


def guided_l1(spec: ResizeSpec, config: Weighted) -> Loss:
    """Equation 4: mean absolute error of `restored`, plus `guide_weight` times that of `low` against the guide."""
    return partial(_guided, weight=config.guide_weight, restoration="l1", guide="l1")


def guided(spec: ResizeSpec, config: Weighted) -> Loss:
    """Equation 4 with the norms that the config names; its defaults are the paper's, so it then equals `guided_l1`.

    A squared guide term costs next to nothing close to the guide, where the last bits of `low` carry their message; the
    paper's absolute one taxes every step away from it alike.
    """
    return partial(
        _guided,
        weight=config.guide_weight,
        restoration=config.restoration_loss,
        guide=config.guide_loss,
    )


def _guided(out: Resized, high: Tensor, *, weight: float, restoration: str, guide: str) -> Tensor:
    task = _NORMS[restoration](out.restored, high)
    return task + weight * _NORMS[guide](out.low, out.guide)
