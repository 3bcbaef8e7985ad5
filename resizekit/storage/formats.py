"""Storage: the picture format that low is kept in.

A compression says it by its attribute `storage`; one that says nothing is kept as a PNG.  Whatever Pillow writes and
reads will do, so that a plugin can offer another format in a few lines; one that Pillow cannot write inherits `Storage`
and says how by `save` and `read`.
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

__all__ = ["PNG", "Pixels", "Storage"]

Pixels: TypeAlias = npt.NDArray[np.uint8 | np.uint16 | np.float32]
"""Codes of 8 or 16 bits, `h w` or `h w c`; float32 where it is said."""


@dataclass(frozen=True, kw_only=True)
class Storage:
    """A picture format with its settings."""

    format: str
    """Pillow's name of it, such as "JPEG"."""
    suffixes: tuple[str, ...]
    """What its files may be called, each with its dot, in small letters; in a folder they get the first."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What Pillow is told when it writes; the same codes must always become the same picture."""
    exact: bool = False
    """True: reading gives back every code.  False: low in memory goes through the format too, to be what is stored."""
    channels: tuple[int, ...] = (1, 3)
    """How many channels low may have: 1 for grey, 3 for RGB."""
    alpha: bool = False
    """Whether it holds transparency, exactly, and the same colours with it as without."""
    icc: bool = True
    """Whether it holds a colour profile."""
    bits: Literal[8, 16] = 8
    """Of a channel: the codes are uint8 or uint16."""

    def save(self, target: Path | BinaryIO, pixels: Pixels, **more: Any) -> None:
        """Write a picture `h w c`, with alpha last if it has any; `more` are further options of Pillow's."""
        image = PIL.Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        image.save(target, self.format, **{**self.options, **more})

    def read(self, file: BinaryIO) -> Pixels:
        """Read the codes of a file: `h w` or `h w c`."""
        with PIL.Image.open(file, formats=[self.format]) as image:
            return np.array(image)

    def read_back(self, pixels: Pixels) -> Pixels:
        """Give what a file of these codes holds: `h w c -> h w c`, through a real one in memory.

        Raises `ImageError` for what the format cannot hold.
        """
        height, width, channels = pixels.shape
        file = BytesIO()
        try:
            self.save(file, pixels)
            file.seek(0)
            read = self.read(file).reshape(height, width, -1)
        except MissingExtraError:
            raise
        except Exception as error:  # encoders raise whatever they like
            reason = " ".join(str(error).split())[:160] or type(error).__name__
            raise ImageError(
                f"a {self.format} cannot hold {width}x{height} pixels of {channels} channel(s) ({reason}): "
                "use weights with another compression, or a smaller picture"
            ) from None
        if read.shape != pixels.shape:
            raise ImageError(
                f"a {self.format} gives {channels} channel(s) back as {read.shape[2]}: "
                "use weights with another compression"
            )
        return read


PNG = Storage(format="PNG", suffixes=(".png",), exact=True, alpha=True)
"""What holds every code of 8 bits, and any alpha."""
