"""The tasks `colorize`, which stores RGB in grey, and `channels`, which resizes channels, height and width."""

from collections.abc import Iterator
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from resizekit import ResizeSpec, Task, TaskConfig, guides, hookimpl
from resizekit_colorize.packaged import ELSEWHERE, WEIGHTS


class ColorizeConfig(TaskConfig):
    """Config of the task `colorize`. The defaults are the paper's (4.3)."""

    channels: int = Field(1, ge=1, le=1, description="channels of the low image: 1, grey")
    compression: str = Field("round", description="name of an installed compression: how the low image is stored")
    guide_weight: float = Field(5.0, ge=0, description="weight of the guide term (lambda in Eq. 4)")


class ChannelsConfig(TaskConfig):
    """Config of the task `channels`."""

    spec: ResizeSpec = Field(ResizeSpec(s=2, r=2, t=3), description="factors of height, width and channels")
    channels: int = Field(1, ge=1, le=4096, description="channels of the low image")
    guide: Literal["mean", "luma"] = Field("mean", description="mean of each group of channels, or luma of RGB (t=3)")

    @model_validator(mode="after")
    def _check_guide(self) -> Self:
        if self.guide == "luma" and self.spec.t != 3:
            raise ValueError(f"guide 'luma' needs RGB (t=3), got t={self.spec.t}: use 'mean'")
        if self.spec.t.denominator != 1:
            raise ValueError(f"invalid t={self.spec.t}: expected an integer, the number of channels in a group")
        return self


def _guide(spec: ResizeSpec, config: ChannelsConfig) -> guides.Guide:
    """Return the mean or the luma of each group of channels, bicubic in height and width."""
    return guides.luma(spec, config) if config.guide == "luma" else guides.channel_mean(spec, config)


colorize = Task(
    name="colorize",
    summary="colours hidden in a grey image of the same size, then restored",
    config=ColorizeConfig,
    spec=lambda config: ResizeSpec(t=3),
    guide=guides.luma,
    weights=WEIGHTS["colorize"],
    weights_elsewhere=ELSEWHERE,
)

channels = Task(
    name="channels",
    summary="any factors of channels, height and width together, such as a grey thumbnail",
    config=ChannelsConfig,
    spec=lambda config: config.spec,
    guide=_guide,
    weights=WEIGHTS["channels"],
)


@hookimpl
def resizekit_register_tasks() -> Iterator[Task[Any]]:
    """Register the tasks `colorize` and `channels`."""
    yield colorize
    yield channels
