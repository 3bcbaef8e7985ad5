"""Decode a file to a `Picture`, or raise an error of one line."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from resizekit.codec.convert import peak
from resizekit.errors import ImageError, ResizeKitError
from resizekit.images.io.cmyk import cmyk_to_srgb
from resizekit.images.io.colours import read_profile
from resizekit.images.io.heif import is_heif, register_heif
from resizekit.images.io.icc import fitting_profile
from resizekit.images.io.metadata import XMP_KEYWORD, read_embedded_manifest
from resizekit.images.io.npy import is_array, read_array
from resizekit.images.io.orientation import apply_exif_orientation
from resizekit.images.io.png_chunks import PngChunks, is_png, read_png_chunks
from resizekit.images.io.quiet import library_warnings_ignored
from resizekit.images.io.tiff import is_tiff, read_tiff
from resizekit.images.limits import check_pixels, exceeds_limit, limit_message
from resizekit.images.manifest import KEYWORD
from resizekit.images.metadata import describing_metadata
from resizekit.images.picture import Picture
from resizekit.images.value_range import ValueRange, check_values_in_range
from resizekit.spec import HW
from resizekit.storage.jxl import register_jxl
from resizekit.storage.jxl_header import is_jxl, read_jxl_header
from resizekit.storage.png16 import decode_png
from resizekit.system.printable import escaped

__all__ = ["read_picture"]

_PNG_HEADER = 26
"""Bytes of a PNG to the end of its size and depth."""
_ATTRIBUTE_BITS = 0x0F
"""Bits of the descriptor of a TGA, at byte 17, that count the bits of alpha."""
# The mode to convert each of Pillow's modes to; modes with transparency get an A.
_MODES = {"1": "L", "L": "L", "LA": "L", "La": "L"} | dict.fromkeys(("P", "PA", "RGB", "RGBA", "RGBa"), "RGB")
_ORIENTATION = 0x0112
_BITS_PER_SAMPLE, _SAMPLES_PER_PIXEL, _EXTRA_SAMPLES, _XMP = 258, 277, 338, 700


def read_picture(path: str | Path, value_range: ValueRange | None = None, *, as_stored: bool = False) -> Picture:
    """Decode one still picture: orientation applied, palettes expanded.

    Reads 8 bits per channel from every format of Pillow, 16 bits from PNG and TIFF, and cubes of any number of channels
    and float32 from TIFF, .npy and .npz. Safe to call from several threads; they read one after another.

    Args:
        path: The file; its content decides the format, not its name.
        value_range: Lowest and highest possible value; float32 pictures need it.
        as_stored: Keep an alpha that is opaque everywhere, and a profile for other colours than those of the pixels, as
            for a small image with a manifest.

    Raises:
        ImageError: The path is not a file, or the file is empty, truncated, not a picture, or a picture that is not
            supported: more pixels than Pillow's limit, several frames, or colours without a conversion to RGB.
        MissingExtraError: Reading the file needs an optional dependency.
    """
    path = Path(path)
    picture = _read(path)
    if picture.embedded_manifest is None and not as_stored:  # a small image stays as its manifest describes it
        picture = _without_redundancy(picture)
    return replace(picture, pixels=check_values_in_range(path, picture.pixels, value_range), value_range=value_range)


def _without_redundancy(picture: Picture) -> Picture:
    """Leave out an alpha that is opaque everywhere, and a profile for other colours than those of the pixels."""
    alpha = picture.alpha
    if alpha is not None and alpha.min() == peak(alpha):
        alpha = None
    return replace(picture, alpha=alpha, icc=fitting_profile(picture.icc, picture.pixels.shape[2]))


def _read(path: Path) -> Picture:
    try:
        head = _read_head(path)
        with library_warnings_ignored():
            if is_array(path, head):
                return Picture(pixels=read_array(path, head))
            if is_png(head):
                return _read_png(path, head)
            if is_tiff(head) and not _pillow_reads_all(path, head):
                return read_tiff(path)
            if is_jxl(head):
                return _read_jxl(path, head)
            if is_heif(head):
                return _read_heif(path, head)
            with PIL.Image.open(path, formats=_formats()) as image:
                return _decode(path, image, head)
    except ResizeKitError:
        raise
    except PIL.Image.DecompressionBombError:
        raise _too_many_pixels(path) from None
    except PIL.UnidentifiedImageError:
        raise ImageError(f"{path} is not a picture that Pillow can read: give a PNG, JPEG, ...") from None
    except Exception as error:  # decoders raise any exception for a broken file
        reason = escaped(error, 160) or type(error).__name__
        raise ImageError(f"{path} cannot be read ({reason}): fetch or export it again") from None


def _read_png(path: Path, head: bytes) -> Picture:
    """Read a PNG; the chunks besides its pixels do not go through Pillow."""
    if len(head) >= _PNG_HEADER:
        size = HW.from_wh((int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")))
        if exceeds_limit(size):
            raise _too_many_pixels(path)
    chunks = read_png_chunks(path.read_bytes())
    with PIL.Image.open(io.BytesIO(chunks.pixels), formats=["PNG"]) as image:
        if chunks.colour_type == 0 and chunks.bit_depth in (2, 4) and "transparency" in image.info:
            highest = (1 << chunks.bit_depth) - 1  # Pillow scales the pixels to 8 bits, and leaves this value as it is
            image.info["transparency"] = (image.info["transparency"] & highest) * (255 // highest)
        return _decode(path, image, head, chunks)


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


def _read_heif(path: Path, head: bytes) -> Picture:
    """Read the primary picture of a HEIF; the others are previews, depth maps or a burst."""
    register_heif()
    with PIL.Image.open(path, formats=["HEIF"]) as image:
        if image.info.get("bit_depth", 8) > 8:
            raise _deep(path)
        return _decode(path, image, head)


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


def _decode(path: Path, image: PIL.Image.Image, head: bytes, chunks: PngChunks | None = None) -> Picture:
    _check_size(path, image)
    # the second picture in a phone's MPO is a preview or a depth map, the first is the photograph
    if getattr(image, "is_animated", False) and image.format not in ("MPO", "TIFF", "HEIF"):
        raise _several_frames(path)
    deep = image.mode[0] in "IF" or _has_deep_channels(image, head)
    if deep and image.format != "PNG":
        raise _deep(path)
    if not deep and image.mode not in _MODES and image.mode != "CMYK":
        raise ImageError(f"{path} is in {escaped(image.mode, 20)} colours: convert it to RGB or grey first")
    image.load()  # also for 16 bits, so that Pillow finds broken files of every depth
    _check_size(path, image)  # an icon learns its size from the picture inside it
    exif = _exif(image, chunks)
    manifest = read_embedded_manifest(exif) if chunks is None else chunks.texts.get(KEYWORD)
    icc = None
    if image.mode == "CMYK":
        image = cmyk_to_srgb(path, image)
    else:
        icc = read_profile(image, head, exif, chunks)
    has_alpha = image.has_transparency_data and not (image.format == "TGA" and not head[17] & _ATTRIBUTE_BITS)
    if deep and chunks is not None:
        array = decode_png(chunks.pixels)
    else:
        array = np.array(image.convert(_MODES[image.mode] + "A" * has_alpha))
    array = apply_exif_orientation(array.reshape(image.height, image.width, -1), _orientation(image, exif))
    pixels, alpha = (array[:, :, :-1].copy(), array[:, :, -1].copy()) if has_alpha else (array, None)
    xmp, dpi = _xmp_and_dpi(image, chunks)
    metadata = describing_metadata(exif, xmp, dpi, user_comment=manifest is None)
    return Picture(pixels=pixels, alpha=alpha, icc=icc, metadata=metadata, embedded_manifest=manifest)


def _xmp_and_dpi(image: PIL.Image.Image, chunks: PngChunks | None) -> tuple[object, object]:
    if chunks is None:
        tags: Any = getattr(image, "tag_v2", {})
        return image.info.get("xmp") or tags.get(_XMP), image.info.get("dpi")
    return chunks.texts.get(XMP_KEYWORD), chunks.dpi


def _exif(image: PIL.Image.Image, chunks: PngChunks | None) -> PIL.Image.Exif:
    """Return the EXIF tags; broken metadata is not a reason to refuse an intact picture, and counts as none."""
    try:
        if chunks is None:
            return image.getexif()
        exif = PIL.Image.Exif()
        exif.load(chunks.exif)
    except Exception:
        return PIL.Image.Exif()
    return exif


def _pillow_reads_all(path: Path, head: bytes) -> bool:
    """Return whether Pillow reads a TIFF completely: one page of 8 bits."""
    try:
        with PIL.Image.open(path, formats=["TIFF"]) as image:
            _check_size(path, image)
            if getattr(image, "is_animated", False):  # of several pages, tifffile finds the one of full size
                return False
            tags: Any = getattr(image, "tag_v2", {})
            # Pillow drops samples that it has no mode for, and an extra sample of an unknown kind is not alpha
            bands = 1 if image.mode == "P" else len(image.getbands())
            hidden = tags.get(_SAMPLES_PER_PIXEL, 1) != bands or 0 in tags.get(_EXTRA_SAMPLES, ())
            return not (hidden or image.mode[0] in "IF" or _has_deep_channels(image, head))
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


def _orientation(image: PIL.Image.Image, exif: PIL.Image.Exif) -> int:
    if image.format == "JXL" and not getattr(image, "jpeg", False):
        return 1  # its decoder has turned the picture already, except for a JPEG that is stored in the file
    if image.format == "HEIF":
        return 1  # as above
    try:
        return int(exif.get(_ORIENTATION, 1))
    except Exception:  # as above: reading a tag may fail as well
        return 1
