"""The task `sr`: any spatial factors, bicubic guide, the encoder adding to it; RGB or a single channel."""

from collections.abc import Iterator

from pydantic import Field

from resizekit import ResizeSpec, Task, TaskConfig, guides, hookimpl
from resizekit_sr.shipped import SHIPPED


class SrConfig(TaskConfig):
    """What users of `sr` may say."""

    spec: ResizeSpec = Field(ResizeSpec(s=2, r=2), description="factors of height and width")


sr = Task(
    name="sr",
    summary="height and width made smaller, restored by a jointly trained network",
    config=SrConfig,
    spec=lambda config: config.spec,
    guide=guides.bicubic,
    weights=SHIPPED,
)


@hookimpl
def resizekit_register_tasks() -> Iterator[Task[SrConfig]]:
    """Offer the one task."""
    yield sr
