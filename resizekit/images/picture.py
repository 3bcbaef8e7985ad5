"""What a picture file holds: colours or the bands of a cube, perhaps alpha, perhaps a colour profile."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:  # the types alone: reading a manifest needs no torch
    from resizekit.images.value_range import ValueRange
    from resizekit.storage.formats import Pixels

__all__ = ["Mode", "Picture"]

Mode: TypeAlias = Literal["L", "RGB", "LA", "RGBA", "CUBE"]
"""Grey or colour, without or with alpha; another number of channels makes a cube."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A decoded picture, the right way up."""

    pixels: "Pixels"
    """Colours `h w c`, c = 1 (grey) or 3 (RGB), not premultiplied; any other c makes a cube."""
    given: "Pixels | None" = None
    """The colours that a storage is given so that reading its file gives `pixels`; None: `pixels` themselves."""
    alpha: "Pixels | None" = None
    """Opacity `h w`, 0 transparent to the largest code opaque; None: the file has no alpha channel."""
    icc: bytes | None = None
    """The ICC profile as the file has it; None: none, so sRGB is meant."""
    value_range: "ValueRange | None" = None
    """The lowest and the highest value that may be; None: those of the codes."""
    note: str | None = None
    """The text of the manifest in a small image, unchecked; None: none."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in the order that Pillow and manifests use."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def bits(self) -> Literal[8, 16, 32]:
        """Of a channel: 32 are float32."""
        if self.pixels.dtype == np.float32:
            return 32
        return 16 if self.pixels.dtype == np.uint16 else 8

    @property
    def mode(self) -> Mode:
        """Grey or colour, without or with alpha, or a cube."""
        if self.pixels.shape[2] not in (1, 3):
            return "CUBE"
        if self.pixels.shape[2] == 1:
            return "L" if self.alpha is None else "LA"
        return "RGB" if self.alpha is None else "RGBA"

    @property
    def digest(self) -> str:
        """SHA-256 over size, mode, colours and alpha: the same however the file is compressed."""
        deep = "" if self.bits == 8 else f" {self.bits}"
        sha = hashlib.sha256(f"{self.size[0]}x{self.size[1]} {self.mode}{deep}\n".encode())
        for codes in (self.pixels,) if self.alpha is None else (self.pixels, self.alpha):
            sha.update(codes.astype(codes.dtype.newbyteorder("<"), copy=False).tobytes())  # on every machine the same
        return sha.hexdigest()
