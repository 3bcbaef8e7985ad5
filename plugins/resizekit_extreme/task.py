"""The task `extreme`: one step, `times` times over, down and up, with one rounding at the end.

    high ─► encoder ─► encoder ─► ... ─► rounding ─► low ─► decoder ─► decoder ─► ... ─► restored

The paper's three changes (3.2, "Multi-scale SR with extreme scaling factors"): nothing is compressed inside the
recursion, the encoder predicts the small image itself instead of adding to a guide, and the networks are tuned anew for
every depth.  Here the depths are tuned together as well, so that one pair serves all of them.
"""

from collections.abc import Iterator
from dataclasses import replace

from pydantic import Field, field_validator

from resizekit import Codec, ResizeSpec, Stage, StageMixture, Task, TaskConfig, guides, hookimpl
from resizekit_extreme.shipped import SHIPPED

__all__ = ["ExtremeConfig", "curriculum", "extreme"]


class ExtremeConfig(TaskConfig):
    """What users of `extreme` may say."""

    spec: ResizeSpec = Field(ResizeSpec(s=2, r=2), description="factors of one step")
    times: int = Field(2, ge=1, le=20, description="how often the step is applied where nothing else is said")
    deepest: int = Field(7, ge=1, le=20, description="the most steps that training applies")
    shares: tuple[float, float, float] = Field(
        (0.1, 0.2, 0.7),
        description="of training: one step alone, a step more each time, all depths mixed",
    )
    odds: tuple[float, ...] = Field(
        (), description="how likely each depth is in the mix, from one step on; the default is 1/2, 1/3, 1/4, ..."
    )

    @field_validator("spec")
    @classmethod
    def _keeps_channels(cls, spec: ResizeSpec) -> ResizeSpec:
        if spec.t != 1:
            raise ValueError("a step that is repeated keeps the channels: shuffle_output t out")
        return spec

    @field_validator("shares", "odds")
    @classmethod
    def _some_of_all(cls, parts: tuple[float, ...]) -> tuple[float, ...]:
        if any(part < 0 for part in parts) or (parts and not sum(parts)):
            raise ValueError("shares and odds are at least 0, and not all of them are 0")
        return parts


def curriculum(codec: Codec, config: ExtremeConfig) -> Iterator[Stage | StageMixture]:
    """Learn one step, then a step more each time, then all depths in turn; every stage shares the weights.

    Memory stays bounded at any depth: a step works on what the one before left, a quarter of it for x2 both ways, so
    that all further steps together hold a third of what the first one does.
    """
    alone, growing, mixed = config.shares
    depths = range(1, config.deepest + 1)
    odds = config.odds[: config.deepest] or tuple(1 / (depth + 1) for depth in depths)
    steps = [Stage(codec=codec.at(depth), enlarge=_enlarge(codec.step**depth)) for depth in depths]
    if alone:
        yield replace(steps[0], share=alone)
    if growing:
        yield from (replace(step, share=growing / len(steps)) for step in steps)
    if mixed:
        stages = (replace(step, share=share) for step, share in zip(steps, odds, strict=False))
        yield StageMixture(stages=tuple(stages), share=mixed)


def _enlarge(spec: ResizeSpec) -> int:
    """How much larger crops must be for a deep low to be a picture still, not a pixel or two."""
    factor = max(spec.s, spec.r)
    return 1 if factor <= 8 else 2 if factor <= 16 else 4


extreme = Task(
    name="extreme",
    summary="one step again and again: x2, x4, x8 ... x128 by one pair of networks",
    config=ExtremeConfig,
    spec=lambda config: config.spec,
    times=lambda config: config.times,
    guide=guides.bicubic,
    residual=False,
    curriculum=curriculum,
    weights=SHIPPED,
)


@hookimpl
def resizekit_register_tasks() -> Iterator[Task[ExtremeConfig]]:
    """Offer the one task."""
    yield extreme
