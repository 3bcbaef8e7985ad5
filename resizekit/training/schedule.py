"""Compute the settings and the learning rate of each step as pure functions of the step.

The state file therefore stores only the number of completed steps.

    stages of the task  ─┐
                         ├─► segments ─► settings of a step: stage, crop size, batch, norm
    phases of the config ─┘
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from resizekit.errors import ConfigError
from resizekit.losses import Norm
from resizekit.plugin.records import Stage, StageMixture
from resizekit.recipes.config import Phase, TrainConfig

__all__ = ["Segment", "StepSettings", "check_divisible", "learning_rate", "segments"]


@dataclass(frozen=True)
class StepSettings:
    """Settings of one training step."""

    stage: Stage
    patch: int
    """Side of a crop in pixels of the high-resolution picture."""
    batch: int
    """Number of crops in a step, over all processes."""
    restoration_loss: Norm | None
    """Norm of the restoration term; None: the norm in the loss of the stage or task."""


@dataclass(frozen=True)
class Segment:
    """Consecutive steps of a training, from `first` up to and excluding `end`, that share their settings."""

    settings: tuple[StepSettings, ...]
    """One element, or one for each stage of a mixture. In a mixture each step draws one of them."""
    first: int
    end: int

    def draw(self, seed: int, step: int) -> int:
        """Return the index of the settings that a step uses.

        The index is a pure function of (seed, step), like the crops, and statistically independent of them.
        """
        if len(self.settings) == 1:  # the usual case; avoids a generator for each step
            return 0
        shares = np.array([settings.stage.share for settings in self.settings])
        random = np.random.Generator(np.random.Philox(key=np.array([seed, step], np.uint64), counter=[0, 0, 0, 1]))
        return int(random.choice(len(shares), p=shares / shares.sum()))


def segments(stages: Sequence[Stage | StageMixture], config: TrainConfig, steps: int) -> list[Segment]:
    """Divide the steps of a training among the stages of the task and the phases of the config.

    Stages and phases divide the steps independently, each in proportion to its share. A segment is the overlap of one
    stage and one phase. The crop size and batch of a stage take precedence over those of a phase, and those of a phase
    over those of the config.

    Args:
        stages: Curriculum of the task.
        config: Source of the phases and of the default crop size and batch.
        steps: Number of steps of the entire training.

    Returns:
        Segments without gaps from step 0 to `steps`. Shares that round to zero steps have no segment.

    Raises:
        ConfigError: If the curriculum or one of its mixtures has no positive share.
    """
    phases = config.phases or (Phase(share=1),)
    stage_ends = _ends([stage.share for stage in stages], steps)
    phase_ends = _ends([phase.share for phase in phases], steps)
    divided: list[Segment] = []
    first = 0
    for end in sorted({*stage_ends, *phase_ends}):
        if end == first:
            continue
        stage = next(stage for stage, stage_end in zip(stages, stage_ends, strict=True) if stage_end >= end)
        phase = next(phase for phase, phase_end in zip(phases, phase_ends, strict=True) if phase_end >= end)
        mixed = stage.stages if isinstance(stage, StageMixture) else (stage,)
        drawn = [stage for stage in mixed if stage.share > 0]
        if not drawn:
            raise ConfigError("a mixture of the task's curriculum has no stage with a positive share; it needs one")
        divided.append(Segment(tuple(_settings(stage, phase, config) for stage in drawn), first, end))
        first = end
    return divided


def learning_rate(step: int, config: TrainConfig, settings: StepSettings, steps: int) -> float:
    """Return Adam's learning rate at a step.

    The rate rises linearly during the warm-up. Then "constant" keeps it, "cosine" follows half a cosine, and
    "trapezoid" keeps it for three quarters of the steps before a linear fall. The last two fall to a hundredth of the
    peak. A short training gains most from "trapezoid", whose rate stays high for longer than that of "cosine".

    Args:
        step: Index of the step.
        config: Source of `lr`, `warmup` and `schedule`.
        settings: Settings of the step; a stage can set its own peak rate.
        steps: Number of steps of the entire training.
    """
    peak = config.lr if settings.stage.lr is None else settings.stage.lr
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    if config.schedule == "constant":
        return peak * warm
    if config.schedule == "trapezoid":
        fall = min(1.0, 4 * (1 - step / steps))
    else:
        fall = (1 + math.cos(math.pi * step / steps)) / 2
    return peak * warm * (0.01 + 0.99 * fall)


def check_divisible(settings: StepSettings, processes: int) -> None:
    """Check that the resize factors divide the crops and the number of processes divides the batch.

    Raises:
        ConfigError: If the crops or the batch cannot be divided.
    """
    rows, columns = settings.stage.codec.spec.s.numerator, settings.stage.codec.spec.r.numerator
    if settings.patch % rows or settings.patch % columns:
        raise ConfigError(f"train.patch = {settings.patch}: set a multiple of the resize factors, {rows} and {columns}")
    # gradients are averaged over processes, so shares of different sizes would have different weights
    if settings.batch % processes:
        raise ConfigError(f"train.batch = {settings.batch}: set a multiple of the number of processes, {processes}")


def _settings(stage: Stage, phase: Phase, config: TrainConfig) -> StepSettings:
    patch = stage.patch or phase.patch or config.patch
    batch = stage.batch or phase.batch or config.batch
    fewer = max(1, batch // stage.enlarge**2)  # the cost of a step stays the same
    return StepSettings(stage, patch * stage.enlarge, fewer, phase.restoration_loss)


def _ends(shares: Sequence[float], steps: int) -> list[int]:
    """Return the end of each share when all steps are divided in proportion to the shares."""
    total = sum(shares)
    if total <= 0:
        raise ConfigError("the task's curriculum has no stage with a positive share; it needs one")
    return [round(steps * passed / total) for passed in accumulate(shares)]
