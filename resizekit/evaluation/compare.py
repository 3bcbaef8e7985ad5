"""Compare small pictures with file formats at equal bytes, over one picture or several."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from resizekit.codec import Codec
from resizekit.codec.grid import Tile
from resizekit.codec.refine.effort import Effort
from resizekit.errors import ImageError, UsageError
from resizekit.evaluation.curves import Curve, bd_rate, mean_curve, value_at
from resizekit.evaluation.rate_distortion import Perceptual, bicubic_curve, full_size_curve, small_curve
from resizekit.images.selection import fitting_weights
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.picture import Picture
from resizekit.recipes.checkpoint import installed_outline
from resizekit.spec import ResizeSpec

__all__ = ["ANCHOR", "METRICS", "RATES", "Comparison", "MethodRow", "compare", "lossy_weights"]

RATES = 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0
"""Bits per pixel of the columns of the table."""
ANCHOR = "AVIF"
"""The method that the others are compared with."""
METRICS = {
    "rgb": "PSNR of RGB in dB",
    "y": "PSNR of luma (0 to 255) in dB",
    "perceptual": "SSIMULACRA2",
}
"""Titles of the metrics."""
_FULL_SIZE: tuple[tuple[str, Mapping[str, object]], ...] = (
    ("jpeg", {}),
    ("webp-lossy", {}),
    ("avif", {}),
    ("avif", {"subsampling": "4:4:4"}),
)
"""Formats to compare with, and their options besides the quality."""


@dataclass(frozen=True)
class MethodRow:
    """The results of one method for one metric, averaged over the pictures."""

    name: str
    values: tuple[float | None, ...]
    """The quality at each of `RATES`; None: a picture has no value there."""
    bd_rate: float | None
    """Mean difference of the rate against `ANCHOR` in percent; None: not defined, or the anchor itself."""
    single: tuple[float, float] | None = None
    """Bits per pixel and quality of a method that has no qualities, and so a single point."""


@dataclass(frozen=True)
class Comparison:
    """The curves of each picture, in the same order of methods."""

    pictures: tuple[str, ...]
    curves: tuple[tuple[Curve, ...], ...]
    """One tuple for each picture."""

    @property
    def means(self) -> tuple[Curve, ...]:
        """The mean curve of each method."""
        return tuple(mean_curve(same) for same in zip(*self.curves, strict=True))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that were measured: keys of `METRICS`."""
        scored = any(point.perceptual is not None for curve in self.means for point in curve.points)
        return tuple(metric for metric in METRICS if metric != "perceptual" or scored)

    def rows(self, metric: str = "rgb") -> tuple[MethodRow, ...]:
        """Return the table of a metric: one row for each method."""
        anchor = [curve.name for curve in self.means].index(ANCHOR)
        return tuple(
            MethodRow(
                curve.name,
                tuple(self.mean_at(method, rate, metric) for rate in RATES),
                None if method == anchor else self.mean_bd_rate(method, anchor, metric),
                _single(curve, metric),
            )
            for method, curve in enumerate(self.means)
        )

    def mean_at(self, method: int, bpp: float, metric: str = "rgb") -> float | None:
        """Return the mean quality of a method at a rate; None if a picture has no value there."""
        values = [value_at(curves[method], bpp, metric) for curves in self.curves]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if len(known) == len(values) else None

    def mean_bd_rate(self, method: int, anchor: int, metric: str = "rgb") -> float | None:
        """Return the mean difference of the rate against another method, in percent; None if a picture has none."""
        values = [bd_rate(curves[method], curves[anchor], metric) for curves in self.curves]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if len(known) == len(values) else None

    def as_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        pictures = [
            {"picture": name, "curves": [curve.as_dict() for curve in curves]}
            for name, curves in zip(self.pictures, self.curves, strict=True)
        ]
        return {
            "anchor": ANCHOR,
            "rates": RATES,
            "tables": {metric: [asdict(row) for row in self.rows(metric)] for metric in self.metrics},
            "mean": [curve.as_dict() for curve in self.means],
            "pictures": pictures,
        }


def _single(curve: Curve, metric: str) -> tuple[float, float] | None:
    if len(curve.points) != 1 or (value := getattr(curve.points[0], metric)) is None:
        return None
    return curve.points[0].bpp, value


def lossy_weights(task: str) -> list[str]:
    """List the weights of a task for colour pictures whose small files have a quality.

    Raises:
        UsageError: There are none.
    """
    names = [name for name in fitting_weights(task, 3) if installed_outline(name).compression.qualities is not None]
    if not names:
        raise UsageError(f"task {task!r} has no weights that store a lossy format: pass --weights")
    return names


def compare(
    paths: Sequence[Path],
    codecs: Mapping[str, Codec],
    *,
    effort: int | Effort = 0,
    tile: Tile = "auto",
    perceptual: Perceptual | None = None,
) -> Iterator[tuple[str, tuple[Curve, ...]]]:
    """Measure all methods on each picture: formats at full size, bicubic small pictures, and those of the codecs.

    Args:
        paths: Pictures of 8 bits, grey or RGB, without transparency.
        codecs: Codecs that were loaded from weights, by the names of their curves.
        effort: Effort for each small picture.
        tile: Side of the tiles.
        perceptual: An additional metric.

    Yields:
        The name of a picture, and its curves.

    Raises:
        ImageError: A picture is not of that kind.
    """
    bicubic: Mapping[tuple[str, ResizeSpec], None] = dict.fromkeys(
        (codec.info.compression, codec.spec)
        for codec in codecs.values()
        if codec.compression.qualities is not None and codec.spec.t == 1
    )
    if not paths:
        raise ImageError("no pictures to compare: name files, or a folder with pictures")
    for path in paths:  # a broken picture must not end a long measurement
        _rgb(path)
    for path in paths:
        picture = _rgb(path)
        yield (
            path.name,
            (
                *(full_size_curve(picture.pixels, name, perceptual, **options) for name, options in _FULL_SIZE),
                *(bicubic_curve(picture.pixels, name, spec, perceptual) for name, spec in bicubic),
                *(
                    small_curve(codec, picture, name=name, effort=effort, tile=tile, perceptual=perceptual)
                    for name, codec in codecs.items()
                ),
            ),
        )


def _rgb(path: Path) -> Picture:
    picture = read_picture(path)
    if picture.bits != 8 or picture.alpha is not None or picture.mode == "CUBE":
        raise ImageError(f"{path} is not a grey or RGB picture of 8 bits without transparency: convert it first")
    return Picture(pixels=np.ascontiguousarray(np.broadcast_to(picture.pixels, (*picture.hw, 3))))
