"""Register a task under the name of another distribution's task, and one under a free name."""

from resizekit import ResizeSpec, Task, TaskConfig, guides, hookimpl


def task(name: str) -> Task[TaskConfig]:
    return Task(
        name=name,
        summary="not the task of resizekit",
        config=TaskConfig,
        spec=lambda config: ResizeSpec(s=3, r=3),
        guide=guides.lanczos,
    )


@hookimpl
def resizekit_register_tasks():
    yield task("free-name")
    yield task("sr")
