"""File formats for low.

A compression declares its format as `storage`; the default is an 8-bit PNG. Any format that Pillow can write and read
needs only a `Storage`. For another one, inherit `Storage` and override `save` and `read`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import PIL.Image

from resizekit.errors import ImageError, MissingExtraError
from resizekit.system.printable import escaped

__all__ = ["PNG", "WEBP", "Pixels", "Storage", "peak"]

Pixels: TypeAlias = npt.NDArray[np.uint8 | np.uint16 | np.float32]
"""Pixel values of 8 or 16 bits, `h w` or `h w c`; also float32, where the documentation allows it."""


_PEAKS = {"uint8": 255, "uint16": 65535}


def peak(pixels: Pixels) -> int:
    """Return the largest value of the type of an image: 255, 65535, or 1 for floats."""
    return _PEAKS.get(str(pixels.dtype), 1)


@dataclass(frozen=True, kw_only=True)
class Storage:
    """A file format with its settings.

    Examples:
        >>> options = {"lossless": True, "exact": True}
        >>> webp = Storage(format="WEBP", suffixes=(".webp",), options=options, exact=True, channels=(3,))
        >>> pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
        >>> np.array_equal(webp.read_back(pixels), pixels)
        True
    """

    format: str
    """Pillow's name of the format, such as "JPEG"."""
    suffixes: tuple[str, ...]
    """Allowed file name suffixes, with the dot, in lower case. Folders use the first."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Pillow's options for writing. The same pixel values must always become the same file."""
    exact: bool = False
    """True: the format is lossless. False: it is lossy, so low is encoded and decoded in memory, too."""
    channels: tuple[int, ...] = (1, 3)
    """The numbers of channels that low may have: 1 for grey, 3 for RGB."""
    alpha: bool = False
    """Whether the format stores transparency exactly, without an effect on the colours."""
    icc: bool = True
    """Whether the format stores an ICC colour profile."""
    bits: Literal[8, 16] = 8
    """Bits of a channel: 8 for uint8, 16 for uint16."""

    def save(self, target: Path | BinaryIO, pixels: Pixels, **more: Any) -> None:
        """Write an image.

        Args:
            target: A path or an open file.
            pixels: `h w c`, with alpha as the last channel if there is any.
            **more: Further options of Pillow for this file.

        Examples:
            >>> PNG.save(BytesIO(), np.zeros((2, 3, 1), np.uint8))
        """
        image = PIL.Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        image.save(target, self.format, **{**self.options, **more})

    def read(self, file: BinaryIO) -> Pixels:
        """Read the pixel values of a file: `h w` or `h w c`."""
        with PIL.Image.open(file, formats=[self.format]) as image:
            return np.array(image)

    def encode(self, pixels: Pixels) -> bytes:
        """Return the bytes of a file without metadata: `h w c`."""
        file = BytesIO()
        self.save(file, pixels)
        return file.getvalue()

    def decode(self, data: bytes, like: Pixels) -> Pixels:
        """Return the pixel values of a file's bytes, in the shape of `like`, `h w c`."""
        return self.read(BytesIO(data)).reshape(like.shape)

    def read_back(self, pixels: Pixels) -> Pixels:
        """Write an image to a file in memory and read it: `h w c -> h w c`.

        Raises:
            ImageError: If the format cannot hold the image.
            MissingExtraError: If the format needs an optional dependency that is not installed.

        Examples:
            >>> pixels = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
            >>> np.array_equal(PNG.read_back(pixels), pixels)
            True
        """
        height, width, channels = pixels.shape
        file = BytesIO()
        try:
            self.save(file, pixels)
            file.seek(0)
            read = self.read(file).reshape(height, width, -1)
        except MissingExtraError:
            raise
        except Exception as error:  # encoders raise errors of any class
            reason = escaped(error, 160) or type(error).__name__
            raise ImageError(
                f"a {self.format} cannot hold {width}x{height} pixels of {channels} channel(s) ({reason}): "
                "use weights with another compression, or a smaller image"
            ) from None
        if read.shape != pixels.shape:
            raise ImageError(
                f"a {self.format} returns {read.shape[2]} channel(s) for {channels}: "
                "use weights with another compression"
            )
        return read


PNG = Storage(format="PNG", suffixes=(".png",), exact=True, alpha=True)
"""8 bits per channel, exact, with any alpha."""
WEBP = Storage(
    format="WEBP",
    suffixes=(".webp",),
    # exact: the colours of transparent pixels stay as well
    options={"lossless": True, "exact": True, "quality": 80, "method": 4},
    exact=True,
    channels=(3,),
    alpha=True,
)
"""Lossless WebP of 8 bits per channel, RGB with any alpha. Higher settings take 3 to 30 times longer for 2 %."""
