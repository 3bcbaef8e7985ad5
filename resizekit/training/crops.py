"""Draw random training crops as a pure function of (seed, step).

No random generator keeps a state between steps. A resumed training therefore draws the same crops as an uninterrupted
one, and the state file does not need to store a generator.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from resizekit.errors import ConfigError

__all__ = ["Crops", "PixelBuffer"]

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PixelBuffer:
    """All training pictures in one flat byte tensor on a device, so that one gather reads a batch of crops."""

    values: Tensor
    """The uint8 values of all pictures, concatenated; each picture is `(h w c)`."""
    sizes: Integers
    """Height and width of each picture: `n 2`."""
    offsets: Integers
    """Index of the first byte of each picture: `n`."""
    channels: int
    """Number of channels, the same for all pictures."""

    @classmethod
    def of(cls, pictures: Sequence[Tensor], device: torch.device) -> "PixelBuffer":
        """Copy pictures to a device.

        Args:
            pictures: `c h w`, uint8, with the same number of channels. Heights and widths can differ.
            device: Device of the buffer.
        """
        return cls(
            values=torch.cat([p.permute(1, 2, 0).reshape(-1) for p in pictures]).to(device),
            sizes=np.array([p.shape[1:] for p in pictures]),
            offsets=np.cumsum([0, *(p.numel() for p in pictures[:-1])]),
            channels=pictures[0].shape[0],
        )


class Crops:
    """Random square crops in random orientation (section 4.1 of the paper).

    Within a batch, each crop comes from a different picture, unless the batch is larger than the number of pictures.
    Each crop is flipped and rotated to one of the eight symmetries of the square. In the flat buffer, a symmetry is
    described by the index of the first byte and two strides.

    Args:
        buffer: The training pictures. Pictures smaller than a crop are never drawn.
        patch: Side of a crop in pixels.
        seed: Seed of the random draws.

    Raises:
        ConfigError: If no picture is large enough for a crop.
    """

    def __init__(self, buffer: PixelBuffer, *, patch: int, seed: int) -> None:
        self.patch, self.seed, self.channels = patch, seed, buffer.channels
        large = buffer.sizes.min(1) >= patch
        if not large.any():
            raise ConfigError(f"no picture is large enough for a crop of {patch} pixels; set a smaller train.patch")
        self._values, self._sizes, self._offsets = buffer.values, buffer.sizes[large], buffer.offsets[large]
        positions = (self._sizes - patch + 1).prod(1)
        self._probabilities = positions / positions.sum()
        device = buffer.values.device
        along = torch.arange(patch, device=device)
        self._row, self._column = along[:, None, None], along[None, :, None]
        self._channel = torch.arange(self.channels, device=device)

    def batch(self, step: int, size: int, *, share: tuple[int, int] = (0, 1)) -> Tensor:
        """Return the crops of one step.

        Args:
            step: Index of the training step.
            size: Number of crops in the batch, over all processes.
            share: (index of this process, number of processes). Each process receives its share of the same batch.

        Returns:
            `b c patch patch`, uint8, stored as `b patch patch c` (channels last).
        """
        random = np.random.Generator(np.random.Philox(key=np.array([self.seed, step], np.uint64)))
        replace = size > len(self._sizes)
        chosen = random.choice(len(self._sizes), size, replace=replace, p=self._probabilities)
        position = random.random((size, 2))
        symmetry = random.integers(0, 8, size)
        index, count = share
        layout = np.stack([column[index::count] for column in self._layout(chosen, position, symmetry)])
        first, down, across = torch.from_numpy(layout).to(self._values.device, non_blocking=True)[
            :, :, None, None, None
        ]
        offsets = first + down * self._row + across * self._column + self._channel
        return self._values[offsets].permute(0, 3, 1, 2)

    def _layout(
        self, chosen: Integers, position: npt.NDArray[np.float64], symmetry: Integers
    ) -> tuple[Integers, Integers, Integers]:
        """Return for each crop its first byte, its stride to the row below and its stride to the pixel on the right."""
        corner = (position * (self._sizes[chosen] - self.patch + 1)).astype(np.int64)  # top, left
        pixel = np.full(len(chosen), self.channels)
        row = self._sizes[chosen, 1] * self.channels
        flip_horizontal, flip_vertical, transpose = ((symmetry & bit) > 0 for bit in (1, 2, 4))
        last = self.patch - 1
        first = self._offsets[chosen] + corner[:, 0] * row + corner[:, 1] * pixel
        first += flip_vertical * last * row + flip_horizontal * last * pixel
        row, pixel = np.where(flip_vertical, -row, row), np.where(flip_horizontal, -pixel, pixel)
        return first, np.where(transpose, pixel, row), np.where(transpose, row, pixel)
