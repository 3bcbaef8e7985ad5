"""Pictures held as 8-bit tensors, and crops of them that are a pure function of (seed, step).

No generator state exists, so none has to be stored: step 5000 sees the same crops, interrupted before or not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from resizekit.codec.convert import with_bits
from resizekit.errors import ConfigError, ImageError, MissingExtraError
from resizekit.evaluation.channels import read_values
from resizekit.images.io.find import find_pictures
from resizekit.images.value_range import ValueRange

__all__ = ["Crops", "PixelBuffer", "load_pictures"]

Places = npt.NDArray[np.int64]


@dataclass
class Loaded:
    """Pictures `c h w` uint8, and the files that were left out, each with the reason."""

    pictures: list[Tensor] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def load_pictures(
    paths: Iterable[Path],
    channels: int,
    *,
    folds: bool = False,
    smallest: int = 1,
    value_range: ValueRange | None = None,
) -> Loaded:
    """Read every picture below the given files and folders: `c h w`, uint8, in the order of their names.

    Those of more bits are rounded to 8; `value_range` is the range of their values, which float32 needs.  With one channel a
    colour picture becomes its luma; channels other than 1 and 3 are those of cubes.  Broken pictures, those of other
    channels, grey ones where `folds` says that channels are folded, and those with a side under `smallest` are left
    out and named.  Raises `ConfigError` if nothing usable
    remains.
    """
    given = list(paths)
    if not given:
        raise ConfigError("no pictures are named to learn from; name folders in train.data or with --data")
    loaded = Loaded()
    for path in find_pictures(given):
        try:
            pixels = with_bits(read_values(path, channels, folds=folds, value_range=value_range), 8)
        except (ImageError, MissingExtraError) as error:
            loaded.skipped.append(str(error))
            continue
        if min(pixels.shape[:2]) < smallest:
            size = f"{pixels.shape[1]}x{pixels.shape[0]}"
            loaded.skipped.append(f"{path} is {size}, smaller than the {smallest} pixels a side that it takes")
            continue
        loaded.pictures.append(torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))))
    if not loaded.pictures:
        where = ", ".join(str(path) for path in given)
        reason = f" ({len(loaded.skipped)} left out; the first: {loaded.skipped[0]})" if loaded.skipped else ""
        raise ConfigError(f"no usable picture in {where}{reason}; name a folder of pictures")
    return loaded


@dataclass(frozen=True)
class PixelBuffer:
    """Pictures in one row of bytes on a device, where one gather takes a whole batch of crops."""

    codes: Tensor
    """All pictures as `(h w c)`, one after another."""
    sides: Places
    """Height and width of each: `n 2`."""
    starts: Places
    """First byte of each: `n`."""
    channels: int

    @classmethod
    def of(cls, pictures: Sequence[Tensor], device: torch.device) -> "PixelBuffer":
        """Take pictures `c h w`, uint8, onto a device."""
        return cls(
            codes=torch.cat([p.permute(1, 2, 0).reshape(-1) for p in pictures]).to(device),
            sides=np.array([p.shape[1:] for p in pictures]),
            starts=np.cumsum([0, *(p.numel() for p in pictures[:-1])]),
            channels=pictures[0].shape[0],
        )


class Crops:
    """Random crops, flipped and turned, each from another picture where there are enough (4.1).

    A crop in any of its eight symmetries is a first byte and two strides.
    """

    def __init__(self, held: PixelBuffer, *, patch: int, seed: int) -> None:
        self.patch, self.seed, self.channels = patch, seed, held.channels
        large = held.sides.min(1) >= patch
        if not large.any():
            raise ConfigError(f"no picture is as large as a crop of {patch}; use a smaller patch")
        self._bytes, self._sides, self._starts = held.codes, held.sides[large], held.starts[large]
        sizes = (self._sides - patch + 1).prod(1)
        self._chance = sizes / sizes.sum()
        device = held.codes.device
        along = torch.arange(patch, device=device)
        self._row, self._column = along[:, None, None], along[None, :, None]
        self._channel = torch.arange(self.channels, device=device)

    def batch(self, step: int, size: int, *, part: tuple[int, int] = (0, 1)) -> Tensor:
        """Give the crops of one step: `b c patch patch`, uint8 codes that lie in memory as `b patch patch c`.

        `part` = (which, of how many) takes one process's share of the same batch.
        """
        random = np.random.Generator(np.random.Philox(key=np.array([self.seed, step], np.uint64)))
        replace = size > len(self._sides)
        chosen = random.choice(len(self._sides), size, replace=replace, p=self._chance)
        place = random.random((size, 2))
        turns = random.integers(0, 8, size)
        first, down, across = (way[part[0] :: part[1]] for way in self._ways(chosen, place, turns))
        ways = torch.from_numpy(np.stack((first, down, across))).to(self._bytes.device, non_blocking=True)
        first, down, across = ways[:, :, None, None, None]
        index = first + down * self._row + across * self._column + self._channel
        return self._bytes[index].permute(0, 3, 1, 2)

    def _ways(self, chosen: Places, place: npt.NDArray[np.float64], turns: Places) -> tuple[Places, Places, Places]:
        """For each crop its first byte, and how many bytes on the next pixel below and the next to the right are."""
        corner = (place * (self._sides[chosen] - self.patch + 1)).astype(np.int64)  # top, left
        pixel = np.full(len(chosen), self.channels)
        row = self._sides[chosen, 1] * self.channels
        left_right, upside_down, transposed = ((turns & bit) > 0 for bit in (1, 2, 4))
        far = self.patch - 1
        first = self._starts[chosen] + corner[:, 0] * row + corner[:, 1] * pixel
        first += upside_down * far * row + left_right * far * pixel
        row, pixel = np.where(upside_down, -row, row), np.where(left_right, -pixel, pixel)
        return first, np.where(transposed, pixel, row), np.where(transposed, row, pixel)
