"""The task `sr`: any spatial factors, bicubic guide, the encoder adding to it; RGB or a single channel."""

from collections.abc import Iterator
from importlib.resources import files

from pydantic import Field

from resizekit import ResizeSpec, Task, TaskConfig, guides, hookimpl


class SrConfig(TaskConfig):
    """What users of `sr` may say."""

    spec: ResizeSpec = Field(ResizeSpec(s=2, r=2), description="factors of height and width")


_HERE = files("resizekit_sr") / "weights"

sr = Task(
    name="sr",
    summary="height and width made smaller, restored by a jointly trained network",
    config=SrConfig,
    spec=lambda config: config.spec,
    guide=guides.bicubic,
    weights={},
)


@hookimpl
def resizekit_register_tasks() -> Iterator[Task[SrConfig]]:
    """Offer the one task."""
    yield sr
