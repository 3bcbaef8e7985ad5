"""What a picture file holds: 8-bit colours, perhaps alpha, perhaps a colour profile."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:  # the type alone: reading a manifest needs no torch
    from resizekit.convert import Pixels

__all__ = ["Mode", "Picture"]

Mode: TypeAlias = Literal["L", "RGB", "LA", "RGBA"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A decoded picture, the right way up."""

    pixels: "Pixels"
    """Colours `h w c`, c = 1 (grey) or 3 (RGB), not premultiplied."""
    given: "Pixels | None" = None
    """The colours that a storage is given so that reading its file gives `pixels`; None: `pixels` themselves."""
    alpha: "Pixels | None" = None
    """Opacity `h w`, 0 transparent to 255 opaque; None: the file has no alpha channel."""
    icc: bytes | None = None
    """The ICC profile as the file has it; None: none, so sRGB is meant."""
    note: str | None = None
    """The text of the manifest in a small image, unchecked; None: none."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in the order that Pillow and manifests use."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def mode(self) -> Mode:
        """Grey or colour, without or with alpha."""
        if self.pixels.shape[2] == 1:
            return "L" if self.alpha is None else "LA"
        return "RGB" if self.alpha is None else "RGBA"

    @property
    def digest(self) -> str:
        """SHA-256 over size, mode, colours and alpha: the same however the file is compressed."""
        sha = hashlib.sha256(f"{self.size[0]}x{self.size[1]} {self.mode}\n".encode())
        sha.update(self.pixels.tobytes())
        if self.alpha is not None:
            sha.update(self.alpha.tobytes())
        return sha.hexdigest()
