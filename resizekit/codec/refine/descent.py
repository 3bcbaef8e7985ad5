"""Refine low for its decoder: gradient descent through the frozen decoder, then changes of single pixel values.

The decoder is known, so the small image of one picture can be better than what the encoder gives for all pictures. Each
level of effort starts from the best image of the level below, and keeps the best image that it finds. A higher level is
therefore never worse.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from resizekit.codec.pair import NetworkPair
from resizekit.codec.refine.effort import Effort, Level
from resizekit.codec.refine.flips import flip
from resizekit.codec.refine.objective import (
    Objective,
    Score,
    area_mean,
    check_reachable,
    check_refinable,
    price_of,
    without_gradients,
)
from resizekit.ops.quantize import SCALE

__all__ = ["Best", "approach_bound", "pull_to_guide", "refine", "refine_level"]

_MOMENTUM, _SECOND_MOMENTUM = 0.5, 0.9
"""Adam's two decay rates. The gradient has little noise, so both are short."""
_JUDGE_EVERY = 5
"""Iterations between two exact scores."""
_NEAR = 0.985
"""Share of the bound from which the descent also pulls low towards its guide."""
_LARGEST_PULL = 0.9
"""Limit of one correction towards the guide."""


def refine(
    codec: NetworkPair,
    high: Tensor,
    low: Tensor,
    *,
    effort: int | Effort,
    weight: Tensor | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Tensor:
    """Improve low so that the decoder restores high better from it.

    Args:
        codec: The codec in evaluation mode. It does not change.
        high: The original, `b (t c) (s h) (r w)`: uint8, uint16 or float in [0, 1].
        low: Low before the compression, such as from `codec.encode`: `b c h w`, float in [0, 1].
        effort: 0 to 4, or an `Effort`.
        weight: Weight of each pixel of high, `b 1 (s h) (r w)` in [0, 1]; None: 1.
        progress: Called with (iterations done, all iterations) after each iteration.

    Returns:
        Low before the compression, `b c h w`: pass it to `codec.compress` or `codec.to_stored`. The restored image has
        at least the PSNR of a lower effort, and low keeps its PSNR against the guide as `Effort` says.

    Raises:
        UsageError: If the effort is out of range, the networks have no gradient, the codec is in training mode, or its
            compression stores no file.

    Examples:
        >>> import resizekit
        >>> codec = resizekit.load("sr-x2-fast")
        >>> high = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        >>> low = codec.compress(refine(codec, high, codec.encode(high), effort=1))
        >>> low.shape
        torch.Size([1, 3, 8, 8])
    """
    effort = Effort.of(effort)
    if not effort.level:
        return low
    check_refinable(codec, effort)
    with torch.inference_mode(False), torch.no_grad():
        # clones, since tensors from inference mode cannot take part in a gradient
        high, low = high.detach().clone(), low.detach().float().clone()
        weight = None if weight is None else weight.clone()
        codec = without_gradients(codec)
        target = effort.target_low_psnr
        objective = Objective(codec, high, low, target_low_psnr=target, weight=weight)
        if effort.smaller:
            price = price_of(objective.score(low).cost, low[0].numel()) if len(low) else low.new_zeros(0)
            objective = Objective(
                codec, high, low, target_low_psnr=target, weight=weight, bit_price=price, guide=objective.guide
            )
        if target is not None:
            for error in objective.low_error(objective.store(objective.guide)).tolist():
                check_reachable(error / low[0].numel(), target, codec)
        done = 0

        def step() -> None:
            nonlocal done
            done += 1
            progress(done, effort.iterations)

        for level in effort.levels:
            low = refine_level(objective, low, level, step)
        return low


def refine_level(objective: Objective, low: Tensor, level: Level, step: Callable[[], None] = lambda: None) -> Tensor:
    """Run one level of effort, and return the best low before the compression: `b c h w -> b c h w`.

    Args:
        objective: What to minimize.
        low: The best low of the level below.
        level: The iterations to run.
        step: Called after each iteration.
    """
    if not objective.bound.any():  # low must equal its guide
        return objective.into_bound(low)
    best = Best(objective, low)
    flips = level.flips if objective.flips_allowed else 0
    _descend(objective, best, level, level.iterations - flips, step)
    if flips:
        used = flip(objective, best.low, flips, best.consider, step)
        for _ in range(flips - used):  # the progress ends where it was announced to end
            step()
    return best.low


class Best:
    """The best low of each image of a batch."""

    def __init__(self, objective: Objective, low: Tensor) -> None:
        self._objective = objective
        self.low = objective.into_bound(low)
        self._score = objective.score(self.low)

    def consider(self, low: Tensor) -> float:
        """Keep each image that is better than the best one so far, and return the largest gain in dB."""
        low = self._objective.into_bound(low)
        score = self._objective.score(low)
        better = score.better_than(self._score)
        tiny = torch.finfo(score.cost.dtype).tiny
        gains = 10 * torch.log10(self._score.cost.clamp(min=tiny) / score.cost.clamp(min=tiny)) * better
        self.low = torch.where(better.view(-1, 1, 1, 1), low, self.low)
        self._score = Score(*(torch.where(better, a, b) for a, b in zip(score, self._score, strict=True)))
        return float(gains.max()) if len(gains) else 0.0


def _descend(objective: Objective, best: Best, level: Level, iterations: int, step: Callable[[], None]) -> None:
    """Descend with Adam, whose step sizes follow the squared gradients of an area, and fall to 0 as a cosine."""
    low = best.low
    first, second = torch.zeros_like(low), torch.zeros_like(low)
    for k in range(iterations):
        rounding = min(1.0, 1.25 * k / iterations) if level.anneal else 1.0
        stored, gradient, _ = objective.evaluate(low, rounding)
        gradient = gradient + pull_to_guide(objective, stored, gradient)
        first.lerp_(gradient, 1 - _MOMENTUM)
        second.lerp_(area_mean(gradient.square()), 1 - _SECOND_MOMENTUM)
        scale = (second / (1 - _SECOND_MOMENTUM ** (k + 1))).sqrt() * (1 - _MOMENTUM ** (k + 1))
        rate = level.rate * SCALE * 0.5 * (1 + math.cos(math.pi * k / iterations))
        moved = (low - rate * first / scale.clamp(min=torch.finfo(scale.dtype).tiny)).clamp(0, 1)
        low = approach_bound(objective, moved)
        if (k + 1) % _JUDGE_EVERY == 0 or k + 1 == iterations:
            best.consider(low)
        step()


def pull_to_guide(objective: Objective, stored: Tensor, gradient: Tensor) -> Tensor:
    """Estimate the gradient that keeps low within its bound: `b c h w`.

    At the minimum under a bound, the gradient of the error points along the distance to the guide. The multiplier is
    its projection (the least-squares estimate of Lagrange's multiplier).
    """
    distance = (stored - objective.guide) * objective.mask
    squared = distance.square().sum((1, 2, 3), keepdim=True)
    multiplier = -(gradient * distance).sum((1, 2, 3), keepdim=True) / squared.clamp(
        min=torch.finfo(squared.dtype).tiny
    )
    near = objective.low_error(stored) > _NEAR * objective.bound
    return multiplier.clamp(min=0) * near.view(-1, 1, 1, 1) * distance


def approach_bound(objective: Objective, low: Tensor) -> Tensor:
    """Move low straight towards its guide until its error, with that of the rounding, meets the bound."""
    error = objective.low_error(low)
    rounding_error = objective.low_error(objective.store(low)) - error
    allowed = (objective.bound - rounding_error).clamp(min=0)
    share = (allowed / error.clamp(min=torch.finfo(error.dtype).tiny)).sqrt().clamp(_LARGEST_PULL, 1).float()
    pulled = torch.lerp(objective.guide, low, share.view(-1, 1, 1, 1))
    return torch.where(objective.mask > 0, pulled, low)
