"""JPEG as a compression: low is read from a real file, and the gradient takes a separate path (3.2).

    low ─► uint8 ─► Pillow's file, written and read ─► low as the decoder sees it
      └ ─ ─ ─ ─ ─ ─ smooth: the same steps in tensors ─ ─ ─ ─ ─┘   only for the gradient

The value is that of the file, because the encoder stores information in differences that are smaller than the error of
an approximation. The gradient must follow the format too: with a straight-through gradient, the encoder continues to
write into colours and frequencies that the file drops, and training fails.
"""

import math
from io import BytesIO
from typing import Literal

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from resizekit.ops.quantize import LEVELS
from resizekit.storage.compressions import Lossy
from resizekit.storage.formats import Storage

__all__ = ["Jpeg", "JpegOptions"]

# From RGB to luma and two colour differences, as in the JFIF standard, and back.
_TO_YCC = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
_TO_RGB = torch.linalg.inv(_TO_YCC)
_SIDE = 8
"""Side of the blocks in pixels."""
_MIN_GRADIENT = 0.25
"""The share of the gradient that reaches a frequency with the value 0."""
_MID_GREY = 128 / LEVELS
"""The value of a decoded block whose frequencies are all 0."""
_COSINES = torch.tensor(
    [
        [
            math.cos((2 * x + 1) * k * math.pi / (2 * _SIDE)) * math.sqrt((1 if k == 0 else 2) / _SIDE)
            for x in range(_SIDE)
        ]
        for k in range(_SIDE)
    ]
)  # orthonormal: its inverse is its transpose


class JpegOptions(BaseModel):
    """Settings of the JPEG encoder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quality: int = Field(75, ge=1, le=100, description="quality of libjpeg, 1 to 100")
    subsampling: Literal["4:2:0", "4:4:4"] = Field(
        "4:2:0", description="4:2:0 halves the colour resolution, 4:4:4 keeps it"
    )


class Jpeg(Lossy):
    """A real JPEG with one or three channels, written and read by Pillow, in training and in use.

    Args:
        options: Settings of the encoder.
    """

    def __init__(self, options: JpegOptions) -> None:
        settings = {"quality": options.quality, "subsampling": options.subsampling}
        super().__init__(Storage(format="JPEG", suffixes=(".jpg", ".jpeg"), options=settings))
        self.halves_colour = options.subsampling == "4:2:0"
        self.steps = _quantization_steps(self.storage)
        """Quantization steps of the 64 frequencies, for luma and for colour."""

    def smooth(self, low: Tensor) -> Tensor:
        """Approximate the format with a gradient: `b c h w -> b c h w`, close to the values of a file."""
        if low.shape[1] != 3:
            return self._rounded(low - _MID_GREY, 0) + _MID_GREY
        h, w = low.shape[2:]
        ycc = _mixed(_TO_YCC, low)
        luma, colour = self._rounded(ycc[:, :1] - _MID_GREY, 0) + _MID_GREY, ycc[:, 1:]
        if self.halves_colour:
            half = F.avg_pool2d(_padded(colour, 2), 2)
            colour = F.interpolate(self._rounded(half, 1), scale_factor=2, mode="bilinear")[:, :, :h, :w]
        else:
            colour = self._rounded(colour, 1)
        return _mixed(_TO_RGB, torch.cat((luma, colour), 1))

    def _rounded(self, plane: Tensor, which: int) -> Tensor:
        """Round the frequencies of 8x8 blocks, `b c h w` around 0.

        The gradient is 1 where a frequency survives the rounding. Where it is rounded to 0, the gradient shrinks with
        the square of its value, as a small change does not bring it into the file. The gradient never becomes 0:
        otherwise the encoder could not learn to use that frequency.

        Args:
            plane: One or more planes of the same kind.
            which: 0 for the steps of luma, 1 for those of colour.
        """
        b, c, h, w = plane.shape
        padded = _padded(plane, _SIDE)
        rows, columns = padded.shape[2] // _SIDE, padded.shape[3] // _SIDE
        blocks = padded.reshape(b, c, rows, _SIDE, columns, _SIDE).transpose(3, 4)
        table = torch.tensor(self.steps[which], dtype=plane.dtype, device=plane.device).view(_SIDE, _SIDE) / LEVELS
        cosines = _COSINES.to(plane)
        frequencies = cosines @ blocks @ cosines.T / table
        values = frequencies.detach()
        gradient = (2 * values.abs()).clamp(max=1).square().clamp(min=_MIN_GRADIENT)
        rounded = (values.round() + gradient * (frequencies - values)) * table
        decoded = cosines.T @ rounded @ cosines
        return decoded.transpose(3, 4).reshape(padded.shape)[:, :, :h, :w]


def _mixed(table: Tensor, x: Tensor) -> Tensor:
    """Mix channels: `i j, b j h w -> b i h w`."""
    return torch.einsum("ij, b j h w -> b i h w", table.to(x), x)


def _padded(plane: Tensor, by: int) -> Tensor:
    """Repeat the last row and column up to a multiple of `by`, as JPEG encoders do."""
    return F.pad(plane, (0, -plane.shape[3] % by, 0, -plane.shape[2] % by), mode="replicate")


def _quantization_steps(storage: Storage) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Read the quantization steps for luma and colour from a file of the encoder."""
    file = BytesIO()
    storage.save(file, np.zeros((_SIDE, _SIDE, 3), np.uint8))
    with PIL.Image.open(file) as image:
        tables: dict[int, list[int]] = image.quantization  # type: ignore[attr-defined]
    return tuple(tables[0]), tuple(tables[1])
