"""The weights packaged with the task `sr`, stored in the folder weights/."""

from importlib.resources import files

from resizekit import weights_from_folder

__all__ = ["ELSEWHERE", "NAMES", "WEIGHTS"]

NAMES = (
    "sr-x2", "sr-x2-y", "sr-x2-fast", "sr-x2-best", "sr-x2-small", "sr-x4", "sr-x4-fast", "sr-x4-small",
    "sr-x4-y", "sr-x2-jpeg75", "sr-x2-jpeg", "sr-x2-avif", "sr-x2-webp",
)  # fmt: skip
"""All names in order of preference: the first that fits an image is the default. Names without files are skipped."""

WEIGHTS = weights_from_folder(files("resizekit_sr") / "weights", NAMES)

ELSEWHERE = dict.fromkeys(
    ("tad-x2", "tad-x2-y", "tad-x4", "tad-x4-y"), "install resizekit-weights-paper with pip install ./weights/paper"
)
"""Weights that another distribution offers, and how to install it."""
