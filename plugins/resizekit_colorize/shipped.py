"""The weights that come with `colorize` and `channels`, which lie in weights/."""

from importlib.resources import files

from resizekit import shipped_weights

__all__ = ["ORDER", "SHIPPED"]

ORDER = ("colorize",)
"""All names there may be; one without files is left out."""

SHIPPED = shipped_weights(files("resizekit_colorize") / "weights", ORDER)
