"""The weights that come with `colorize` and `channels`, which lie in weights/."""

from importlib.resources import files

from resizekit import weights_from_folder

__all__ = ["ORDER", "SHIPPED"]

_OF = {
    "colorize": ("colorize", "tad-colorize", "tad-grey"),
    "channels": ("thumb-grey-x2",),
}

ORDER = tuple(name for names in _OF.values() for name in names)
"""All names there may be; the first of each task is its default, and one without files is left out."""

SHIPPED = {task: weights_from_folder(files("resizekit_colorize") / "weights", names) for task, names in _OF.items()}
"""By task."""
