"""The weights packaged with the task `extreme`, stored in the folder weights/."""

from importlib.resources import files

from resizekit import weights_from_folder

__all__ = ["NAMES", "WEIGHTS"]

NAMES = ("extreme",)
"""All names in order of preference. Names without files are skipped."""

WEIGHTS = weights_from_folder(files("resizekit_extreme") / "weights", NAMES)
