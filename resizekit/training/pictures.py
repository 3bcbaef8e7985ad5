"""Hold training pictures in memory or in mapped files, and cut crops from them.

Each picture is a part of a flat array of bytes: pictures from a folder have an array each, those of a pack share one.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["CropSource", "Pictures", "fingerprint", "picture_digest"]

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]

_SAMPLES = 4096
"""Number of values of each picture that a digest reads; hashing all values would take seconds."""


class CropSource(Protocol):
    """Pictures from which crops can be read."""

    @property
    def sizes(self) -> Integers:
        """Height and width of each picture: `n 2`."""

    @property
    def digests(self) -> Bytes:
        """`picture_digest` of each picture: `n 32`."""

    @property
    def channels(self) -> int:
        """Number of channels, the same for all pictures."""

    def read(self, chosen: Integers, corner: Integers, symmetry: Integers, patch: int) -> Tensor:
        """Cut crops.

        Args:
            chosen: Index of a picture for each crop: `b`.
            corner: Top and left of each crop: `b 2`.
            symmetry: Bits of each crop: 1 flips horizontally, 2 vertically, 4 then transposes: `b`.
            patch: Side of a crop in pixels.

        Returns:
            `b c patch patch`, uint8, stored as `b patch patch c` (channels last).
        """


@dataclass(frozen=True)
class Pictures:
    """Pictures `h w c` of uint8 in the memory of the host, or in mapped files."""

    values: Sequence[Bytes]
    """Flat arrays that hold the pictures."""
    array: Integers
    """Index of the flat array of each picture: `n`."""
    offsets: Integers
    """Index of the first byte of each picture in its flat array: `n`."""
    sizes: Integers
    """Height and width of each picture: `n 2`."""
    digests: Bytes
    """`picture_digest` of each picture: `n 32`."""
    channels: int
    """Number of channels, the same for all pictures."""

    @classmethod
    def of(cls, pictures: Sequence[Bytes]) -> "Pictures":
        """Collect pictures `h w c` with the same number of channels, without a copy of contiguous arrays."""
        return cls(
            values=[picture.reshape(-1) for picture in pictures],
            array=np.arange(len(pictures)),
            offsets=np.zeros(len(pictures), np.int64),
            sizes=np.array([picture.shape[:2] for picture in pictures], np.int64),
            digests=np.frombuffer(b"".join(map(picture_digest, pictures)), np.uint8).reshape(-1, 32),
            channels=pictures[0].shape[2],
        )

    @classmethod
    def join(cls, parts: Sequence["Pictures"]) -> "Pictures":
        """Collect the pictures of several collections with the same number of channels, without a copy."""
        if len(parts) == 1:
            return parts[0]
        counts = np.cumsum([0, *(len(part.values) for part in parts)])
        return cls(
            values=[values for part in parts for values in part.values],
            array=np.concatenate([part.array + first for part, first in zip(parts, counts[:-1], strict=True)]),
            offsets=np.concatenate([part.offsets for part in parts]),
            sizes=np.concatenate([part.sizes for part in parts]),
            digests=np.concatenate([part.digests for part in parts]),
            channels=parts[0].channels,
        )

    def select(self, chosen: npt.NDArray[np.bool_]) -> "Pictures":
        """Return only some of the pictures: `n`."""
        columns = (self.array[chosen], self.offsets[chosen], self.sizes[chosen], self.digests[chosen])
        return self if chosen.all() else Pictures(self.values, *columns, self.channels)

    @property
    def is_mapped(self) -> bool:
        """Whether some pictures are in a mapped file, which can be larger than the memory."""
        return any(isinstance(values, np.memmap) for values in self.values)

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> Bytes:
        """Return a view of a picture: `h w c`."""
        first, (height, width) = int(self.offsets[index]), map(int, self.sizes[index])
        values = self.values[int(self.array[index])][first : first + height * width * self.channels]
        return values.reshape(height, width, self.channels)

    def read(self, chosen: Integers, corner: Integers, symmetry: Integers, patch: int) -> Tensor:
        """Cut crops; see `CropSource.read`."""
        crops = np.empty((len(chosen), patch, patch, self.channels), np.uint8)
        for crop, index, (top, left), bits in zip(crops, chosen, corner, symmetry, strict=True):
            cut = self[index][top : top + patch, left : left + patch]
            cut = cut[:, ::-1] if bits & 1 else cut
            cut = cut[::-1] if bits & 2 else cut
            crop[:] = cut.transpose(1, 0, 2) if bits & 4 else cut
        return torch.from_numpy(crops).permute(0, 3, 1, 2)


def picture_digest(picture: Bytes) -> bytes:
    """Hash the shape of a picture `h w c` and a sample of its values: 32 bytes of SHA-256."""
    values = picture.reshape(-1)
    sha = hashlib.sha256(f"{picture.shape}\n".encode())
    sha.update(values[:: max(1, values.size // _SAMPLES)].tobytes())
    return sha.digest()


def fingerprint(digests: Bytes) -> str:
    """Hash the digests of pictures, in order: 64 hexadecimal digits of SHA-256.

    Names and formats of the files do not matter: the same pixels in the same order lead to the same crops.
    """
    return hashlib.sha256(np.ascontiguousarray(digests).tobytes()).hexdigest()
