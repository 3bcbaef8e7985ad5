"""PIL images in memory: what their pixels mean, as for a file."""

from typing import Any

import numpy as np
import PIL.Image

from resizekit.errors import ImageError
from resizekit.pictures.io.cmyk import cmyk_to_srgb
from resizekit.pictures.io.decode import MODES, expand, orientation_of, read_exif, turned
from resizekit.pictures.io.metadata import read_embedded_manifest
from resizekit.pictures.io.opening import reading
from resizekit.pictures.io.redundancy import without_redundancy
from resizekit.pictures.manifest import KEYWORD
from resizekit.pictures.picture import Picture

__all__ = ["picture_from_pil", "picture_to_pil"]


def picture_from_pil(image: PIL.Image.Image, *, as_stored: bool = False) -> Picture:
    """Convert a PIL image of any mode of 8 bits: upright, alpha apart, CMYK to sRGB.

    Args:
        image: The image; of an animation, its current frame.
        as_stored: As for `read_picture`: keep what the manifest of a small image describes, and the manifest.

    Raises:
        ImageError: The image is empty, its file cannot be read any more, it has more than 8 bits per channel, or
            colours without a conversion to RGB.

    Examples:
        >>> picture_from_pil(PIL.Image.new("RGBA", (6, 4), (1, 2, 3, 0))).mode
        'RGBA'
    """
    if 0 in image.size:
        raise ImageError(f"invalid PIL image of {image.width}x{image.height} pixels: expected at least 1x1")
    if image.mode not in MODES and image.mode != "CMYK":
        advice = "pass an array of uint16, or use down_file" if image.mode[0] in "IF" else "use image.convert('RGB')"
        raise ImageError(f"invalid PIL image of mode {image.mode!r}: expected 8 bits, grey or RGB; {advice}")
    with reading("this image"):  # Pillow reads the file of an image when its pixels are used
        image.load()
    exif = read_exif(image, None)
    icc: bytes | None = None if image.mode == "CMYK" else image.info.get("icc_profile") or None
    if image.mode == "CMYK":
        image = cmyk_to_srgb("this image", image)
    has_alpha = image.has_transparency_data
    pixels, alpha = turned(*expand(image, has_alpha=has_alpha), orientation_of(image, exif))
    if not as_stored:
        return without_redundancy(Picture(pixels=pixels, alpha=alpha, icc=icc))
    # Pillow keeps the text of a PNG in `info`, also when the pixels change
    text = image.info.get(KEYWORD)
    manifest = str(text) if isinstance(text, str) else read_embedded_manifest(exif)
    return Picture(pixels=pixels, alpha=alpha, icc=icc, embedded_manifest=manifest)


def picture_to_pil(picture: Picture, **info: Any) -> PIL.Image.Image:
    """Convert a picture of 8 bits, grey or RGB, to a PIL image with its profile.

    Args:
        picture: The picture.
        info: Entries for the `info` of the image.

    Raises:
        ImageError: A PIL image cannot hold the pixels.
    """
    pixels = picture.pixels if picture.alpha is None else np.dstack((picture.pixels, picture.alpha))
    if pixels.dtype != np.uint8 or picture.mode == "CUBE":
        kind = f"{picture.pixels.shape[2]} channels of {pixels.dtype}"
        raise ImageError(f"a PIL image cannot hold {kind}: pass an array or a tensor, or use down_file and up_file")
    image = PIL.Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))
    if picture.icc is not None:
        image.info["icc_profile"] = picture.icc  # Pillow writes it when the image is saved
    image.info.update(info)
    return image
