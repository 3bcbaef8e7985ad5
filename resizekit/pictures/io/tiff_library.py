"""The library tifffile, imported where a file needs it."""

import logging
from types import ModuleType

from resizekit.errors import MissingExtraError

__all__ = ["tifffile"]

_LOG = logging.getLogger("tifffile")


def tifffile() -> ModuleType:
    """Return the module.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import tifffile
    except ImportError:
        raise MissingExtraError(
            "a TIFF of several pages, of more than 8 bits a channel or larger than the memory needs tifffile: "
            'pip install "resizekit[deep]"'
        ) from None
    _LOG.addHandler(logging.NullHandler())  # it logs problems of broken files that it also raises
    return tifffile
