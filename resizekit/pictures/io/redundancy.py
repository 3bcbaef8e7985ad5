"""Leave out what a picture does not need."""

from dataclasses import replace

from resizekit.pictures.io.icc import fitting_profile
from resizekit.pictures.picture import Picture
from resizekit.storage.formats import peak
from resizekit.system.scratch import smallest

__all__ = ["without_redundancy"]


def without_redundancy(picture: Picture) -> Picture:
    """Leave out an alpha that is opaque everywhere, and a profile for other colours than those of the pixels."""
    alpha = picture.alpha
    if alpha is not None and smallest(alpha) == peak(alpha):
        alpha = None
    return replace(picture, alpha=alpha, icc=fitting_profile(picture.icc, picture.pixels.shape[2]))
