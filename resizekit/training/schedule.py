"""Learning rate and stage as pure functions of the step, so that neither has to be stored."""

import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch

from resizekit.errors import ConfigError
from resizekit.losses import Norm
from resizekit.plugin.records import Stage, StageMixture
from resizekit.recipes.config import Phase, TrainConfig

__all__ = ["Segment", "StepSettings", "check_compiler", "check_part", "rate", "segments"]


@dataclass(frozen=True)
class StepSettings:
    """What a step is: a stage, crops, batch, norm."""

    stage: Stage
    patch: int
    """Side of a crop, in high pixels."""
    batch: int
    """Crops a step."""
    restoration_loss: Norm | None
    """Norm of the restoration term; None: as the stage's or the task's loss has it."""


@dataclass(frozen=True)
class Segment:
    """Steps from `first` up to but not including `end`, each of them one of `parts`."""

    parts: tuple[StepSettings, ...]
    first: int
    end: int

    def drawn(self, seed: int, step: int) -> int:
        """Tell which part a step is: a pure function of (seed, step), as its crops are, and independent of them."""
        if len(self.parts) == 1:  # as in most trainings, whose every step would make a generator for nothing
            return 0
        shares = np.array([part.stage.share for part in self.parts])
        random = np.random.Generator(np.random.Philox(key=np.array([seed, step], np.uint64), counter=[0, 0, 0, 1]))
        return int(random.choice(len(shares), p=shares / shares.sum()))


def segments(stages: Sequence[Stage | StageMixture], config: TrainConfig, steps: int) -> list[Segment]:
    """Divide all steps among a task's stages and a config's phases, each by its shares; a leg is a bit of both.

    A stage's own crops and batch come before a phase's, and a phase's before the config's.  Raises `ConfigError` for a
    curriculum, or a mixture, without a positive share.
    """
    phases = config.phases or (Phase(share=1),)
    stage_ends = _ends([stage.share for stage in stages], steps)
    phase_ends = _ends([phase.share for phase in phases], steps)
    divided: list[Segment] = []
    first = 0
    for end in sorted({*stage_ends, *phase_ends}):
        if end == first:
            continue
        stage = next(stage for stage, last in zip(stages, stage_ends, strict=True) if last >= end)
        phase = next(phase for phase, last in zip(phases, phase_ends, strict=True) if last >= end)
        mixed = stage.stages if isinstance(stage, StageMixture) else (stage,)
        if not any(one.share > 0 for one in mixed):
            raise ConfigError("a mixture of the task's curriculum has no stage with a positive share; it needs one")
        divided.append(Segment(tuple(_part(one, phase, config) for one in mixed if one.share > 0), first, end))
        first = end
    return divided


def _part(stage: Stage, phase: Phase, config: TrainConfig) -> StepSettings:
    patch = stage.patch or phase.patch or config.patch
    batch = stage.batch or phase.batch or config.batch
    fewer = max(1, batch // stage.enlarge**2)
    return StepSettings(stage, patch * stage.enlarge, fewer, phase.restoration_loss)


def _ends(shares: Sequence[float], steps: int) -> list[int]:
    total = sum(shares)
    if total <= 0:
        raise ConfigError("the task's curriculum has no stage with a positive share; it needs one")
    return [round(steps * passed / total) for passed in accumulate(shares)]


def rate(step: int, config: TrainConfig, part: StepSettings, steps: int) -> float:
    """The learning rate at one of `steps`: linear warm-up, then the schedule's shape, down to a hundredth.

    A short run learns most from a trapezoid, whose rate stays high for longer than half a cosine's.
    """
    peak = config.lr if part.stage.lr is None else part.stage.lr
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    if config.schedule == "constant":
        return peak * warm
    if config.schedule == "trapezoid":
        fall = min(1.0, 4 * (1 - step / steps))
    else:
        fall = (1 + math.cos(math.pi * step / steps)) / 2
    return peak * warm * (0.01 + 0.99 * fall)


def check_part(part: StepSettings, processes: int) -> None:
    """Refuse crops that the factors do not divide, and a batch that the processes do not; `ConfigError`."""
    rows, columns = part.stage.codec.spec.s.numerator, part.stage.codec.spec.r.numerator
    if part.patch % rows or part.patch % columns:
        raise ConfigError(
            f"train.patch = {part.patch}: crops are divided by {rows} and {columns}; use a multiple of both"
        )
    if (
        part.batch % processes
    ):  # gradients are averaged over processes, so shares of other sizes would weigh differently
        words = f"train.batch = {part.batch} does not divide among {processes} processes; use a multiple of them"
        raise ConfigError(words)


def check_compiler(device: torch.device) -> None:
    """Refuse to compile for a CPU without a C++ compiler, which torch would say in a hundred lines; `ConfigError`."""
    compilers = (os.environ.get("CXX", ""), "c++", "g++", "clang++")
    if device.type == "cpu" and not any(shutil.which(name) for name in compilers if name):
        raise ConfigError("train.compile needs a C++ compiler here, and none is found: install g++, or leave it out")
