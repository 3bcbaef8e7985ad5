"""JPEG as a compression: low is read from a real file, and gradients follow the rounding of its blocks (3.2)."""

import functools
from io import BytesIO
from typing import Annotated, Literal

import numpy as np
import PIL.Image
from pydantic import BaseModel, ConfigDict, Field

from resizekit.storage.block_coded import SIDE, BlockCoded, Steps, at_qualities
from resizekit.storage.compressions import CompressionModule
from resizekit.storage.formats import Storage

__all__ = ["Jpeg", "JpegOptions", "jpeg"]


class JpegOptions(BaseModel):
    """Settings of the JPEG encoder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quality: int = Field(75, ge=1, le=100, description="quality of libjpeg, 1 to 100")
    subsampling: Literal["4:2:0", "4:4:4"] = Field(
        "4:2:0", description="4:2:0 halves the colour resolution, 4:4:4 keeps it"
    )
    training_qualities: tuple[Annotated[int, Field(ge=1, le=100)], ...] = Field(
        (), description="qualities of training, each for a part of every batch; default: `quality` alone"
    )


class Jpeg(BlockCoded):
    """A real JPEG with one or three channels, written and read by Pillow, in training and in use.

    Args:
        options: Settings of the encoder.
    """

    qualities = range(1, 101)

    def __init__(self, options: JpegOptions) -> None:
        # the last two make the file smaller, with the same pixel values
        settings = {
            "quality": options.quality,
            "subsampling": options.subsampling,
            "optimize": True,
            "progressive": True,
        }
        storage = Storage(format="JPEG", suffixes=(".jpg", ".jpeg"), options=settings)
        super().__init__(storage, halves_colour=options.subsampling == "4:2:0")

    @functools.cached_property
    def steps(self) -> tuple[Steps, Steps]:
        """Quantization steps of the 64 frequencies, for luma and for colour; only training needs them."""
        return _quantization_steps(self.storage)


def jpeg(options: JpegOptions) -> CompressionModule:
    """Build JPEG at one quality, or at those of training."""
    return at_qualities(Jpeg, options, options.training_qualities)


def _quantization_steps(storage: Storage) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Read the quantization steps for luma and colour from a file of the encoder."""
    with PIL.Image.open(BytesIO(storage.encode(np.zeros((SIDE, SIDE, 3), np.uint8)))) as image:
        tables: dict[int, list[int]] = image.quantization  # type: ignore[attr-defined]
    return tuple(tables[0]), tuple(tables[1])
