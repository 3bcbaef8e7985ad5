"""Learning rate and stage as pure functions of the step, so that neither has to be stored."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from resizekit.config import TrainConfig
from resizekit.errors import ConfigError
from resizekit.task import Stage

__all__ = ["Leg", "legs", "rate"]


@dataclass(frozen=True)
class Leg:
    """A stage with the steps that it covers, `first` up to but not including `end`."""

    stage: Stage
    first: int
    end: int


def legs(stages: Sequence[Stage], steps: int) -> list[Leg]:
    """Divide all steps among the stages by their shares; `ConfigError` without a stage or a positive share."""
    total = sum(stage.share for stage in stages)
    if not stages or total <= 0:
        raise ConfigError("the task's curriculum has no stage with a positive share; it needs one")
    divided: list[Leg] = []
    passed, first = 0.0, 0
    for stage in stages:
        passed += stage.share
        end = round(steps * passed / total)
        if end > first:
            divided.append(Leg(stage, first, end))
            first = end
    return divided


def rate(step: int, config: TrainConfig, leg: Leg) -> float:
    """The learning rate at a step: linear warm-up, then constant, or half a cosine down to a hundredth."""
    peak = config.lr if leg.stage.lr is None else leg.stage.lr
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    if config.schedule == "constant":
        return peak * warm
    fall = (1 + math.cos(math.pi * step / config.steps)) / 2
    return peak * warm * (0.01 + 0.99 * fall)
