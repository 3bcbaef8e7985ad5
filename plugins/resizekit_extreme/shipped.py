"""The weights that come with `extreme`, which lie in weights/."""

from importlib.resources import files

from resizekit import weights_from_folder

__all__ = ["ORDER", "SHIPPED"]

ORDER = ("extreme",)
"""All names there may be; one without files is left out."""

SHIPPED = weights_from_folder(files("resizekit_extreme") / "weights", ORDER)
