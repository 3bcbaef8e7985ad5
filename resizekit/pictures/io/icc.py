"""Make colour profiles (ICC.1:2022) from primaries and a transfer curve, and grey profiles from RGB profiles."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "SRGB_CURVE",
    "SRGB_PRIMARIES",
    "Curve",
    "Primaries",
    "fitting_profile",
    "gamma",
    "make_profile",
    "power_with_line",
    "sampled",
]

RGB, GREY = b"RGB ", b"GRAY"
"""The colour spaces of profiles, as their headers name them."""
_SPACES = {1: GREY, 3: RGB}
_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
"""The cone response of the Bradford adaptation, with which ICC profiles refer to D50."""
_HEADER, _ENTRY = 128, 12
_MAX_TAGS = 200
_COPYRIGHT = "No copyright, use freely"


@dataclass(frozen=True)
class Curve:
    """The transfer curve from a value in [0, 1] to light in [0, 1], as an ICC tag holds it."""

    tag: bytes


@dataclass(frozen=True)
class Primaries:
    """Chromaticities `x, y` of the white point and of red, green and blue."""

    white: tuple[float, float]
    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]


def gamma(exponent: float) -> Curve:
    """Make the curve `light = value ** exponent`."""
    return Curve(b"para" + bytes(4) + struct.pack(">HH", 0, 0) + _fixed(exponent))


SRGB_PRIMARIES = Primaries((0.3127, 0.3290), (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))


def power_with_line(exponent: float, a: float, b: float, c: float, d: float) -> Curve:
    """Make the curve `(a value + b) ** exponent`, and `c value` below d."""
    return Curve(b"para" + bytes(4) + struct.pack(">HH", 3, 0) + b"".join(map(_fixed, (exponent, a, b, c, d))))


def sampled(light: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]], count: int = 1024) -> Curve:
    """Make a curve from samples of a function at equal distances."""
    samples = np.rint(65535 * light(np.linspace(0, 1, count)).clip(0, 1)).astype(">u2")
    return Curve(b"curv" + bytes(4) + struct.pack(">I", count) + samples.tobytes())


def make_profile(
    name: str, curve: Curve, primaries: Primaries | None, extra: Sequence[tuple[bytes, bytes]] = ()
) -> bytes:
    """Make a display profile.

    Args:
        name: Description that programs show.
        curve: The curve of all channels.
        primaries: Of red, green and blue; None: a profile for grey.
        extra: Further tags, as (name, content).

    Returns:
        The profile, the same bytes for the same arguments.
    """
    tags = [(b"desc", _text(name)), (b"cprt", _text(_COPYRIGHT)), (b"wtpt", _xyz(_D50))]
    if primaries is None:
        tags.append((b"kTRC", curve.tag))
    else:
        columns = _to_d50(primaries).T
        tags += [(channel + b"XYZ", _xyz(column)) for channel, column in zip((b"r", b"g", b"b"), columns, strict=True)]
        tags += [(channel + b"TRC", curve.tag) for channel in (b"r", b"g", b"b")]
    return _assemble(GREY if primaries is None else RGB, [*tags, *extra])


def colour_space(profile: bytes) -> bytes:
    """Return the colour space of a profile: four bytes, such as `RGB`."""
    return profile[16:20]


def fitting_profile(profile: bytes | None, channels: int) -> bytes | None:
    """Return the profile for pixels of a number of channels.

    An RGB profile becomes the grey profile with the same curve, since three equal channels have its curve. A grey
    profile becomes an RGB profile with the same curve. A profile of any other colour space does not describe the
    pixels, and is left out.

    Args:
        profile: A profile of any colour space.
        channels: 1 for grey, 3 for RGB.
    """
    if profile is None or colour_space(profile) == _SPACES.get(channels):
        return profile
    curve = _tag(profile, {RGB: b"gTRC", GREY: b"kTRC"}.get(colour_space(profile), b""))
    if curve is None or channels not in _SPACES:
        return None
    if channels == 3:
        return make_profile("RGB of a grey curve", Curve(curve), SRGB_PRIMARIES)
    white = _tag(profile, b"wtpt") or _xyz(_D50)
    return _assemble(GREY, [(b"desc", _text("Grey")), (b"cprt", _text(_COPYRIGHT)), (b"wtpt", white), (b"kTRC", curve)])


def _assemble(space: bytes, tags: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Write header, tag table and contents; equal contents share their bytes."""
    table, contents, places = [], bytearray(), dict[bytes, int]()
    start = _HEADER + 4 + _ENTRY * len(tags)
    for name, content in tags:
        if content not in places:
            places[content] = start + len(contents)
            contents += content + bytes(-len(content) % 4)
        table.append(name + struct.pack(">II", places[content], len(content)))
    size = start + len(contents)
    date = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # the same profile always has the same bytes
    header = struct.pack(">I", size) + bytes(4) + b"\x04\x40\0\0mntr" + space + b"XYZ " + date + b"acsp" + bytes(28)
    header += b"".join(map(_fixed, _D50)) + bytes(48)
    return header + struct.pack(">I", len(tags)) + b"".join(table) + bytes(contents)


def _tag(profile: bytes, name: bytes) -> bytes | None:
    """Return the content of a tag; None if there is none, or if it lies outside of the profile."""
    count = int.from_bytes(profile[_HEADER : _HEADER + 4], "big")
    for i in range(min(count, _MAX_TAGS)):
        entry = profile[_HEADER + 4 + _ENTRY * i :][:_ENTRY]
        if entry[:4] == name and len(entry) == _ENTRY:
            offset, size = struct.unpack(">II", entry[4:])
            return profile[offset : offset + size] if offset + size <= len(profile) else None
    return None


def _to_d50(primaries: Primaries) -> npt.NDArray[np.float64]:
    """Compute the matrix from linear RGB to XYZ that refers to D50."""
    white = _to_xyz(primaries.white)
    columns = np.stack([_to_xyz(point) for point in (primaries.red, primaries.green, primaries.blue)], 1)
    matrix = columns * np.linalg.solve(columns, white)
    scale = (_BRADFORD @ np.array(_D50)) / (_BRADFORD @ white)
    adapted: npt.NDArray[np.float64] = np.linalg.solve(_BRADFORD, np.diag(scale) @ _BRADFORD) @ matrix
    return adapted


def _to_xyz(point: tuple[float, float]) -> npt.NDArray[np.float64]:
    x, y = point
    return np.array([x / y, 1, (1 - x - y) / y])


def _fixed(value: float) -> bytes:
    """Write a number as s15Fixed16."""
    return struct.pack(">i", round(min(max(value, -32768.0), 32767.0) * 65536))


def _xyz(values: Sequence[float] | npt.NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(_fixed(float(value)) for value in values)


def _text(text: str) -> bytes:
    words = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(words), 28) + words


SRGB_CURVE = power_with_line(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""IEC 61966-2-1."""
