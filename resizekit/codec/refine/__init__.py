"""Refinement: improve the small image of one picture for its decoder."""

from typing import TYPE_CHECKING

from resizekit.system.lazy import lazy_names

if TYPE_CHECKING:
    from resizekit.codec.refine.descent import refine as refine
    from resizekit.codec.refine.effort import Effort as Effort
    from resizekit.codec.refine.pixels import refine_pixels as refine_pixels

_MODULES = {
    "Effort": "resizekit.codec.refine.effort",
    "refine": "resizekit.codec.refine.descent",
    "refine_pixels": "resizekit.codec.refine.pixels",
}

__all__ = sorted(_MODULES)
__getattr__, __dir__ = lazy_names(__name__, _MODULES)
