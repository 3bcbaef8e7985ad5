"""Halve the width only, keep it watchable: ResizeSpec(r=2)."""

from resizekit import ResizeSpec, Task, TaskConfig, guides, hookimpl

half_width = Task(
    name="half-width",
    summary="width halved, height and colour kept",
    config=TaskConfig,
    spec=lambda config: ResizeSpec(r=2),
    guide=guides.bicubic,
)


@hookimpl
def resizekit_register_tasks():
    yield half_width
