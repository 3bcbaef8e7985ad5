"""Lossy formats that round the frequencies of blocks: the gradient, and an estimate of the bits.

    low ─► uint8 ─► the file, written and read ─► low as the decoder sees it
      └ ─ ─ ─ ─ ─ ─ smooth: the same steps in tensors ─ ─ ─ ─ ─┘   only for the gradient

The value is that of the file, because the encoder stores information in differences that are smaller than the error of
an approximation. The gradient must follow the format too: with a straight-through gradient, the encoder continues to
write into colours and frequencies that the file drops, and training fails.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias, TypeVar

import torch
import torch.nn.functional as F
from pydantic import BaseModel
from torch import Tensor, nn

from resizekit.ops.quantize import LEVELS
from resizekit.storage.compressions import CompressionModule, Lossy
from resizekit.storage.formats import Storage

__all__ = ["SIDE", "BlockCoded", "SeveralQualities", "Steps", "at_qualities", "pad_blocks", "to_ycc"]

# From RGB to luma and two colour differences, as in the JFIF standard, and back.
_TO_YCC = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
_TO_RGB = torch.linalg.inv(_TO_YCC)
SIDE = 8
"""Side of the blocks in pixels."""
_MIN_GRADIENT = 0.25
"""The share of the gradient that reaches a frequency with the value 0."""
_MID_GREY = 128 / LEVELS
"""The value of a decoded block whose frequencies are all 0."""
_COSINES = torch.tensor(
    [
        [math.cos((2 * x + 1) * k * math.pi / (2 * SIDE)) * math.sqrt((1 if k == 0 else 2) / SIDE) for x in range(SIDE)]
        for k in range(SIDE)
    ]
)  # orthonormal: its inverse is its transpose

Steps: TypeAlias = Sequence[float]
"""Quantization steps in pixel values: of each of the 64 frequencies, or one for all."""


class BlockCoded(Lossy, ABC):
    """A lossy format that rounds the frequencies of 8x8 blocks, or that such a rounding approximates.

    Args:
        storage: The file format with its settings.
        halves_colour: Whether the format halves the colour resolution (4:2:0).
    """

    def __init__(self, storage: Storage, *, halves_colour: bool) -> None:
        super().__init__(storage)
        self.halves_colour = halves_colour

    @property
    @abstractmethod
    def steps(self) -> tuple[Steps, Steps]:
        """Quantization steps for luma and for colour."""

    def smooth(self, low: Tensor) -> Tensor:
        """Approximate the format with a gradient: `b c h w -> b c h w`, close to the values of a file."""
        h, w = low.shape[2:]
        planes = self._frequencies(low)
        luma, *colour = (_from_blocks(_round_fading(x) * step, size) for x, step, size in planes)
        luma = luma + _MID_GREY
        if not colour:
            return luma
        both = colour[0]
        if self.halves_colour:
            both = F.interpolate(both, scale_factor=2, mode="bilinear")[:, :, :h, :w]
        return _mixed(_TO_RGB, torch.cat((luma, both), 1))

    def bits(self, low: Tensor) -> Tensor:
        """Estimate the bits per value of a file: `b c h w -> b`. Gradients flow.

        It is the sum of log2(1 + |frequency|), in units of the steps. The first frequency of a block, its mean, counts
        as the difference from the block to the left. Frequencies are not rounded: one that is rounded to 0 would have
        no gradient, and the encoder would bring it into the file. The estimate ranks images; it is not a size.

        Args:
            low: Low before the compression, float in [0, 1].
        """
        total = low.new_zeros(len(low), dtype=torch.float32)
        with torch.autocast(low.device.type, enabled=False):
            for values, _, _ in self._frequencies(low.float()):
                mean = values[..., :1, :1]
                left = F.pad(mean, (0, 0, 0, 0, 1, 0))[:, :, :, :-1]
                changes = torch.cat((values.flatten(4)[..., 1:], (mean - left).flatten(4)), 4)
                total = total + (1 + changes.abs()).log2().sum((1, 2, 3, 4))
        return total / math.prod(low.shape[1:])

    def _frequencies(self, low: Tensor) -> Iterator[tuple[Tensor, Tensor, tuple[int, int]]]:
        """Yield the frequencies `b c rows columns 8 8` of luma and of colour, in steps, the steps, and the size."""
        if low.shape[1] != 3:
            yield _to_blocks(low - _MID_GREY, self.steps[0])
            return
        ycc = to_ycc(low)
        yield _to_blocks(ycc[:, :1] - _MID_GREY, self.steps[0])
        colour = ycc[:, 1:]
        yield _to_blocks(F.avg_pool2d(pad_blocks(colour, 2), 2) if self.halves_colour else colour, self.steps[1])


class SeveralQualities(CompressionModule):
    """One format at several qualities: training divides each batch among them, and use has one quality.

    Args:
        used: The quality that files get.
        trained: The qualities of training, at least one.
    """

    adds_guide = True

    def __init__(self, used: BlockCoded, trained: Sequence[BlockCoded]) -> None:
        super().__init__()
        self.used, self.trained = used, nn.ModuleList(trained)
        self.storage, self.qualities = used.storage, used.qualities

    def forward(self, low: Tensor, guide: Tensor | None = None) -> Tensor:
        """Write `low + guide` to a file in memory and read it: `b c h w -> b c h w`."""
        if not self.training:
            return self.used.forward(low, guide)
        sums = self._parts(low if guide is None else low + guide)
        return torch.cat([form.forward(part) for form, part in sums])

    def bits(self, low: Tensor) -> Tensor:
        """Estimate the bits per value of a file, as `BlockCoded`: `b c h w -> b`.

        In training, the bits of a coarse quality count more than those of a fine one, in proportion to its steps: a
        coarse quality gives up more error for a bit, as encoders of video do.
        """
        if not self.training:
            return self.used.bits(low)
        scale = self.used.steps[0][0]
        return torch.cat([form.bits(part) * (form.steps[0][0] / scale) for form, part in self._parts(low)])

    def _parts(self, batch: Tensor) -> Iterator[tuple[BlockCoded, Tensor]]:
        """Divide a batch among the qualities; one smaller than their number goes to the first of them."""
        for form, part in zip(self.trained, batch.chunk(len(self.trained)), strict=False):
            assert isinstance(form, BlockCoded)
            yield form, part


O = TypeVar("O", bound=BaseModel)  # noqa: E741 - options


def at_qualities(make: Callable[[O], BlockCoded], options: O, trained: Sequence[int]) -> CompressionModule:
    """Build a format at the quality of its options, and for training at others, if there are any."""
    used = make(options)
    if not trained:
        return used
    return SeveralQualities(used, [make(options.model_copy(update={"quality": quality})) for quality in trained])


def to_ycc(rgb: Tensor) -> Tensor:
    """Convert RGB to luma and two colour differences: `b 3 h w -> b 3 h w`."""
    return _mixed(_TO_YCC, rgb)


def pad_blocks(plane: Tensor, side: int) -> Tensor:
    """Repeat the last row and column up to a multiple of `side`, as encoders do: `b c h w -> b c h' w'`."""
    return F.pad(plane, (0, -plane.shape[3] % side, 0, -plane.shape[2] % side), mode="replicate")


def _to_blocks(plane: Tensor, steps: Steps) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Return the frequencies of 8x8 blocks, in units of their steps: `b c h w` around 0 -> `b c rows columns 8 8`."""
    b, c, h, w = plane.shape
    padded = pad_blocks(plane, SIDE)
    rows, columns = padded.shape[2] // SIDE, padded.shape[3] // SIDE
    blocks = padded.reshape(b, c, rows, SIDE, columns, SIDE).transpose(3, 4)
    table = torch.tensor(steps, dtype=plane.dtype, device=plane.device) / LEVELS
    table = table.view(SIDE, SIDE) if table.numel() > 1 else table
    cosines = _COSINES.to(plane)
    return cosines @ blocks @ cosines.T / table, table, (h, w)


def _round_fading(frequencies: Tensor) -> Tensor:
    """Round frequencies in units of their steps, with a gradient.

    The gradient is 1 where a frequency survives the rounding. Where it is rounded to 0, the gradient shrinks with the
    square of its value, as a small change does not bring it into the file. The gradient never becomes 0: otherwise the
    encoder could not learn to use that frequency.
    """
    values = frequencies.detach()
    gradient = (2 * values.abs()).clamp(max=1).square().clamp(min=_MIN_GRADIENT)
    return values.round() + gradient * (frequencies - values)


def _from_blocks(frequencies: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the plane of some frequencies: `b c rows columns 8 8 -> b c h w`."""
    cosines = _COSINES.to(frequencies)
    b, c, rows, columns = frequencies.shape[:4]
    decoded = (cosines.T @ frequencies @ cosines).transpose(3, 4)
    return decoded.reshape(b, c, rows * SIDE, columns * SIDE)[:, :, : size[0], : size[1]]


def _mixed(table: Tensor, x: Tensor) -> Tensor:
    """Mix channels: `i j, b j h w -> b i h w`."""
    return torch.einsum("ij, b j h w -> b i h w", table.to(x), x)
