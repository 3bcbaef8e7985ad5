"""Convert CMYK pictures to sRGB with their profile, by LittleCMS."""

import io

import PIL.Image

from resizekit.errors import ImageError
from resizekit.system.printable import escaped

__all__ = ["cmyk_to_srgb"]


def cmyk_to_srgb(path: object, image: PIL.Image.Image) -> PIL.Image.Image:
    """Convert a CMYK image to sRGB, relative colorimetric with black point compensation.

    Args:
        path: The file, for the error message.
        image: The image, with its profile.

    Raises:
        ImageError: If it has no usable profile: without one, nothing says how its inks look.
    """
    profile = image.info.get("icc_profile")
    if not profile:
        raise ImageError(f"{path} is in CMYK colours without a profile: convert it to RGB first")
    from PIL import ImageCms

    try:
        converted = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (OSError, ImageCms.PyCMSError) as error:
        reason = escaped(error, 160)
        raise ImageError(f"{path} has a CMYK profile that cannot be used ({reason}): convert it to RGB first") from None
    assert converted is not None, "profileToProfile returns None only if it converts in place"
    return converted
