"""The weights in the folder weights/, for the tasks `sr` and `colorize` of resizekit's own plugins."""

from collections.abc import Iterator
from importlib.resources import files

from resizekit import TaskWeights, hookimpl, weights_from_folder

__all__ = ["NAMES", "WEIGHTS"]

_NAMES_BY_TASK = {
    "sr": ("tad-x2", "tad-x2-y", "tad-x4", "tad-x4-y"),
    "colorize": ("tad-colorize", "tad-grey"),
}

NAMES = tuple(name for names in _NAMES_BY_TASK.values() for name in names)
"""All names, in the order in which a task lists them after its own weights."""

WEIGHTS = {
    task: weights_from_folder(files("resizekit_weights_paper") / "weights", names)
    for task, names in _NAMES_BY_TASK.items()
}
"""The weights for each task by name."""


@hookimpl
def resizekit_register_weights() -> Iterator[TaskWeights]:
    """Offer the weights of both tasks."""
    for task, weights in WEIGHTS.items():
        yield TaskWeights(task=task, weights=weights)
