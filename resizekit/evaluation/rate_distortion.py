"""Measure rate-distortion curves of a picture: for file formats, and for small pictures.

Bytes are those of the pixels: neither metadata nor manifests count.
"""

import math
from collections.abc import Callable, Iterator
from typing import cast

from resizekit.codec import Codec
from resizekit.codec.convert import from_batch, to_batch
from resizekit.codec.grid import Tile
from resizekit.codec.refine.effort import Effort
from resizekit.evaluation.curves import Curve, Point
from resizekit.evaluation.metrics import LUMA, psnr
from resizekit.images.pipeline import down_picture, up_picture
from resizekit.ops import resample_uint8
from resizekit.pictures.picture import Picture
from resizekit.recipes.assemble import find_compression
from resizekit.spec import ResizeSpec
from resizekit.storage.formats import Pixels, Storage

__all__ = ["Perceptual", "bicubic_curve", "full_size_curve", "small_curve"]

_QUALITIES = 0, 4, 7, 10, 14, 18, 26, 34, 42, 50, 60, 72, 86
"""Qualities of the points, for formats whose qualities go from 0 or 1 to 100."""

Perceptual = Callable[[Pixels, Pixels], float | None]
"""Maps (original, restored) to a score; larger is better. None: not defined for this size."""


def full_size_curve(pixels: Pixels, name: str, perceptual: Perceptual | None = None, **options: object) -> Curve:
    """Measure a lossy format at full size.

    Args:
        pixels: The original, `h w 3`, uint8.
        name: Name of an installed compression that has qualities.
        perceptual: An additional metric.
        **options: Options of the compression besides the quality.
    """

    def points() -> Iterator[Point]:
        for quality, storage in _storages(name, **options):
            file = storage.encode(pixels)
            yield _point(pixels, len(file), storage.decode(file, pixels), perceptual, quality)

    title = _title(find_compression(name, {}).storage, str(options.get("subsampling", "")))
    return Curve(title, tuple(points()), "full")


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
        for quality, storage in _storages(name):
            file = storage.encode(low)
            restored = _bicubic(storage.decode(file, low), (height, width))
            yield _point(pixels, len(file), restored, perceptual, quality)

    return Curve(f"bicubic {spec.short}, {_title(find_compression(name, {}).storage)}", tuple(points()), "bicubic")


def small_curve(
    codec: Codec,
    picture: Picture,
    *,
    name: str = "",
    effort: int | Effort = 0,
    tile: Tile = "auto",
    perceptual: Perceptual | None = None,
) -> Curve:
    """Measure small pictures that a codec makes and restores: at several qualities, or one point if it has none.

    Args:
        codec: A codec that was loaded from weights.
        picture: The original, RGB of 8 bits without alpha.
        name: Name of the curve; by default that of the weights.
        effort: Effort for each small picture.
        tile: Side of the tiles.
        perceptual: An additional metric.

    Raises:
        ImageError: If the picture does not fit the codec.
    """

    def points() -> Iterator[Point]:
        small = None
        for quality, at_quality in _at_qualities(codec):
            if small is None or Effort.of(effort).level:
                small, manifest = down_picture(at_quality, picture, effort=effort, tile=tile)
            low = small.pixels if small.encoder_pixels is None else small.encoder_pixels
            file = at_quality.storage.encode(low)
            stored = Picture(pixels=at_quality.storage.decode(file, low))
            record = manifest.model_copy(update={"pixels": stored.digest})
            restored = up_picture(at_quality, stored, record, tile=tile)
            yield _point(picture.pixels, len(file), restored.pixels, perceptual, quality)

    return Curve(name or str(codec.info.weights), tuple(points()))


def _at_qualities(codec: Codec) -> Iterator[tuple[int | None, Codec]]:
    qualities = codec.compression.qualities
    if qualities is None:
        yield None, codec
        return
    yield from ((quality, codec.at_quality(quality)) for quality in _QUALITIES if quality in qualities)


def _storages(name: str, **options: object) -> Iterator[tuple[int, Storage]]:
    possible = find_compression(name, {}).qualities or ()
    for quality in _QUALITIES:
        if quality in possible:
            yield quality, find_compression(name, {"quality": quality, **options}).storage


def _bicubic(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    return from_batch(resample_uint8(to_batch(pixels), size))


def _title(storage: Storage, subsampling: str = "") -> str:
    name = {"WEBP": "WebP"}.get(storage.format, storage.format)
    return f"{name} {subsampling}".strip()


def _point(original: Pixels, size: int, restored: Pixels, perceptual: Perceptual | None, quality: int | None) -> Point:
    score = None if perceptual is None else perceptual(original, restored)
    bpp = 8 * size / (original.shape[0] * original.shape[1])
    luma = psnr(_full_range_luma(restored), _full_range_luma(original))
    return Point(bpp, psnr(restored, original), luma, score, quality)


def _full_range_luma(rgb: Pixels) -> Pixels:
    """Return luma from 0 to 1, not rounded: `h w 3 -> h w`."""
    return cast(Pixels, rgb @ (LUMA / LUMA.sum() / 255))
