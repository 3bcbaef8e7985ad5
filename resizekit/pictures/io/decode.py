"""Turn an image that Pillow opened into a `Picture`: one frame, with alpha apart, upright, and with its metadata."""

from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image

from resizekit.errors import ImageError
from resizekit.pictures.io.cmyk import cmyk_to_srgb
from resizekit.pictures.io.colours import read_profile
from resizekit.pictures.io.depth import has_deep_channels
from resizekit.pictures.io.frames import (
    Animation,
    check_frame_size,
    check_work,
    choose_frame,
    no_such_frame,
    several_frames,
)
from resizekit.pictures.io.gif_frames import gif_animation
from resizekit.pictures.io.metadata import XMP_KEYWORD, read_embedded_manifest
from resizekit.pictures.io.opening import check_size, too_deep
from resizekit.pictures.io.orientation import apply_exif_orientation
from resizekit.pictures.io.png_chunks import PngChunks
from resizekit.pictures.io.source import Source
from resizekit.pictures.io.webp_frames import webp_animation
from resizekit.pictures.manifest import KEYWORD
from resizekit.pictures.metadata import describing_metadata, load_exif
from resizekit.pictures.picture import Picture
from resizekit.spec import HW
from resizekit.storage.formats import Pixels
from resizekit.storage.png16 import decode_png
from resizekit.system.printable import escaped
from resizekit.system.scratch import bands, check_memory, contiguous, empty, release

__all__ = ["MODES", "decode", "expand", "orientation_of", "read_exif", "split_alpha", "turned"]

_ATTRIBUTE_BITS = 0x0F
"""Bits of the descriptor of a TGA, at byte 17, that count the bits of alpha."""
# The mode to convert each of Pillow's modes to; modes with transparency get an A.
MODES = {"1": "L", "L": "L", "LA": "L", "La": "L"} | dict.fromkeys(("P", "PA", "RGB", "RGBA", "RGBa"), "RGB")
_PILLOW_BYTES = 4
"""Bytes of a pixel in Pillow."""
_ORIENTATION, _XMP = 0x0112, 700
_XMP_ENTRIES = frozenset({"xmp", XMP_KEYWORD})
"""Keys under which Pillow keeps XMP."""
_FIRST_IS_THE_PICTURE = frozenset({"MPO", "HEIF"})
"""Formats whose further pictures are previews, depth maps or a burst."""
_PAGES = frozenset({"TIFF"})
"""Formats whose reader has chosen a page already."""


def decode(
    path: Source,
    image: PIL.Image.Image,
    head: bytes,
    *,
    frame: int | None = None,
    chunks: PngChunks | None = None,
    animation: Callable[[], Animation] | None = None,
    strips: Callable[[], tuple[Pixels, Pixels | None]] | None = None,
) -> Picture:
    """Decode a picture that Pillow opened.

    Args:
        path: The file, for error messages.
        image: The picture.
        head: First bytes of the file.
        frame: Number of the frame, from 1; None: the file must not have several.
        chunks: Chunks of a PNG besides its pixels.
        animation: Lists the frames of a PNG.
        strips: Decodes the pixels instead of Pillow: colours `h w c` and alpha `h w`.

    Raises:
        ImageError: The picture is too large, is not supported, or does not have this frame.
    """
    check_size(path, HW.from_wh(image.size))
    if image.format in _PAGES:
        image.info.pop("xmp", None)  # Pillow would turn the pixels by its orientation; the tag is read below
    array: Pixels | None = None
    if _is_animated(image):
        array = _choose_frame(path, image, frame, animation)
    elif frame not in (None, 1) and image.format not in _PAGES:
        assert frame is not None
        raise no_such_frame(path, frame, 1)
    deep = image.mode[0] in "IF" or has_deep_channels(image, head)
    if deep and image.format != "PNG":
        raise too_deep(path)
    if not deep and image.mode not in MODES and image.mode != "CMYK":
        raise ImageError(f"{path} is in {escaped(image.mode, 20)} colours: convert it to RGB or grey first")
    if strips is None and array is None:
        _check_memory(path, image)
        image.load()  # also for 16 bits, so that Pillow finds broken files of every depth
        check_size(path, HW.from_wh(image.size))  # an icon learns its size from the picture inside it
    exif = read_exif(image, chunks)
    manifest = read_embedded_manifest(exif) if chunks is None else chunks.texts.get(KEYWORD)
    icc = None
    if image.mode == "CMYK":
        image = cmyk_to_srgb(path, image)
    else:
        icc = read_profile(image, head, exif, chunks)
    if strips is not None:
        pixels, alpha = strips()
    elif array is not None:
        pixels, alpha = split_alpha(array)
    elif deep and chunks is not None:
        pixels, alpha = split_alpha(decode_png(chunks.pixels))
    else:
        has_attributes = image.format != "TGA" or head[17] & _ATTRIBUTE_BITS
        pixels, alpha = expand(image, has_alpha=bool(image.has_transparency_data and has_attributes))
    pixels, alpha = turned(pixels, alpha, orientation_of(image, exif))
    xmp, dpi = _xmp_and_dpi(image, chunks)
    metadata = describing_metadata(exif, xmp, dpi, user_comment=manifest is None)
    return Picture(pixels=pixels, alpha=alpha, icc=icc, metadata=metadata, embedded_manifest=manifest)


def _check_memory(path: Source, image: PIL.Image.Image) -> None:
    count = image.width * image.height * (_PILLOW_BYTES + len(image.getbands()))
    check_memory(count, f"{path} is decoded in one piece: make a plain PNG, JPEG or TIFF of it, or scale it down")


def expand(image: PIL.Image.Image, *, has_alpha: bool) -> tuple[Pixels, Pixels | None]:
    """Return the pixels of a loaded image of 8 bits as grey or RGB, `h w c`, and alpha if requested, `h w`.

    They are copied band by band, since Pillow has four bytes per pixel, and makes copies of its own.
    """
    mode = MODES[image.mode]
    size, channels = (image.height, image.width), len(mode)
    pixels: Pixels = empty((*size, channels), np.uint8)
    alpha: Pixels | None = empty(size, np.uint8) if has_alpha else None
    for rows in bands(pixels.shape):
        band = image.crop((0, rows.start, image.width, rows.stop)).convert(mode + "A" * has_alpha)
        part = np.asarray(band).reshape(-1, image.width, channels + has_alpha)
        pixels[rows] = part[:, :, :channels]
        if alpha is not None:
            alpha[rows] = part[:, :, -1]
        release(pixels, alpha)
    return pixels, alpha


def split_alpha(array: Pixels) -> tuple[Pixels, Pixels | None]:
    """Return the colours of an array, `h w c`, and its alpha, `h w`: the last of two or four channels."""
    array = array[:, :, None] if array.ndim == 2 else array
    if array.shape[2] in (2, 4):
        return contiguous(array[:, :, :-1]), contiguous(array[:, :, -1])
    return array, None


def turned(pixels: Pixels, alpha: Pixels | None, orientation: int) -> tuple[Pixels, Pixels | None]:
    """Turn colours and alpha upright."""
    turned_alpha = None if alpha is None else apply_exif_orientation(alpha, orientation)
    return apply_exif_orientation(pixels, orientation), turned_alpha


def _is_animated(image: PIL.Image.Image) -> bool:
    is_animated = bool(getattr(image, "is_animated", False))
    return is_animated and image.format not in _FIRST_IS_THE_PICTURE and image.format not in _PAGES


def _choose_frame(
    path: Source, image: PIL.Image.Image, frame: int | None, animation: Callable[[], Animation] | None
) -> Pixels | None:
    """Compose a frame; None for a format whose frames are complete pictures, where the image is then at this frame.

    Raises:
        ImageError: No frame is chosen, the file does not have it, or frames of the format are not read.
    """
    size = HW.from_wh(image.size)
    if animation is None and image.format == "GIF":
        animation = _lazily(gif_animation, path)
    elif animation is None and image.format == "WEBP":
        animation = _lazily(webp_animation, path, size)
    if frame is None or (animation is None and image.format != "AVIF"):
        raise several_frames(path, can_choose=animation is not None or image.format == "AVIF")
    if animation is not None:
        return choose_frame(path, animation(), frame)
    count: int = getattr(image, "n_frames", 1)
    if frame > count:
        raise no_such_frame(path, frame, count)
    check_frame_size(path, size)
    check_work(path, frame * size.h * size.w)  # each frame may be predicted from those before it
    image.seek(frame - 1)
    return None


def _lazily(list_frames: Callable[..., Animation], path: Source, *more: object) -> Callable[[], Animation]:
    return lambda: list_frames(path.read_bytes(), *more)


def read_exif(image: PIL.Image.Image, chunks: PngChunks | None) -> PIL.Image.Exif:
    """Return the EXIF tags of an image; broken metadata counts as none."""
    if chunks is not None:
        return load_exif(chunks.exif)
    try:
        return image.getexif()
    except Exception:  # not a reason to refuse an intact picture
        return PIL.Image.Exif()


def _xmp_and_dpi(image: PIL.Image.Image, chunks: PngChunks | None) -> tuple[object, object]:
    if chunks is None:
        tags: Any = getattr(image, "tag_v2", {})
        return image.info.get("xmp") or tags.get(_XMP), image.info.get("dpi")
    return chunks.texts.get(XMP_KEYWORD), chunks.dpi


def orientation_of(image: PIL.Image.Image, exif: PIL.Image.Exif) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if the decoder has turned the image already."""
    if image.format == "JXL" and not getattr(image, "jpeg", False):
        return 1  # its decoder has turned the picture already, except for a JPEG that is stored in the file
    if image.format == "HEIF":
        return 1  # as above
    try:
        return 1 if _is_from_xmp(image) else int(exif.get(_ORIENTATION, 1))
    except Exception:  # broken metadata is not a reason to refuse an intact picture
        return 1


def _is_from_xmp(image: PIL.Image.Image) -> bool:
    """Return whether Pillow took the orientation from XMP, which browsers do not: EXIF has none."""
    if not _XMP_ENTRIES & image.info.keys() or _ORIENTATION in getattr(image, "tag_v2", {}):
        return False
    without_xmp = PIL.Image.Image()
    without_xmp.info = {key: value for key, value in image.info.items() if key not in _XMP_ENTRIES}
    return _ORIENTATION not in without_xmp.getexif()
