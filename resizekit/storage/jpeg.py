"""JPEG as a compression: low is what a real file gives back, and the gradient takes a path of its own (3.2).

    low ─► codes ─► Pillow's file, written and read ─► low as the decoder sees it
      └ ─ ─ ─ ─ ─ ─ smooth: the same steps in tensors ─ ─ ─ ─ ─┘   only for the gradient

The value is the file's own, since the message is hidden in differences that are finer than an imitation is exact.  The
path has to know the format all the same: under a gradient that passes straight by, the encoder goes on writing into
colours and frequencies that no file keeps, and training fails.
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

# From RGB to luma and the two differences of colour, as the JFIF standard has it, and back.
_TO_YCC = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
_TO_RGB = torch.linalg.inv(_TO_YCC)
_SIDE = 8
"""Of the blocks, in pixels."""
_FAINTEST = 0.25
"""The share of the gradient that reaches a frequency which is not there at all."""
_MIDDLE = 128 / LEVELS
"""What a block without any frequency decodes to."""
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
        self.steps = _steps(self.storage)
        """What each frequency is rounded to multiples of, for luma and for colour."""

    def smooth(self, low: Tensor) -> Tensor:
        """Do in tensors what the format does to `b c h w`; close to a file in value, and with a gradient."""
        if low.shape[1] != 3:
            return self._rounded(low - _MIDDLE, 0) + _MIDDLE
        h, w = low.shape[2:]
        ycc = _mixed(_TO_YCC, low)
        luma, colour = self._rounded(ycc[:, :1] - _MIDDLE, 0) + _MIDDLE, ycc[:, 1:]
        if self.halves_colour:
            half = F.avg_pool2d(_padded(colour, 2), 2)
            colour = F.interpolate(self._rounded(half, 1), scale_factor=2, mode="bilinear")[:, :, :h, :w]
        else:
            colour = self._rounded(colour, 1)
        return _mixed(_TO_RGB, torch.cat((luma, colour), 1))

    def _rounded(self, plane: Tensor, which: int) -> Tensor:
        """Round the frequencies of 8x8 blocks, `b c h w` about 0.

        The gradient passes the rounding straight where something remains.  Where nothing does, it fades with the square
        of what there was: a frequency far below half a step is silent, whichever way it is pushed.  It does not fade
        away, though, or what is silent could never be woken.
        """
        b, c, h, w = plane.shape
        whole = _padded(plane, _SIDE)
        rows, columns = whole.shape[2] // _SIDE, whole.shape[3] // _SIDE
        blocks = whole.reshape(b, c, rows, _SIDE, columns, _SIDE).transpose(3, 4)
        table = torch.tensor(self.steps[which], dtype=plane.dtype, device=plane.device).view(_SIDE, _SIDE) / LEVELS
        cosines = _COSINES.to(plane)
        heard = cosines @ blocks @ cosines.T / table
        fixed = heard.detach()
        fade = (2 * fixed.abs()).clamp(max=1).square().clamp(min=_FAINTEST)
        kept = (fixed.round() + fade * (heard - fixed)) * table
        back = cosines.T @ kept @ cosines
        return back.transpose(3, 4).reshape(whole.shape)[:, :, :h, :w]


def _mixed(table: Tensor, x: Tensor) -> Tensor:
    """Mix channels: `i j, b j h w -> b i h w`."""
    return torch.einsum("ij, b j h w -> b i h w", table.to(x), x)


def _padded(plane: Tensor, by: int) -> Tensor:
    """Repeat the last row and column up to a multiple, as encoders do."""
    return F.pad(plane, (0, -plane.shape[3] % by, 0, -plane.shape[2] % by), mode="replicate")


def _steps(storage: Storage) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Read the steps for luma and for colour from a file that the encoder itself has written."""
    file = BytesIO()
    storage.save(file, np.zeros((_SIDE, _SIDE, 3), np.uint8))
    with PIL.Image.open(file) as image:
        tables: dict[int, list[int]] = image.quantization  # type: ignore[attr-defined]
    return tuple(tables[0]), tuple(tables[1])
