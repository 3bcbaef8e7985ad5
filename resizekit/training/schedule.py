"""Learning rate and stage as pure functions of the step, so that neither has to be stored."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from resizekit.config import Phase, TrainConfig
from resizekit.errors import ConfigError
from resizekit.losses import Norm
from resizekit.task import Stage

__all__ = ["Leg", "legs", "rate"]


@dataclass(frozen=True)
class Leg:
    """What steps have in common, from `first` up to but not including `end`: a stage, crops, batch, norm."""

    stage: Stage
    first: int
    end: int
    patch: int
    """Side of a crop, in high pixels."""
    batch: int
    """Crops a step."""
    restoration_loss: Norm | None
    """Norm of the restoration term; None: as the stage's or the task's loss has it."""


def legs(stages: Sequence[Stage], config: TrainConfig, steps: int) -> list[Leg]:
    """Divide all steps among a task's stages and a config's phases, each by its shares; a leg is a bit of both.

    A stage's own crops and batch come before a phase's, and a phase's before the config's.  Raises `ConfigError` for a
    curriculum without a positive share.
    """
    phases = config.phases or (Phase(share=1),)
    stage_ends = _ends([stage.share for stage in stages], steps)
    phase_ends = _ends([phase.share for phase in phases], steps)
    divided: list[Leg] = []
    first = 0
    for end in sorted({*stage_ends, *phase_ends}):
        if end == first:
            continue
        stage = next(stage for stage, last in zip(stages, stage_ends, strict=True) if last >= end)
        phase = next(phase for phase, last in zip(phases, phase_ends, strict=True) if last >= end)
        patch = stage.patch or phase.patch or config.patch
        batch = stage.batch or phase.batch or config.batch
        divided.append(Leg(stage, first, end, patch, batch, phase.restoration_loss))
        first = end
    return divided


def _ends(shares: Sequence[float], steps: int) -> list[int]:
    total = sum(shares)
    if total <= 0:
        raise ConfigError("the task's curriculum has no stage with a positive share; it needs one")
    return [round(steps * passed / total) for passed in accumulate(shares)]


def rate(step: int, config: TrainConfig, leg: Leg, steps: int) -> float:
    """The learning rate at one of `steps`: linear warm-up, then the schedule's shape, down to a hundredth.

    A short run learns most from a trapezoid, whose rate stays high for longer than half a cosine's.
    """
    peak = config.lr if leg.stage.lr is None else leg.stage.lr
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    if config.schedule == "constant":
        return peak * warm
    if config.schedule == "trapezoid":
        fall = min(1.0, 4 * (1 - step / steps))
    else:
        fall = (1 + math.cos(math.pi * step / steps)) / 2
    return peak * warm * (0.01 + 0.99 * fall)
