"""Pictures held as 8-bit tensors, and crops of them that are a pure function of (seed, step).

No generator state exists, so none has to be stored: step 5000 sees the same crops, interrupted before or not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from resizekit.errors import ConfigError, ImageError
from resizekit.evaluation.metrics import luma
from resizekit.images.find import find_pictures
from resizekit.images.read import read_picture

__all__ = ["Crops", "load_pictures"]


@dataclass
class Loaded:
    """Pictures `c h w` uint8, and the files that were left out, each with the reason."""

    pictures: list[Tensor] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def load_pictures(paths: Iterable[Path], channels: int, *, smallest: int = 1) -> Loaded:
    """Read every picture below the given files and folders: `c h w`, uint8, in the order of their names.

    With one channel a colour picture becomes its luma.  Broken pictures and those with a side under `smallest` are left
    out and named.  Raises `ConfigError` if nothing usable remains.
    """
    if channels not in (1, 3):
        raise ConfigError(f"pictures have 1 or 3 channels, this codec's high has {channels}")
    given = list(paths)
    if not given:
        raise ConfigError("no pictures are named to learn from; name folders in train.data or with --data")
    loaded = Loaded()
    for path in find_pictures(given):
        try:
            pixels = read_picture(path).pixels
        except ImageError as error:
            loaded.skipped.append(str(error))
            continue
        if min(pixels.shape[:2]) < smallest:
            size = f"{pixels.shape[1]}x{pixels.shape[0]}"
            loaded.skipped.append(f"{path} is {size}, smaller than the {smallest} pixels a side that it takes")
            continue
        if channels == 1:
            pixels = luma(pixels)[:, :, None]
        elif pixels.shape[2] == 1:
            pixels = pixels.repeat(3, axis=2)
        loaded.pictures.append(torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))))
    if not loaded.pictures:
        where = ", ".join(str(path) for path in given)
        reason = f" ({len(loaded.skipped)} left out; the first: {loaded.skipped[0]})" if loaded.skipped else ""
        raise ConfigError(f"no usable picture in {where}{reason}; name a folder of pictures")
    return loaded


class Crops:
    """Random crops, flipped and turned, each from another picture where there are enough (4.1)."""

    def __init__(self, pictures: Sequence[Tensor], *, patch: int, seed: int, device: torch.device) -> None:
        self.patch, self.seed = patch, seed
        self.pictures = [p.to(device) for p in pictures if min(p.shape[1:]) >= patch]
        if not self.pictures:
            raise ConfigError(f"no picture is as large as a crop of {patch}; use a smaller patch")
        sizes = [(p.shape[1] - patch + 1) * (p.shape[2] - patch + 1) for p in self.pictures]
        self._chance = np.array(sizes, dtype=np.float64) / sum(sizes)

    def batch(self, step: int, size: int, *, part: tuple[int, int] = (0, 1)) -> Tensor:
        """Give the crops of one step: `b c patch patch`, uint8 codes.

        `part` = (which, of how many) takes one process's share of the same batch.
        """
        random = np.random.Generator(np.random.Philox(key=np.array([self.seed, step], np.uint64)))
        replace = size > len(self.pictures)
        chosen = random.choice(len(self.pictures), size, replace=replace, p=self._chance)
        place = random.random((size, 2))
        turns = random.integers(0, 8, size)
        crops = []
        for i in range(part[0], size, part[1]):
            picture = self.pictures[chosen[i]]
            top = int(place[i, 0] * (picture.shape[1] - self.patch + 1))
            left = int(place[i, 1] * (picture.shape[2] - self.patch + 1))
            crop = picture[:, top : top + self.patch, left : left + self.patch]
            crops.append(_turn(crop, int(turns[i])))
        return torch.stack(crops)


def _turn(crop: Tensor, which: int) -> Tensor:
    """One of the eight symmetries of a square."""
    if which & 1:
        crop = crop.flip(2)
    if which & 2:
        crop = crop.flip(1)
    return crop.transpose(1, 2) if which & 4 else crop
