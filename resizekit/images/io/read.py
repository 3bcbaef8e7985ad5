"""From a file to a `Picture`, or one clear line why not."""

import functools
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image

from resizekit.errors import ImageError, ResizeKitError
from resizekit.images.io.metadata import read_embedded_manifest, read_profile
from resizekit.images.io.npy import is_array, read_array
from resizekit.images.io.orientation import apply_exif_orientation
from resizekit.images.io.tiff import is_tiff, read_tiff
from resizekit.images.limits import check_pixels, limit
from resizekit.images.picture import Picture
from resizekit.images.value_range import ValueRange, check_values_in_range
from resizekit.storage.png16 import decode_png

__all__ = ["check_pixels", "read_picture"]

# What each mode of Pillow's becomes; those that carry transparency get an A.
_MODES = {"1": "L", "L": "L", "LA": "L", "La": "L"} | dict.fromkeys(("P", "PA", "RGB", "RGBA", "RGBa"), "RGB")
_ORIENTATION = 0x0112
_SAMPLES = 277


def read_picture(path: str | Path, value_range: ValueRange | None = None) -> Picture:
    """Decode one still picture of 8 bits a channel, a PNG or TIFF also of 16: orientation applied, palettes spelt out.

    Of arrays (.npy, .npz) and TIFF also cubes of any number of channels, and float32.  `value_range` says what range the
    values have; float32 needs one.  Raises `ImageError`, in one line, for a path that is no file, for a file that is
    empty, truncated or no picture, and for pictures of more pixels than Pillow's limit, of several frames, of more than
    8 bits a channel in other formats or in colours other than grey and RGB; `MissingExtraError` where reading it takes
    an extra.
    """
    path = Path(path)
    picture = _read(path)
    return replace(picture, pixels=check_values_in_range(path, picture.pixels, value_range), value_range=value_range)


def _read(path: Path) -> Picture:
    try:
        head = _head(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            if is_array(path, head):
                return Picture(pixels=read_array(path, head))
            if is_tiff(head) and not _is_plain(path, head):
                return read_tiff(path)
            with PIL.Image.open(path, formats=_formats()) as image:
                return _decode(path, image, head)
    except ResizeKitError:
        raise
    except (PIL.Image.DecompressionBombWarning, PIL.Image.DecompressionBombError):
        raise ImageError(f"{path} has too many pixels: {limit()}") from None
    except PIL.UnidentifiedImageError:
        raise ImageError(f"{path} is no picture that Pillow can read: give a PNG, JPEG, ...") from None
    except Exception as error:  # decoders raise whatever they like over a broken file
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise ImageError(f"{path} cannot be read ({reason}): fetch or export it again") from None


@functools.cache
def _formats() -> list[str]:
    """All of Pillow's formats but those that it hands to another program, as EPS to Ghostscript."""
    PIL.Image.init()
    return [name for name in PIL.Image.OPEN if name not in ("EPS", "WMF")]


def _head(path: Path) -> bytes:
    """The first bytes, where every format says how deep it is; refuses what is no file."""
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
    # the second picture in a phone's MPO is a preview or a depth map; the first is the photograph
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise ImageError(f"{path} holds several frames or pages: export one of them as a picture")
    deep = image.mode[0] in "IF" or _is_deep(image, head)
    if deep and image.format != "PNG":
        raise ImageError(
            f"{path} has more than 8 bits a channel, which only a PNG or a TIFF may have here: "
            "convert it to one of these, or to 8 bits"
        )
    if not deep and image.mode not in _MODES:
        raise ImageError(f"{path} is in {image.mode} colours: convert it to RGB or grey first")
    image.load()  # also of a deep one: what is broken is found in the same way
    note = read_embedded_manifest(image)
    icc = read_profile(image)
    orientation = _orientation(image)
    has_alpha = image.has_transparency_data
    array = decode_png(path.read_bytes()) if deep else np.array(image.convert(_MODES[image.mode] + "A" * has_alpha))
    array = apply_exif_orientation(array.reshape(image.height, image.width, -1), orientation)
    if not has_alpha:
        return Picture(pixels=array, icc=icc, note=note)
    pixels, alpha = array[:, :, :-1].copy(), array[:, :, -1].copy()
    return Picture(pixels=pixels, alpha=alpha, icc=icc, note=note)


def _is_plain(path: Path, head: bytes) -> bool:
    """Tell whether Pillow reads all of a TIFF: one page of 8 bits."""
    try:
        with PIL.Image.open(path, formats=["TIFF"]) as image:
            animated = getattr(image, "is_animated", False)
            # of two grey samples Pillow shows the first alone
            hidden = image.mode == "L" and getattr(image, "tag_v2", {}).get(_SAMPLES, 1) > 1
            return not (animated or hidden or image.mode[0] in "IF" or _is_deep(image, head))
    except PIL.UnidentifiedImageError:
        return False


def _is_deep(image: PIL.Image.Image, head: bytes) -> bool:
    """Tell whether a channel has more than 8 bits in the file: Pillow drops the rest unasked."""
    if image.format == "PNG":
        return head[24] > 8
    if image.format == "TIFF":
        return any(bits > 8 for bits in getattr(image, "tag_v2", {}).get(258, ()))
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
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # broken metadata is no reason to refuse a sound picture
        return 1
