"""AVIF and lossy WebP as compressions: the formats that come from video codecs.

Both predict a block from its neighbours and round the frequencies of the difference. The gradient needs an
approximation only: it takes uniform steps that cause the same error as the real encoder.
"""

import functools
from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import PIL.features
import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from resizekit.errors import MissingExtraError
from resizekit.ops.quantize import SCALE
from resizekit.storage.block_coded import BlockCoded, Steps, at_qualities, pad_blocks, to_ycc
from resizekit.storage.compressions import CompressionModule, read_back
from resizekit.storage.formats import Storage

__all__ = ["Avif", "AvifOptions", "WebpLossy", "WebpLossyOptions", "avif", "webp_lossy"]

_SIDE = 16
"""Side in pixels of the largest blocks that a training crop must not share with its neighbour."""
_LONGEST = 16383
"""Longest side of a WebP in pixels."""
_BISECTIONS = 16
_LARGEST_STEP = 255.0


class WebpLossyOptions(BaseModel):
    """Settings of lossy WebP."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quality: int = Field(75, ge=0, le=100, description="quality of libwebp, 0 to 100")
    training_qualities: tuple[Annotated[int, Field(ge=0, le=100)], ...] = Field(
        (), description="qualities of training, each for a part of every batch; default: `quality` alone"
    )


class AvifOptions(WebpLossyOptions):
    """Settings of AVIF."""

    quality: int = Field(60, ge=0, le=100, description="quality of the encoder, 0 to 100")
    subsampling: Literal["4:2:0", "4:4:4"] = Field(
        "4:2:0", description="4:2:0 halves the colour resolution, 4:4:4 keeps it"
    )


class VideoCoded(BlockCoded):
    """A format whose blocks depend on their neighbours, so training puts the crops of a batch into one file."""

    qualities = range(101)

    @property
    def steps(self) -> tuple[Steps, Steps]:
        """The uniform steps that cause the same error as the format, for luma and for colour."""
        return _calibrated_steps(self.storage.format, tuple(self.storage.options.items()), self.halves_colour)

    def read_files(self, stored: Tensor) -> Tensor:
        """Write and read a batch: in training as one image, in use as one file per image."""
        if not self.training or len(stored) < 2:
            return super().read_files(stored)
        b, _, h, w = stored.shape
        most = max(1, _LONGEST // (w + _SIDE))
        if b > most:
            return torch.cat([self.read_files(part) for part in torch.split(stored, most)])
        padded = pad_blocks(stored.float(), _SIDE).to(stored.dtype)
        wide = padded.transpose(0, 1).transpose(1, 2).flatten(2)[None]  # `1 c h (b w)`
        read = read_back(self.storage, wide)[0]
        return read.reshape(*read.shape[:2], b, -1).permute(2, 0, 1, 3)[:, :, :h, :w]


class Avif(VideoCoded):
    """A real AVIF, RGB, written and read by Pillow, in training and in use.

    Args:
        options: Settings of the encoder.

    Raises:
        MissingExtraError: If this Pillow was built without AVIF.
    """

    def __init__(self, options: AvifOptions) -> None:
        _check_codec("avif")
        # the bytes depend on the number of threads, and at speed 6 slower settings gain little
        settings = {"quality": options.quality, "subsampling": options.subsampling, "speed": 6, "max_threads": 1}
        storage = Storage(format="AVIF", suffixes=(".avif",), options=settings, channels=(3,))
        super().__init__(storage, halves_colour=options.subsampling == "4:2:0")


class WebpLossy(VideoCoded):
    """A real lossy WebP, RGB, written and read by Pillow, in training and in use.

    Args:
        options: Settings of the encoder.

    Raises:
        MissingExtraError: If this Pillow was built without WebP.
    """

    def __init__(self, options: WebpLossyOptions) -> None:
        _check_codec("webp")
        settings = {"quality": options.quality, "method": 6}
        storage = Storage(format="WEBP", suffixes=(".webp",), options=settings, channels=(3,))
        super().__init__(storage, halves_colour=True)


def avif(options: AvifOptions) -> CompressionModule:
    """Build AVIF at one quality, or at those of training."""
    return at_qualities(Avif, options, options.training_qualities)


def webp_lossy(options: WebpLossyOptions) -> CompressionModule:
    """Build lossy WebP at one quality, or at those of training."""
    return at_qualities(WebpLossy, options, options.training_qualities)


def _check_codec(name: str) -> None:
    if not PIL.features.check(name):
        raise MissingExtraError(f"this Pillow was built without {name.upper()}: install an official wheel of Pillow")


@functools.lru_cache(maxsize=256)
def _calibrated_steps(
    file_format: str, options: tuple[tuple[str, object], ...], halves_colour: bool
) -> tuple[Steps, Steps]:
    """Find the uniform steps that cause the error of an encoder on a test image, for luma and for colour."""
    storage = Storage(format=file_format, suffixes=("",), options=dict(options), channels=(3,))
    image = _dead_leaves()
    stored = torch.from_numpy(image).permute(2, 0, 1)[None]
    wanted = (to_ycc(read_back(storage, stored) * SCALE) - to_ycc(stored * SCALE)).square().mean((0, 2, 3))
    luma = _step_with_error(lambda step: _Uniform(step, step, halves_colour), stored, 0, float(wanted[0]))
    colour = _step_with_error(lambda step: _Uniform(luma, step, halves_colour), stored, 1, float(wanted[1:].mean()))
    return (luma,), (colour,)


class _Uniform(BlockCoded):
    """Uniform steps, for the calibration only."""

    def __init__(self, luma: float, colour: float, halves_colour: bool) -> None:
        super().__init__(Storage(format="NONE", suffixes=()), halves_colour=halves_colour)
        self._steps = (luma,), (colour,)

    @property
    def steps(self) -> tuple[Steps, Steps]:
        return self._steps


def _step_with_error(make: Callable[[float], BlockCoded], stored: Tensor, plane: int, wanted: float) -> float:
    low, high = 0.01, _LARGEST_STEP
    image = stored * SCALE
    original = to_ycc(image)
    for _ in range(_BISECTIONS):
        step = (low * high) ** 0.5
        difference = to_ycc(make(step).smooth(image)) - original
        error = float((difference[:, :1] if plane == 0 else difference[:, 1:]).square().mean())
        low, high = (step, high) if error < wanted else (low, step)
    return low


def _dead_leaves() -> npt.NDArray[np.uint8]:
    """Draw overlapping discs of all sizes with a little noise, a model of natural images: `h w 3`, uint8."""
    side, rng = 192, np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side]
    image = np.zeros((side, side, 3), np.float32)
    base = rng.uniform(30, 225, 3)
    for _ in range(600):
        radius = 3 / np.sqrt(rng.uniform(0.002, 1))
        y, x = rng.uniform(-radius, side + radius, 2)
        grey, tint = rng.uniform(0, 255), rng.normal(0, 18, 3)
        image[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = 0.2 * base + 0.8 * grey + tint
    smooth = F.avg_pool2d(torch.from_numpy(image).permute(2, 0, 1)[None], 3, 1, 1)[0].permute(1, 2, 0).numpy()
    return np.clip(smooth + rng.normal(0, 2, (side, side, 1)), 0, 255).round().astype(np.uint8)
