"""Decode a file to a `Picture`, or raise an error of one line."""

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image

from resizekit.errors import ImageError, ResizeKitError
from resizekit.images.io.metadata import read_embedded_manifest, read_profile
from resizekit.images.io.npy import is_array, read_array
from resizekit.images.io.orientation import apply_exif_orientation
from resizekit.images.io.quiet import library_warnings_ignored
from resizekit.images.io.tiff import is_tiff, read_tiff
from resizekit.images.limits import check_pixels, exceeds_limit, limit_message
from resizekit.images.picture import Picture
from resizekit.images.value_range import ValueRange, check_values_in_range
from resizekit.spec import HW
from resizekit.storage.jxl import register_jxl
from resizekit.storage.jxl_header import is_jxl, read_jxl_header
from resizekit.storage.png16 import decode_png

__all__ = ["read_picture"]

# The mode to convert each of Pillow's modes to; modes with transparency get an A.
_MODES = {"1": "L", "L": "L", "LA": "L", "La": "L"} | dict.fromkeys(("P", "PA", "RGB", "RGBA", "RGBa"), "RGB")
_ORIENTATION = 0x0112
_BITS_PER_SAMPLE, _SAMPLES_PER_PIXEL = 258, 277


def read_picture(path: str | Path, value_range: ValueRange | None = None) -> Picture:
    """Decode one still picture: orientation applied, palettes expanded.

    Reads 8 bits per channel from every format of Pillow, 16 bits from PNG and TIFF, and cubes of any number of channels
    and float32 from TIFF, .npy and .npz. Safe to call from several threads; they read one after another.

    Args:
        path: The file; its content decides the format, not its name.
        value_range: Lowest and highest possible value; float32 pictures need it.

    Raises:
        ImageError: The path is not a file, or the file is empty, truncated, not a picture, or a picture that is not
            supported: more pixels than Pillow's limit, several frames, or other colours than grey and RGB.
        MissingExtraError: Reading the file needs an optional dependency.
    """
    path = Path(path)
    picture = _read(path)
    return replace(picture, pixels=check_values_in_range(path, picture.pixels, value_range), value_range=value_range)


def _read(path: Path) -> Picture:
    try:
        head = _read_head(path)
        with library_warnings_ignored():
            if is_array(path, head):
                return Picture(pixels=read_array(path, head))
            if is_tiff(head) and not _pillow_reads_all(path, head):
                return read_tiff(path)
            if is_jxl(head):
                return _read_jxl(path, head)
            with PIL.Image.open(path, formats=_formats()) as image:
                return _decode(path, image, head)
    except ResizeKitError:
        raise
    except PIL.Image.DecompressionBombError:
        raise _too_many_pixels(path) from None
    except PIL.UnidentifiedImageError:
        raise ImageError(f"{path} is not a picture that Pillow can read: give a PNG, JPEG, ...") from None
    except Exception as error:  # decoders raise any exception for a broken file
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise ImageError(f"{path} cannot be read ({reason}): fetch or export it again") from None


def _read_jxl(path: Path, head: bytes) -> Picture:
    """Read a JPEG XL; its header is checked first, since Pillow's plugin decodes the file when it is opened."""
    register_jxl()
    with path.open("rb") as file:
        header = read_jxl_header(file)
    check_pixels(path, header.size)
    if header.is_animated:
        raise _several_frames(path)
    if header.is_deep:
        raise _deep(path)
    if header.has_other_channels:
        raise ImageError(f"{path} has channels besides colour and transparency: save it without them")
    with PIL.Image.open(path, formats=["JXL"]) as image:
        picture = _decode(path, image, head)
    return replace(picture, icc=None) if header.is_srgb else picture  # the decoder invents a profile for sRGB


def _several_frames(path: Path) -> ImageError:
    return ImageError(f"{path} holds several frames or pages: export one of them as a picture")


def _deep(path: Path) -> ImageError:
    return ImageError(
        f"{path} has more than 8 bits a channel, which is supported in PNG and TIFF only: "
        "convert it to one of these, or to 8 bits"
    )


def _too_many_pixels(path: Path) -> ImageError:
    return ImageError(f"{path} has too many pixels: {limit_message()}")


def _check_size(path: Path, image: PIL.Image.Image) -> None:
    """Refuse sizes between Pillow's limit and twice the limit, for which Pillow only warns."""
    if exceeds_limit(HW.from_wh(image.size)):
        raise _too_many_pixels(path)


@functools.cache
def _formats() -> list[str]:
    """List all of Pillow's formats except those that run another program, such as Ghostscript for EPS."""
    PIL.Image.init()
    return [name for name in PIL.Image.OPEN if name not in ("EPS", "WMF")]


def _read_head(path: Path) -> bytes:
    """Read the first bytes, in which every format declares its depth; refuse paths that are not files."""
    if path.is_dir():
        raise ImageError(f"{path} is a folder: name a picture in it")
    if not path.exists():
        raise ImageError(f"{path} does not exist: check the path")
    if not path.is_file():
        raise ImageError(f"{path} is a device or pipe: give a picture file")
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise ImageError(f"{path} is empty: fetch or export it again")
    return head


def _decode(path: Path, image: PIL.Image.Image, head: bytes) -> Picture:
    _check_size(path, image)
    # the second picture in a phone's MPO is a preview or a depth map, the first is the photograph
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise _several_frames(path)
    deep = image.mode[0] in "IF" or _has_deep_channels(image, head)
    if deep and image.format != "PNG":
        raise _deep(path)
    if not deep and image.mode not in _MODES:
        raise ImageError(f"{path} is in {image.mode} colours: convert it to RGB or grey first")
    image.load()  # also for 16 bits, so that Pillow finds broken files of every depth
    _check_size(path, image)  # an icon learns its size from the picture inside it
    manifest = read_embedded_manifest(image)
    icc = read_profile(image)
    orientation = _orientation(image)
    has_alpha = image.has_transparency_data
    array = decode_png(path.read_bytes()) if deep else np.array(image.convert(_MODES[image.mode] + "A" * has_alpha))
    array = apply_exif_orientation(array.reshape(image.height, image.width, -1), orientation)
    if not has_alpha:
        return Picture(pixels=array, icc=icc, embedded_manifest=manifest)
    pixels, alpha = array[:, :, :-1].copy(), array[:, :, -1].copy()
    return Picture(pixels=pixels, alpha=alpha, icc=icc, embedded_manifest=manifest)


def _pillow_reads_all(path: Path, head: bytes) -> bool:
    """Return whether Pillow reads a TIFF completely: one page of 8 bits."""
    try:
        with PIL.Image.open(path, formats=["TIFF"]) as image:
            _check_size(path, image)
            animated = getattr(image, "is_animated", False)
            # of two grey samples, Pillow reads the first only
            hidden = image.mode == "L" and getattr(image, "tag_v2", {}).get(_SAMPLES_PER_PIXEL, 1) > 1
            return not (animated or hidden or image.mode[0] in "IF" or _has_deep_channels(image, head))
    except PIL.UnidentifiedImageError:
        return False


def _has_deep_channels(image: PIL.Image.Image, head: bytes) -> bool:
    """Return whether a channel has more than 8 bits in the file: Pillow drops the rest without a warning."""
    if image.format == "PNG":
        return head[24] > 8
    if image.format == "TIFF":
        return any(bits > 8 for bits in getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, ()))
    if image.format == "JPEG2000":  # Ssiz of the first component, in the SIZ marker
        at = head.find(b"\xff\x4f\xff\x51")
        return at >= 0 and (head[at + 42] & 0x7F) + 1 > 8
    if image.format == "AVIF":  # high_bitdepth in the AV1 configuration box
        at = head.find(b"av1C")
        return at >= 0 and bool(head[at + 6] & 0x40)
    tiles = getattr(image, "tile", [])
    if image.format == "PPM":
        return any(isinstance(arg, int) and arg > 255 for tile in tiles for arg in tile[3])
    return ";16" in str(tiles)


def _orientation(image: PIL.Image.Image) -> int:
    if image.format == "JXL" and not getattr(image, "jpeg", False):
        return 1  # its decoder has turned the picture already, except for a JPEG that is stored in the file
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # broken metadata is not a reason to refuse an intact picture
        return 1
