"""Halve the width of a picture."""

from resizekit import ResizeSpec, Task, TaskConfig, guides, hookimpl

half_width = Task(
    name="half-width",
    summary="half the width, same height and colours",
    config=TaskConfig,
    spec=lambda config: ResizeSpec(r=2),
    guide=guides.bicubic,
)


@hookimpl
def resizekit_register_tasks():
    yield half_width
