"""The weights packaged with the tasks `colorize` and `channels`, stored in the folder weights/."""

from importlib.resources import files

from resizekit import weights_from_folder

__all__ = ["ELSEWHERE", "NAMES", "WEIGHTS"]

_NAMES_BY_TASK = {
    "colorize": ("colorize",),
    "channels": ("thumb-grey-x2",),
}

NAMES = tuple(name for names in _NAMES_BY_TASK.values() for name in names)
"""All names in order of preference: the first of each task is its default. Names without files are skipped."""

WEIGHTS = {
    task: weights_from_folder(files("resizekit_colorize") / "weights", names) for task, names in _NAMES_BY_TASK.items()
}
"""The weights of each task by name."""

ELSEWHERE = dict.fromkeys(
    ("tad-colorize", "tad-grey"), "install resizekit-weights-paper with pip install ./weights/paper"
)
"""Weights for `colorize` that another distribution offers, and how to install it."""
