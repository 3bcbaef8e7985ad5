"""One picture through one column of a suite: down, through a real file, up again, and every figure of it.

    high ─► codec, or bicubic ─► low ─► PNG ─► restored
       └──► MATLAB's bicubic ─► guide

A grey file has the Y that it holds: its values as they are, whichever networks it goes through.
"""

import functools
import hashlib
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np

from resizekit.codec import Codec
from resizekit.codec.convert import from_batch, to_batch
from resizekit.errors import CheckpointError, ImageError
from resizekit.evaluation.channels import with_channels
from resizekit.evaluation.measure import roundtrip
from resizekit.evaluation.metrics import LUMA, luma, psnr
from resizekit.evaluation.ssim import ssim
from resizekit.evaluation.untrusted_json import finite
from resizekit.images.io.read import read_picture
from resizekit.images.pipeline import check_depth
from resizekit.images.selection import choose_codec
from resizekit.ops import resample_codes
from resizekit.spec import ResizeSpec
from resizekit.storage.formats import PNG, Pixels, Storage

__all__ = ["MEASURE", "ColumnRecipe", "PictureMetrics", "codec_of", "measure_picture"]

MEASURE = 1
"""Version of what is measured and how: figures of another one are no longer true."""

PictureMetrics = dict[str, float | int | None]
"""By the names of `PictureResult`'s fields; None where there is none, or an infinite one."""


@dataclass(frozen=True, kw_only=True)
class ColumnRecipe:
    """All that the figures of a picture follow from, but the picture; small enough to be sent to another process."""

    factor: int
    channels: int
    weights: str | Path | None
    """None: bicubic both ways, in the picture's own channels."""
    digest: str | None
    self_ensemble: bool = False
    border: int | None = None
    """Pixels left out on each side of RGB and Y; None: the factor of Y, none of RGB."""
    ssim: bool = True
    device: str = "cpu"
    precision: str = "float32"

    def key(self, picture: str) -> str:
        """Name the figures of a picture, which is told by a digest.

        Where the weights lie does not matter, nor what computes: at one precision devices differ by less than is shown,
        so what is dear can be measured on a GPU and the rest elsewhere.
        """
        said = (MEASURE, self.factor, self.channels, self.digest, self.self_ensemble, self.border, self.ssim)
        return hashlib.sha256(repr((*said, self.precision, picture)).encode()).hexdigest()


@functools.lru_cache(maxsize=1)
def codec_of(way: ColumnRecipe) -> Codec:
    """Load the networks of a way, once for its pictures in a row; `CheckpointError` for others than it says."""
    codec = choose_codec(weights=way.weights, task=None, device=way.device, precision=way.precision)
    if codec.digest != way.digest:
        raise CheckpointError(f"{way.weights} has changed since this began; run the same command again")
    return codec.replace(self_ensemble=True) if way.self_ensemble else codec


def measure_picture(way: ColumnRecipe, path: Path) -> PictureMetrics:
    """Measure one picture, cropped at the upper left to what the factor divides.

    Raises `ImageError` and `ResizeShapeError` for a picture that cannot be used, and what `codec_of` raises.
    """
    picture = read_picture(path)
    check_depth(picture, PNG, path)
    if picture.pixels.dtype != np.uint8:
        raise ImageError(f"{path} has values of {picture.pixels.dtype}, and a suite measures pictures of 8 bits")
    grey = picture.pixels.shape[2] == 1
    channels = (1 if grey else 3) if way.weights is None else way.channels
    pixels = with_channels(path, picture, channels)
    spec = ResizeSpec(s=way.factor, r=way.factor)
    _, h, w = spec.crop((channels, *pixels.shape[:2]))
    high = np.ascontiguousarray(pixels[:h, :w])
    guide = _bicubic(high, (h // way.factor, w // way.factor), Fraction(way.factor))
    if way.weights is None:
        low, restored = guide, _bicubic(guide, (h, w), Fraction(1, way.factor))
    else:
        codec = codec_of(way)
        low, restored = roundtrip(codec, high)
    storage = PNG if way.weights is None else codec.storage
    told: PictureMetrics = {"low_bytes": _size(storage, low)}
    around_y = way.factor if way.border is None else way.border
    for name, a, b in (("high", restored, high), ("low", low, guide)):
        if way.weights is None and name == "low":
            continue  # the very guide
        if way.channels == 3:
            told[f"{name}_rgb"] = finite(psnr(a, b, border=_fitting(way.border or 0, a)))
        told[f"{name}_y"] = finite(psnr(_y(a, grey), _y(b, grey), border=_fitting(around_y, a)))
    if way.ssim:
        if way.channels == 3:
            told["ssim_rgb"] = ssim(restored, high, border=_fitting(way.border or 0, high), device=way.device)
        told["ssim_y"] = ssim(_y(restored, grey), _y(high, grey), border=_fitting(around_y, high), device=way.device)
    return told


def _bicubic(x: Pixels, size: tuple[int, int], scale: Fraction) -> Pixels:
    return from_batch(resample_codes(to_batch(x), size, scale=(scale, scale)))


def _y(pixels: Pixels, grey: bool) -> Pixels:
    """Y as `luma` gives it; of a picture from a grey file, `h w 3` too, its full range of values."""
    if not grey or pixels.shape[2] == 1:
        return luma(pixels)
    y: Pixels = np.floor(pixels.astype(np.float64) @ (LUMA / LUMA.sum()) + 0.5).astype(np.uint8)
    return y


def _fitting(border: int, pixels: Pixels) -> int:
    """Leave a border out where it would leave nothing."""
    return border if 2 * border < min(pixels.shape[:2]) else 0


def _size(storage: Storage, low: Pixels) -> int:
    file = BytesIO()
    storage.save(file, low)
    return file.tell()
