"""A decoded picture file: colours or the bands of a cube, and optionally alpha, colour profile and manifest."""

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

import numpy as np

from resizekit.pictures.metadata import NO_METADATA, Metadata, MetadataPolicy, filter_metadata
from resizekit.spec import HW
from resizekit.system.scratch import bands, release

if TYPE_CHECKING:  # types only: reading a manifest does not need torch
    from resizekit.pictures.value_range import ValueRange
    from resizekit.storage.formats import Pixels

__all__ = ["Mode", "Picture"]

Mode: TypeAlias = Literal["L", "RGB", "LA", "RGBA", "CUBE"]
"""Grey or colour, without or with alpha; any other number of channels is a cube."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A decoded picture with its EXIF orientation applied."""

    pixels: "Pixels"
    """Colours `h w c`, c = 1 (grey) or 3 (RGB), not premultiplied; any other c is a cube."""
    encoder_pixels: "Pixels | None" = None
    """Input of a lossy file format, which decodes to `pixels`; None: `pixels` themselves."""
    alpha: "Pixels | None" = None
    """Opacity `h w`, from 0 (transparent) to the largest integer value (opaque); None: no alpha channel."""
    icc: bytes | None = None
    """ICC profile of the file; None: no profile, which means sRGB."""
    metadata: Metadata = NO_METADATA
    """EXIF, XMP and resolution, without the orientation."""
    value_range: "ValueRange | None" = None
    """Lowest and highest possible value; None: the range of the integer type."""
    embedded_manifest: str | None = None
    """Text of the manifest in a small image, not validated; None: the file has no manifest."""

    @property
    def hw(self) -> HW:
        """Height and width in pixels."""
        return HW(*self.pixels.shape[:2])

    @property
    def bits(self) -> Literal[8, 16, 32]:
        """Bits per channel; 32 means float32."""
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

    def with_metadata(self, policy: MetadataPolicy) -> Self:
        """Return the picture with the metadata that a policy keeps."""
        return replace(self, metadata=filter_metadata(self.metadata, policy))

    @property
    def digest(self) -> str:
        """SHA-256 over size, mode, colours and alpha; it does not depend on the compression of the file."""
        depth = "" if self.bits == 8 else f" {self.bits}"
        sha = hashlib.sha256(f"{self.hw.w}x{self.hw.h} {self.mode}{depth}\n".encode())
        for array in (self.pixels,) if self.alpha is None else (self.pixels, self.alpha):
            for rows in bands(array.shape, array.itemsize):
                # little-endian, so that every machine computes the same digest
                sha.update(array[rows].astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
                release(array)
        return sha.hexdigest()
