"""What the colours of a file mean, as an ICC profile: the chunks of a PNG, and the code points of ITU-T H.273.

No profile means sRGB.
"""

import functools
import struct
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import PIL.Image

from resizekit.errors import ImageError
from resizekit.pictures.io.icc import (
    SRGB_CURVE,
    SRGB_PRIMARIES,
    Curve,
    Primaries,
    gamma,
    make_profile,
    power_with_line,
    sampled,
)
from resizekit.pictures.io.metadata import PROFILE_CHUNK
from resizekit.pictures.io.png_chunks import PngChunks, big_endian

__all__ = ["h273_profile", "png_profile", "read_profile"]

_D65, _C, _DCI = (0.3127, 0.3290), (0.310, 0.316), (0.314, 0.351)
_P3 = (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)
_NTSC = Primaries(_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070))
_PRIMARIES: Mapping[int, tuple[str, Primaries]] = {
    1: ("sRGB primaries", SRGB_PRIMARIES),
    4: ("BT.470 M", Primaries(_C, (0.67, 0.33), (0.21, 0.71), (0.14, 0.08))),
    5: ("BT.601 625", Primaries(_D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06))),
    6: ("BT.601 525", _NTSC),
    7: ("SMPTE 240M", _NTSC),
    9: ("BT.2020", Primaries(_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046))),
    11: ("DCI P3", Primaries(_DCI, *_P3)),
    12: ("Display P3", Primaries(_D65, *_P3)),
}
"""H.273, table 2."""
_ADOBE_RGB = make_profile(
    "Adobe RGB (1998) compatible", gamma(563 / 256), Primaries(_D65, (0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
)
_INTEROPERABILITY, _INDEX = 0xA005, 1
_UNKNOWN = 2
_SRGB_LIKE = frozenset({1, 6, 13, 14, 15, _UNKNOWN})
"""Transfer curves that programs show as sRGB with primaries of sRGB."""
_SRGB_GAMMA = 45455
_UNIT = 100_000
"""PNG counts gamma and chromaticities in this fraction."""
_SRGB_CHROMATICITIES = 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000
_CLOSE = 100
"""Difference of chromaticities that rounding explains, in units of PNG."""


def read_profile(image: PIL.Image.Image, head: bytes, exif: PIL.Image.Exif, chunks: PngChunks | None) -> bytes | None:
    """Return the profile of an image; for a small image, that of the original; None for sRGB.

    Args:
        image: The image, opened by Pillow.
        head: First bytes of the file.
        exif: Its EXIF tags.
        chunks: Chunks of a PNG besides its pixels.

    Raises:
        ImageError: If the colours have a meaning that no profile here expresses.
    """
    if chunks is not None:
        return png_profile(chunks) or chunks.first.get(PROFILE_CHUNK) or None
    profile: bytes | None = image.info.get("icc_profile")
    if profile:
        return profile
    at = head.find(b"colrnclx")
    if image.format == "AVIF" and at >= 0 and len(head) >= at + 12:
        return h273_profile(*struct.unpack_from(">HH", head, at + 8))
    nclx = image.info.get("nclx_profile")
    if nclx:
        return h273_profile(int(nclx["color_primaries"]), int(nclx["transfer_characteristics"]))
    return _ADOBE_RGB if _is_dcf_option(exif) else None


def _is_dcf_option(exif: PIL.Image.Exif) -> bool:
    """Return whether a camera declares Adobe RGB, by the names of the Design rule for Camera File system."""
    try:
        return str(exif.get_ifd(_INTEROPERABILITY).get(_INDEX, "")).rstrip("\0") == "R03"
    except Exception:  # broken metadata is not a reason to refuse an intact picture
        return False


def png_profile(chunks: PngChunks) -> bytes | None:
    """Return the profile of a PNG: that of cICP, iCCP, sRGB, or gAMA and cHRM, the first that it has.

    Returns:
        The profile; None for sRGB.

    Raises:
        ImageError: cICP has a code point without a meaning here, or iCCP is too large.
    """
    grey = not chunks.colour_type & 2
    cicp = chunks.first.get(b"cICP", b"")
    if len(cicp) == 4:
        if cicp[3] != 1 or cicp[2] != 0:
            raise ImageError("its cICP chunk declares video levels: convert it to full-range RGB")
        return h273_profile(cicp[0], cicp[1], grey=grey)
    if (profile := chunks.profile) is not None:
        return profile
    if b"sRGB" in chunks.first:
        return None
    (value,) = big_endian(chunks.first.get(b"gAMA", b""), 1) or (0,)
    points = big_endian(chunks.first.get(b"cHRM", b""), 8)
    if not _are_sound(points) or all(abs(a - b) <= _CLOSE for a, b in zip(points, _SRGB_CHROMATICITIES, strict=True)):
        points = ()
    if not points and (value == 0 or abs(value - _SRGB_GAMMA) <= _CLOSE):
        return None
    curve = gamma(_UNIT / value) if value else SRGB_CURVE
    name = f"gamma {_UNIT / value:.4g}" if value else "sRGB curve"
    if grey:
        return make_profile(f"Grey, {name}", curve, None) if value else None
    x, y = [n / _UNIT for n in points[::2]], [n / _UNIT for n in points[1::2]]
    primaries = Primaries(*zip(x, y, strict=True)) if points else SRGB_PRIMARIES
    return make_profile(f"{'PNG primaries' if points else 'sRGB primaries'}, {name}", curve, primaries)


def _are_sound(points: tuple[int, ...]) -> bool:
    """Return whether chromaticities describe a triangle with area, so that a matrix exists."""
    if len(points) != 8 or any(not 0 < n <= _UNIT for n in points[1::2]) or any(n > _UNIT for n in points[::2]):
        return False
    (rx, ry), (gx, gy), (bx, by) = zip(points[2::2], points[3::2], strict=True)
    return abs((gx - rx) * (by - ry) - (bx - rx) * (gy - ry)) > _UNIT**2 / 1000


@functools.lru_cache(maxsize=64)
def h273_profile(primaries: int, transfer: int, *, grey: bool = False) -> bytes | None:
    """Return the profile of code points of ITU-T H.273, which cICP of PNG and the boxes of AVIF and HEIC hold.

    Args:
        primaries: ColourPrimaries.
        transfer: TransferCharacteristics. PQ and HLG become a sampled curve, with the code points as the tag cicp.
        grey: Whether the pixels are grey.

    Returns:
        The profile; None for sRGB, and for curves that programs show as sRGB.

    Raises:
        ImageError: A code point has no meaning here.
    """
    primaries = 1 if primaries == _UNKNOWN else primaries
    if primaries == 1 and transfer in _SRGB_LIKE:
        return None
    if primaries not in _PRIMARIES or transfer not in (_UNKNOWN, *_CURVES):
        raise ImageError(f"its colours are those of H.273 code points {primaries}/{transfer}: convert it to sRGB")
    name, points = _PRIMARIES[primaries]
    label, curve = _CURVES.get(transfer, ("sRGB curve", SRGB_CURVE))
    cicp = b"cicp" + bytes(4) + bytes((primaries, transfer, 0, 1))
    return make_profile(f"{'Grey' if grey else name}, {label}", curve, None if grey else points, [(b"cicp", cicp)])


def _pq(value: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """SMPTE ST 2084: light relative to 10000 candela per square metre."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = value ** (1 / m2)
    light: npt.NDArray[np.float64] = (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return light


def _hlg(value: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """ITU-R BT.2100: light of the scene."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)


_BT709 = "BT.709 curve", power_with_line(1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_CURVES: Mapping[int, tuple[str, Curve]] = {
    1: _BT709,
    4: ("gamma 2.2", gamma(2.2)),
    5: ("gamma 2.8", gamma(2.8)),
    6: _BT709,
    8: ("linear", gamma(1)),
    13: ("sRGB curve", SRGB_CURVE),
    14: _BT709,
    15: _BT709,
    16: ("PQ", sampled(_pq)),
    18: ("HLG", sampled(_hlg)),
}
"""H.273, table 3."""
