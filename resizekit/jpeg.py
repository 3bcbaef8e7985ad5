"""JPEG as a compression: low is what a real file gives back, and the gradient takes a path of its own (3.2)."""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from resizekit.compressions import Lossy
from resizekit.storage import Storage

__all__ = ["Jpeg", "JpegOptions"]

# From RGB to luma and the two differences of colour, as the JFIF standard has it, and back.
_TO_YCC = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
_TO_RGB = torch.linalg.inv(_TO_YCC)


class JpegOptions(BaseModel):
    """How much a JPEG may lose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quality: int = Field(75, ge=1, le=100, description="libjpeg's quality, 1 to 100")
    subsampling: Literal["4:2:0", "4:4:4"] = Field("4:2:0", description="4:2:0 halves the colour, 4:4:4 keeps it whole")


class Jpeg(Lossy):
    """A real JPEG of one or three channels, written and read by Pillow, in training and in use."""

    def __init__(self, options: JpegOptions) -> None:
        settings = {"quality": options.quality, "subsampling": options.subsampling}
        super().__init__(Storage(format="JPEG", suffixes=(".jpg", ".jpeg"), options=settings))
        self.halves_colour = options.subsampling == "4:2:0"

    def smooth(self, low: Tensor) -> Tensor:
        """Halve the colour and bring it back, as the format does; the gradient passes its rounding straight."""
        if low.shape[1] != 3 or not self.halves_colour:
            return low
        h, w = low.shape[2:]
        colour = _mixed(_TO_YCC[1:], low)
        half = F.avg_pool2d(F.pad(colour, (0, w % 2, 0, h % 2), mode="replicate"), 2)
        back = F.interpolate(half, scale_factor=2, mode="bilinear")[:, :, :h, :w]
        return low + _mixed(_TO_RGB[:, 1:], back - colour)


def _mixed(table: Tensor, x: Tensor) -> Tensor:
    """Mix channels: `i j, b j h w -> b i h w`, by products and sums, which autocast leaves in full precision."""
    return (table.to(x)[:, :, None, None] * x[:, None]).sum(2)
