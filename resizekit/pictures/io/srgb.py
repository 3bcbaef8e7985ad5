"""Recognize profiles that mean sRGB, which a file without a profile means too."""

import functools
import io

import numpy as np
import PIL.Image

__all__ = ["is_srgb"]

_STEPS = 9
"""Values per channel of the colours that are compared."""
_LARGEST = 2
"""Difference in 8-bit values that rounding inside LittleCMS explains."""


@functools.lru_cache(maxsize=16)
def is_srgb(profile: bytes) -> bool:
    """Return whether an ICC profile gives every colour the meaning that it has in sRGB, within rounding.

    Args:
        profile: An ICC profile of any kind; a broken one is not sRGB.

    Examples:
        >>> from PIL import ImageCms
        >>> is_srgb(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
        True
    """
    from PIL import ImageCms

    values = np.linspace(0, 255, _STEPS).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(values, values, values), axis=-1).reshape(1, -1, 3)
    try:
        shown = ImageCms.profileToProfile(
            PIL.Image.fromarray(colours),
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
        )
    except (OSError, ValueError, ImageCms.PyCMSError):
        return False
    return bool(np.abs(np.asarray(shown, int) - colours).max() <= _LARGEST)
