"""The task `sr`: resize height and width by any factors, for RGB images or a single channel.

The guide is bicubic downscaling, and the encoder's output is added to it.
"""

from collections.abc import Iterator

from pydantic import Field

from resizekit import ResizeSpec, Task, TaskConfig, guides, hookimpl
from resizekit_sr.packaged import ELSEWHERE, WEIGHTS


class SrConfig(TaskConfig):
    """Config of the task `sr`."""

    spec: ResizeSpec = Field(ResizeSpec(s=2, r=2), description="factors of height and width")


sr = Task(
    name="sr",
    summary="smaller height and width, restored by a jointly trained network",
    config=SrConfig,
    spec=lambda config: config.spec,
    guide=guides.bicubic,
    weights=WEIGHTS,
    weights_elsewhere=ELSEWHERE,
)


@hookimpl
def resizekit_register_tasks() -> Iterator[Task[SrConfig]]:
    """Register the task `sr`."""
    yield sr
