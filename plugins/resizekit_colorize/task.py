"""The tasks `colorize`, RGB kept as grey, and `channels`, any factor of channels together with any others."""

from collections.abc import Iterator
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from resizekit import ResizeSpec, Task, TaskConfig, guides, hookimpl
from resizekit_colorize.shipped import SHIPPED


class ColorizeConfig(TaskConfig):
    """What users of `colorize` may say; the defaults are the paper's for it (4.3)."""

    channels: int = Field(1, ge=1, le=1, description="channels of low: grey has one")
    compression: str = Field("round", description="an installed compression: how low is stored")
    guide_weight: float = Field(5.0, ge=0, description="the paper's lambda: weight of the guide term (Eq. 4)")


class ChannelsConfig(TaskConfig):
    """What users of `channels` may say."""

    spec: ResizeSpec = Field(ResizeSpec(s=2, r=2, t=3), description="factors of height, width and channels")
    channels: int = Field(1, ge=1, le=4096, description="channels of low")
    guide: Literal["mean", "luma"] = Field("mean", description="of each group of channels; luma: of RGB, for t=3")

    @model_validator(mode="after")
    def _guided(self) -> Self:
        if self.guide == "luma" and self.spec.t != 3:
            raise ValueError(f"guide 'luma' is of RGB, for t=3, not t={self.spec.t}: use 'mean'")
        if self.spec.t.denominator != 1:
            raise ValueError(f"groups of t={self.spec.t} channels have no mean: use a whole t")
        return self


def _chosen(spec: ResizeSpec, config: ChannelsConfig) -> guides.Guide:
    """Mean or luma of each group of channels, bicubic in space."""
    return guides.luma(spec, config) if config.guide == "luma" else guides.channel_mean(spec, config)


colorize = Task(
    name="colorize",
    summary="colours hidden in a grey picture of the same size, and brought back",
    config=ColorizeConfig,
    spec=lambda config: ResizeSpec(t=3),
    guide=guides.luma,
    weights=SHIPPED["colorize"],
)

channels = Task(
    name="channels",
    summary="any factors of channels, height and width together, such as a thumbnail in grey",
    config=ChannelsConfig,
    spec=lambda config: config.spec,
    guide=_chosen,
    weights=SHIPPED["channels"],
)


@hookimpl
def resizekit_register_tasks() -> Iterator[Task[Any]]:
    """Offer both."""
    yield colorize
    yield channels
