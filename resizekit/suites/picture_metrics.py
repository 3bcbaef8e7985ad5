"""Measure one picture in one column of a suite: downscale it, store it as a real file, restore it.

    high ─► codec, or bicubic ─► low ─► PNG ─► restored
       └──► MATLAB's bicubic ─► guide

The Y of a grey file is its values as they are, even if the networks take RGB.
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
from resizekit.images.pipeline import check_depth
from resizekit.images.selection import choose_codec
from resizekit.ops import resample_codes
from resizekit.pictures.io.read import read_picture
from resizekit.spec import HW, ResizeSpec
from resizekit.storage.formats import PNG, Pixels, Storage

__all__ = ["MEASURE_VERSION", "ColumnRecipe", "PictureMetrics", "load_codec", "measure_picture"]

MEASURE_VERSION = 1
"""Version of the metrics and of how they are computed. Cached metrics of another version are not used."""

PictureMetrics = dict[str, float | int | None]
"""By the names of `PictureResult`'s fields; None if the metric does not exist or is infinite."""


@dataclass(frozen=True, kw_only=True)
class ColumnRecipe:
    """Everything that determines the metrics of a picture, small enough to send to another process."""

    factor: int
    channels: int
    weights: str | Path | None
    """None: bicubic in both directions, in the picture's own channels."""
    digest: str | None
    self_ensemble: bool = False
    effort: int = 0
    border: int | None = None
    """Pixels to leave out on each side, of RGB and Y; None: none of RGB, and the factor of Y."""
    ssim: bool = True
    device: str = "cpu"
    precision: str = "float32"

    def key(self, picture: str) -> str:
        """Return the cache key for a picture, which is identified by its digest.

        The location of the weights and the device are not part of the key. At the same precision, devices differ by
        less than the displayed digits, so you can measure expensive columns on a GPU and the others on a CPU.
        """
        inputs = (MEASURE_VERSION, self.factor, self.channels, self.digest, self.self_ensemble, self.border, self.ssim)
        # effort 0 has the key of versions without effort, so that their metrics are used
        effort = (f"effort {self.effort}",) if self.effort else ()
        return hashlib.sha256(repr((*inputs, self.precision, *effort, picture)).encode()).hexdigest()


@functools.lru_cache(maxsize=1)
def load_codec(recipe: ColumnRecipe) -> Codec:
    """Load the codec of a column. The last one is cached, because pictures are measured column by column.

    Raises:
        CheckpointError: If the weights cannot be loaded or have changed.
    """
    codec = choose_codec(weights=recipe.weights, task=None, device=recipe.device, precision=recipe.precision)
    if codec.digest != recipe.digest:
        raise CheckpointError(f"{recipe.weights} has changed during the run; run the same command again")
    return codec.replace(self_ensemble=True) if recipe.self_ensemble else codec


def measure_picture(recipe: ColumnRecipe, path: Path) -> PictureMetrics:
    """Measure one picture, cropped at the bottom and at the right to a multiple of the factor.

    Args:
        recipe: The column.
        path: A picture of 8 bits.

    Returns:
        Its metrics.

    Raises:
        ImageError: If the picture cannot be read or does not have 8 bits.
        ResizeShapeError: If the picture is too small.
        CheckpointError: If the weights cannot be loaded.
    """
    picture = read_picture(path)
    check_depth(picture, PNG, path)
    if picture.pixels.dtype != np.uint8:
        raise ImageError(f"{path} has values of {picture.pixels.dtype}, but a suite measures pictures of 8 bits")
    grey = picture.pixels.shape[2] == 1
    channels = (1 if grey else 3) if recipe.weights is None else recipe.channels
    pixels = with_channels(path, picture, channels)
    spec = ResizeSpec(s=recipe.factor, r=recipe.factor)
    _, h, w = spec.crop((channels, *pixels.shape[:2]))
    high = np.ascontiguousarray(pixels[:h, :w])
    guide = _bicubic(high, HW(h // recipe.factor, w // recipe.factor), Fraction(recipe.factor))
    if recipe.weights is None:
        low, restored = guide, _bicubic(guide, HW(h, w), Fraction(1, recipe.factor))
    else:
        codec = load_codec(recipe)
        low, restored = roundtrip(codec, high, effort=recipe.effort)
    storage = PNG if recipe.weights is None else codec.storage
    metrics: PictureMetrics = {"low_bytes": _file_size(storage, low)}
    rgb_border = recipe.border or 0
    y_border = recipe.factor if recipe.border is None else recipe.border
    for name, a, b in (("high", restored, high), ("low", low, guide)):
        if recipe.weights is None and name == "low":
            continue  # low is the guide itself
        if recipe.channels == 3:
            metrics[f"{name}_rgb"] = finite(psnr(a, b, border=_border_that_fits(rgb_border, a)))
        metrics[f"{name}_y"] = finite(psnr(_y(a, grey), _y(b, grey), border=_border_that_fits(y_border, a)))
    if recipe.ssim:
        device = recipe.device
        if recipe.channels == 3:
            metrics["ssim_rgb"] = ssim(restored, high, border=_border_that_fits(rgb_border, high), device=device)
        border = _border_that_fits(y_border, high)
        metrics["ssim_y"] = ssim(_y(restored, grey), _y(high, grey), border=border, device=device)
    return metrics


def _bicubic(x: Pixels, size: HW, scale: Fraction) -> Pixels:
    return from_batch(resample_codes(to_batch(x), size, scale=(scale, scale)))


def _y(pixels: Pixels, grey: bool) -> Pixels:
    """Compute Y as `luma` does; for a grey file, also one repeated to RGB, return its full range of values."""
    if not grey or pixels.shape[2] == 1:
        return luma(pixels)
    y: Pixels = np.floor(pixels.astype(np.float64) @ (LUMA / LUMA.sum()) + 0.5).astype(np.uint8)
    return y


def _border_that_fits(border: int, pixels: Pixels) -> int:
    """Return 0 if the border would leave nothing."""
    return border if 2 * border < min(pixels.shape[:2]) else 0


def _file_size(storage: Storage, low: Pixels) -> int:
    file = BytesIO()
    storage.save(file, low)
    return file.tell()
