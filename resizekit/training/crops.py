"""Draw random training crops as a pure function of (seed, step).

No random generator keeps a state between steps. A resumed training therefore draws the same crops as an uninterrupted
one, and the state file does not need to store a generator.
"""

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from resizekit.errors import ConfigError
from resizekit.training.pictures import Bytes, CropSource, Integers, Pictures

__all__ = ["Crops", "PixelBuffer"]


@dataclass(frozen=True)
class PixelBuffer:
    """All training pictures in one flat byte tensor on a device, so that one gather reads a batch of crops."""

    values: Tensor
    """The uint8 values of all pictures, concatenated; each picture is `(h w c)`."""
    sizes: Integers
    """Height and width of each picture: `n 2`."""
    offsets: Integers
    """Index of the first byte of each picture: `n`."""
    digests: Bytes
    """`picture_digest` of each picture: `n 32`."""
    channels: int
    """Number of channels, the same for all pictures."""

    @classmethod
    def of(cls, pictures: Pictures, device: torch.device) -> "PixelBuffer":
        """Copy pictures to a device, one after another."""
        ends = np.cumsum(pictures.sizes.prod(1) * pictures.channels)
        values = torch.empty(int(ends[-1]), dtype=torch.uint8, device=device)
        offsets = np.concatenate([[0], ends[:-1]])
        for index in range(len(pictures)):
            values[offsets[index] : ends[index]] = torch.tensor(pictures[index]).reshape(-1)
        return cls(values, pictures.sizes, offsets, pictures.digests, pictures.channels)

    def read(self, chosen: Integers, corner: Integers, symmetry: Integers, patch: int) -> Tensor:
        """Cut crops; see `CropSource.read`.

        A symmetry is described by the index of the first byte and two strides.
        """
        layout = np.stack(self._layout(chosen, corner, symmetry, patch))
        device = self.values.device
        first, down, across = torch.from_numpy(layout).to(device, non_blocking=True)[:, :, None, None, None]
        row, column, channel = _grid(patch, self.channels, device)
        offsets = first + down * row + across * column + channel
        return self.values[offsets].permute(0, 3, 1, 2)

    def _layout(
        self, chosen: Integers, corner: Integers, symmetry: Integers, patch: int
    ) -> tuple[Integers, Integers, Integers]:
        """Return for each crop its first byte, its stride to the row below and its stride to the pixel on the right."""
        pixel = np.full(len(chosen), self.channels)
        row = self.sizes[chosen, 1] * self.channels
        flip_horizontal, flip_vertical, transpose = ((symmetry & bit) > 0 for bit in (1, 2, 4))
        last = patch - 1
        first = self.offsets[chosen] + corner[:, 0] * row + corner[:, 1] * pixel
        first += flip_vertical * last * row + flip_horizontal * last * pixel
        row, pixel = np.where(flip_vertical, -row, row), np.where(flip_horizontal, -pixel, pixel)
        return first, np.where(transpose, pixel, row), np.where(transpose, row, pixel)


@functools.lru_cache(maxsize=16)
def _grid(patch: int, channels: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return the rows, columns and channels of a crop, which broadcast to `patch patch c`."""
    along = torch.arange(patch, device=device)
    return along[:, None, None], along[None, :, None], torch.arange(channels, device=device)


class Crops:
    """Random square crops in random orientation (section 4.1 of the paper).

    Within a batch, each crop comes from a different picture, unless the batch is larger than the number of pictures.
    Each crop is flipped and rotated to one of the eight symmetries of the square.

    Args:
        source: The training pictures. Pictures smaller than a crop are never drawn.
        patch: Side of a crop in pixels.
        seed: Seed of the random draws.

    Raises:
        ConfigError: If no picture is large enough for a crop.
    """

    def __init__(self, source: CropSource, *, patch: int, seed: int) -> None:
        self.patch, self.seed, self._source = patch, seed, source
        self._large = np.flatnonzero(source.sizes.min(1) >= patch)
        if not len(self._large):
            raise ConfigError(f"no picture is large enough for a crop of {patch} pixels; set a smaller train.patch")
        self._positions = source.sizes[self._large] - patch + 1
        positions = self._positions.prod(1)
        self._probabilities = positions / positions.sum()

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
        replace = size > len(self._large)
        chosen = random.choice(len(self._large), size, replace=replace, p=self._probabilities)
        position = random.random((size, 2))
        symmetry = random.integers(0, 8, size)
        corner = (position * self._positions[chosen]).astype(np.int64)  # top, left
        part = slice(share[0], None, share[1])
        return self._source.read(self._large[chosen][part], corner[part], symmetry[part], self.patch)
