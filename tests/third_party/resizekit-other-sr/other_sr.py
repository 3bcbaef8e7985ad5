"""Offer a task under a name that another distribution has, and an innocent one beside it."""

from resizekit import ResizeSpec, Task, TaskConfig, guides, hookimpl


def task(name: str) -> Task[TaskConfig]:
    return Task(
        name=name,
        summary="not the one you know",
        config=TaskConfig,
        spec=lambda config: ResizeSpec(s=3, r=3),
        guide=guides.lanczos,
    )


@hookimpl
def resizekit_register_tasks():
    yield task("innocent")
    yield task("sr")
