"""The weights that come with `sr`, which lie in weights/."""

from importlib.resources import files

from resizekit import weights_from_folder

__all__ = ["ORDER", "SHIPPED"]

ORDER = (
    "sr-x2", "sr-x2-y", "sr-x2-fast", "sr-x2-best", "sr-x4", "sr-x4-fast", "sr-x4-y", "tad-x2", "tad-x2-y", "tad-x4",
    "tad-x4-y", "sr-x2-jpeg75",
)  # fmt: skip
"""All names there may be; the first that fits a picture is the default, and one without files is left out."""

SHIPPED = weights_from_folder(files("resizekit_sr") / "weights", ORDER)
