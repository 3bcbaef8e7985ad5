"""Rate-distortion curves: the quality of a picture against its bytes, for file formats and for small pictures.

Bytes are those of the pixels: neither metadata nor manifests count.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from resizekit.codec import Codec
from resizekit.codec.convert import from_batch, to_batch
from resizekit.codec.refine.effort import Effort
from resizekit.codec.tiling import Tile
from resizekit.evaluation.metrics import LUMA, psnr
from resizekit.images.picture import Picture
from resizekit.images.pipeline import down_picture, up_picture
from resizekit.ops import resample_uint8
from resizekit.recipes.assemble import find_compression
from resizekit.spec import ResizeSpec
from resizekit.storage.formats import Pixels, Storage

__all__ = ["Curve", "Point", "bd_rate", "bicubic_curve", "full_size_curve", "mean_curve", "small_curve", "value_at"]

_QUALITIES = 0, 4, 7, 10, 14, 18, 26, 34, 42, 50, 60, 72, 86
"""Qualities of the points, for formats whose qualities go from 0 or 1 to 100."""
_SAMPLES = 200

Perceptual = Callable[[Pixels, Pixels], float | None]
"""Maps (original, restored) to a score; larger is better. None: not defined for this size."""


class Point(NamedTuple):
    """One file: its size, and the quality of the picture that comes back."""

    bpp: float
    """Bits per pixel of the original."""
    rgb: float
    """PSNR of RGB in dB."""
    y: float
    """PSNR of luma in dB."""
    perceptual: float | None = None
    """Score of a perceptual metric; None: not measured."""


@dataclass(frozen=True)
class Curve:
    """The points of one method, from the smallest file to the largest."""

    name: str
    points: tuple[Point, ...]

    def as_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return {"name": self.name, "points": [point._asdict() for point in self.points]}


def full_size_curve(pixels: Pixels, name: str, perceptual: Perceptual | None = None, **options: object) -> Curve:
    """Measure a lossy format at full size.

    Args:
        pixels: The original, `h w 3`, uint8.
        name: Name of an installed compression that has qualities.
        perceptual: An additional metric.
        **options: Options of the compression besides the quality.
    """

    def points() -> Iterator[Point]:
        for storage in _storages(name, **options):
            file = storage.encode(pixels)
            yield _point(pixels, len(file), storage.decode(file, pixels), perceptual)

    title = _title(find_compression(name, {}).storage, str(options.get("subsampling", "")))
    return Curve(title, tuple(points()))


def bicubic_curve(pixels: Pixels, name: str, spec: ResizeSpec, perceptual: Perceptual | None = None) -> Curve:
    """Measure a bicubic downscale, a lossy format, and a bicubic upscale.

    Args:
        pixels: The original, `h w 3`, uint8.
        name: Name of an installed compression that has qualities.
        spec: Factors of height and width.
        perceptual: An additional metric.
    """
    height, width = pixels.shape[:2]
    low = _bicubic(pixels, (math.ceil(height / spec.s), math.ceil(width / spec.r)))

    def points() -> Iterator[Point]:
        for storage in _storages(name):
            file = storage.encode(low)
            restored = _bicubic(storage.decode(file, low), (height, width))
            yield _point(pixels, len(file), restored, perceptual)

    return Curve(f"bicubic {spec.short}, {_title(find_compression(name, {}).storage)}", tuple(points()))


def small_curve(
    codec: Codec,
    picture: Picture,
    *,
    effort: int | Effort = 0,
    tile: Tile = "auto",
    perceptual: Perceptual | None = None,
) -> Curve:
    """Measure small pictures that a codec makes and restores: at several qualities, or one point if it has none.

    Args:
        codec: A codec that was loaded from weights.
        picture: The original, RGB of 8 bits without alpha.
        effort: Effort for each small picture.
        tile: Side of the tiles.
        perceptual: An additional metric.

    Raises:
        ImageError: If the picture does not fit the codec.
    """

    def points() -> Iterator[Point]:
        small = None
        for at_quality in _at_qualities(codec):
            if small is None or Effort.of(effort).level:
                small, manifest = down_picture(at_quality, picture, effort=effort, tile=tile)
            low = small.pixels if small.encoder_pixels is None else small.encoder_pixels
            file = at_quality.storage.encode(low)
            stored = Picture(pixels=at_quality.storage.decode(file, low))
            record = manifest.model_copy(update={"pixels": stored.digest})
            restored = up_picture(at_quality, stored, record, tile=tile)
            yield _point(picture.pixels, len(file), restored.pixels, perceptual)

    return Curve(str(codec.info.weights), tuple(points()))


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """Average the curves of one method over several pictures, point by point."""
    points = []
    for same in zip(*(curve.points for curve in curves), strict=True):
        scores = [point.perceptual for point in same if point.perceptual is not None]
        bpp, rgb, y = np.mean([point[:3] for point in same], axis=0).tolist()
        points.append(Point(bpp, rgb, y, float(np.mean(scores)) if len(scores) == len(same) else None))
    return Curve(curves[0].name, tuple(points))


def value_at(curve: Curve, bpp: float, metric: str = "rgb") -> float | None:
    """Return the quality at a rate, on lines over the logarithm of the rate; None outside of the curve's rates.

    Examples:
        >>> curve = Curve("x", (Point(0.1, 30, 31), Point(0.4, 34, 35)))
        >>> value_at(curve, 0.2)
        32.0
    """
    rates, values = _measured(curve, metric)
    if not len(rates) or not rates[0] - 1e-9 <= math.log(bpp) <= rates[-1] + 1e-9:
        return None
    return round(float(np.interp(math.log(bpp), rates, values)), 6)


def bd_rate(curve: Curve, anchor: Curve, metric: str = "rgb") -> float | None:
    """Return the mean difference of the rate at equal quality, in percent (Bjøntegaard's delta, with lines).

    Args:
        curve: The method.
        anchor: The method to compare with; negative results mean that `curve` needs fewer bytes.
        metric: "rgb", "y" or "perceptual".

    Returns:
        The difference over all qualities that both reach; None if there are none.

    Examples:
        >>> anchor = Curve("a", (Point(0.1, 30, 31), Point(0.4, 34, 35)))
        >>> half = Curve("b", (Point(0.05, 30, 31), Point(0.2, 34, 35)))
        >>> round(bd_rate(half, anchor))
        -50
    """
    (rates, values), (other_rates, other_values) = _measured(curve, metric), _measured(anchor, metric)
    if min(len(rates), len(other_rates)) < 2:
        return None
    values, other_values = np.maximum.accumulate(values), np.maximum.accumulate(other_values)
    low, high = max(values[0], other_values[0]), min(values[-1], other_values[-1])
    if low >= high:
        return None
    at = np.linspace(low, high, _SAMPLES)
    difference = np.interp(at, values, rates) - np.interp(at, other_values, other_rates)
    return float(np.expm1(difference.mean()) * 100)


def _measured(curve: Curve, metric: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return logarithms of the rate, ascending, and values."""
    pairs = sorted(
        (math.log(point.bpp), value)
        for point in curve.points
        if (value := getattr(point, metric)) is not None and math.isfinite(value)  # infinite: a perfect restoration
    )
    return np.array([rate for rate, _ in pairs]), np.array([value for _, value in pairs])


def _at_qualities(codec: Codec) -> Iterator[Codec]:
    qualities = codec.compression.qualities
    if qualities is None:
        yield codec
        return
    yield from (codec.at_quality(quality) for quality in _QUALITIES if quality in qualities)


def _storages(name: str, **options: object) -> Iterator[Storage]:
    possible = find_compression(name, {}).qualities or ()
    for quality in _QUALITIES:
        if quality in possible:
            yield find_compression(name, {"quality": quality, **options}).storage


def _bicubic(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    return from_batch(resample_uint8(to_batch(pixels), size))


def _title(storage: Storage, subsampling: str = "") -> str:
    name = {"WEBP": "WebP"}.get(storage.format, storage.format)
    return f"{name} {subsampling}".strip()


def _point(original: Pixels, size: int, restored: Pixels, perceptual: Perceptual | None) -> Point:
    score = None if perceptual is None else perceptual(original, restored)
    bpp = 8 * size / (original.shape[0] * original.shape[1])
    return Point(bpp, psnr(restored, original), psnr(_full_range_luma(restored), _full_range_luma(original)), score)


def _full_range_luma(rgb: Pixels) -> Pixels:
    """Return luma from 0 to 1, not rounded: `h w 3 -> h w`."""
    return cast(Pixels, rgb @ (LUMA / LUMA.sum() / 255))
