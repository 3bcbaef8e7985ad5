"""Change single pixel values of low by one, where the restored image becomes better.

The gradient and the curvature predict what each change gains. Changes that are far enough apart are tried together, and
each is reversed where the error around it did not fall.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from resizekit.codec.refine.objective import Objective, area_mean
from resizekit.ops.quantize import SCALE

__all__ = ["flip"]

_REACH = 2
"""Pixels of low around a change that are compared; changes in one iteration are further apart."""
_WAIT = 8
"""Iterations after which a change that was reversed is tried again."""
_JUDGE_EVERY = 10
"""Iterations between two exact scores."""
_ENOUGH = 0.005
"""Gain in dB between two scores; the changes end when two scores in a row gain less."""
_PROBES = 2
"""Random probes that measure the curvature."""
_NEAR = 0.998
"""Share of the bound above which changes must also bring low closer to its guide."""


def flip(
    objective: Objective,
    low: Tensor,
    iterations: int,
    consider: Callable[[Tensor], float],
    step: Callable[[], None],
) -> int:
    """Try changes of single pixel values, until they gain too little.

    Args:
        objective: What to minimize; its file holds every 8-bit value exactly.
        low: The best low so far, `b c h w`.
        iterations: Number of iterations.
        consider: Called with each low that may be the best; returns the gain in dB.
        step: Called after each iteration.

    Returns:
        The number of iterations that were run.
    """
    low = objective.store(low)
    curvature = area_mean(objective.curvature(low, _PROBES))
    waiting, tried = torch.zeros_like(low), torch.zeros_like(low)
    before: Tensor | None = None
    without_gain = 0
    pull = torch.zeros(len(low), 1, 1, 1, device=low.device)
    for k in range(iterations):
        _, gradient, errors = objective.evaluate(low)
        distance = (low - objective.guide) * objective.mask
        pull = _adjust_pull(pull, objective, low, gradient, distance)
        errors = errors + 0.5 * pull * distance.square().sum(1, keepdim=True)
        if before is not None:
            risen = _around(errors - before) >= 0
            reversed_ = risen & (tried != 0)
            low = torch.where(reversed_, low - tried, low)
            waiting = torch.where(reversed_, _WAIT, waiting - 1)
        before = errors
        allowed = (waiting <= 0) & (objective.mask > 0)
        tried = _best_changes(low, gradient + pull * distance, curvature + 0.5 * pull, allowed)
        low = objective.store(low + tried)
        step()
        if (k + 1) % _JUDGE_EVERY == 0 or k + 1 == iterations:
            without_gain = 0 if consider(low) >= _ENOUGH else without_gain + 1
            if without_gain == 2:
                return k + 1
    return iterations


def _best_changes(low: Tensor, gradient: Tensor, curvature: Tensor, allowed: Tensor) -> Tensor:
    """Choose the changes with the largest predicted gain of their surroundings: `b c h w`, -1/255, 0 or 1/255."""
    change = -gradient.sign() * SCALE
    inside = (low + change > -SCALE / 2) & (low + change < 1 + SCALE / 2)
    gain = gradient.abs() * SCALE - curvature * SCALE**2
    gain = torch.where(allowed & inside, gain, -1.0)
    side = 2 * _REACH + 1
    largest = F.max_pool2d(gain.amax(1, keepdim=True), side, 1, _REACH)
    return torch.where((gain >= largest) & (gain > 0), change, 0.0)


def _adjust_pull(pull: Tensor, objective: Objective, low: Tensor, gradient: Tensor, distance: Tensor) -> Tensor:
    """Raise the pull towards the guide while low is at its bound, and lower it otherwise: `b 1 1 1`."""
    squared = distance.square().sum((1, 2, 3), keepdim=True).clamp(min=torch.finfo(distance.dtype).tiny)
    estimate = (-(gradient * distance).sum((1, 2, 3), keepdim=True) / squared).clamp(min=0)
    near = (objective.low_error(low) > _NEAR * objective.bound).view(-1, 1, 1, 1)
    pull = torch.where(pull == 0, estimate, pull)
    return torch.where(near, 1.2 * pull, 0.9 * pull).minimum(4 * estimate)


def _around(x: Tensor) -> Tensor:
    """Sum over the surroundings of each pixel: `b 1 h w -> b 1 h w`."""
    side = 2 * _REACH + 1
    return F.avg_pool2d(x, side, 1, _REACH) * side**2
