"""The task `extreme`: apply one pair of networks `times` times, with a single rounding at the end.

    high ─► encoder ─► encoder ─► ... ─► rounding ─► low ─► decoder ─► decoder ─► ... ─► restored

The paper makes three changes for this (3.2, "Multi-scale SR with extreme scaling factors"): nothing is compressed
between the steps, the encoder predicts the low image itself instead of adding to a guide, and the networks are
fine-tuned for each depth. Here all depths are trained together, so that one pair serves every depth.
"""

from collections.abc import Iterator
from dataclasses import replace

from pydantic import Field, field_validator

from resizekit import Codec, ResizeSpec, Stage, StageMixture, Task, TaskConfig, guides, hookimpl
from resizekit_extreme.packaged import WEIGHTS

__all__ = ["ExtremeConfig", "curriculum", "extreme"]


class ExtremeConfig(TaskConfig):
    """Config of the task `extreme`."""

    spec: ResizeSpec = Field(ResizeSpec(s=2, r=2), description="factors of one step")
    times: int = Field(2, ge=1, le=20, description="default number of steps")
    deepest: int = Field(7, ge=1, le=20, description="largest number of steps in training")
    shares: tuple[float, float, float] = Field(
        (0.1, 0.2, 0.7),
        description="shares of the training: one step only, growing depth, all depths mixed",
    )
    odds: tuple[float, ...] = Field(
        (), description="relative frequency of depths 1, 2, 3, ... in the mix; the default is 1/2, 1/3, 1/4, ..."
    )

    @field_validator("spec")
    @classmethod
    def _keeps_channels(cls, spec: ResizeSpec) -> ResizeSpec:
        if spec.t != 1:
            raise ValueError(f"t={spec.t} changes the channels, and a repeated step cannot: leave out t")
        return spec

    @field_validator("shares", "odds")
    @classmethod
    def _has_positive_sum(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if any(value < 0 for value in values) or (values and not sum(values)):
            raise ValueError(f"invalid values {values}: expected numbers of at least 0, not all of them 0")
        return values


def curriculum(codec: Codec, config: ExtremeConfig) -> Iterator[Stage | StageMixture]:
    """Train one step only, then growing depths, then all depths in random order. All stages share the weights.

    Memory stays bounded at any depth. With factors of 2 each step works on a quarter of the pixels of the step before,
    so all further steps together need a third of the memory of the first step.

    Args:
        codec: The codec to train.
        config: `deepest`, `shares` and `odds` select the depths and their share of the training.

    Yields:
        The stages in order.
    """
    single, growing, mixed = config.shares
    depths = range(1, config.deepest + 1)
    odds = config.odds[: config.deepest] or tuple(1 / (depth + 1) for depth in depths)
    stages = [Stage(codec=codec.at(depth), enlarge=_enlarge(codec.step**depth)) for depth in depths]
    if single:
        yield replace(stages[0], share=single)
    if growing:
        yield from (replace(stage, share=growing / len(stages)) for stage in stages)
    if mixed:
        weighted = (replace(stage, share=share) for stage, share in zip(stages, odds, strict=False))
        yield StageMixture(stages=tuple(weighted), share=mixed)


def _enlarge(spec: ResizeSpec) -> int:
    """Return how much larger the crops must be, so that the low image has more than a few pixels."""
    factor = max(spec.s, spec.r)
    return 1 if factor <= 8 else 2 if factor <= 16 else 4


extreme = Task(
    name="extreme",
    summary="one pair of networks for x2, x4, x8 ... x128, applied once for each factor of 2",
    config=ExtremeConfig,
    spec=lambda config: config.spec,
    times=lambda config: config.times,
    guide=guides.bicubic,
    residual=False,
    curriculum=curriculum,
    weights=WEIGHTS,
)


@hookimpl
def resizekit_register_tasks() -> Iterator[Task[ExtremeConfig]]:
    """Register the task `extreme`."""
    yield extreme
