"""Lossless JPEG XL, written and read by pillow-jxl-plugin, a plugin of Pillow.

The plugin registers itself with Pillow when it is imported, so this module imports it when the first such file comes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from resizekit.errors import MissingExtraError
from resizekit.storage.formats import Pixels, Storage

__all__ = ["JXL", "Jxl", "register_jxl"]


@dataclass(frozen=True, kw_only=True)
class Jxl(Storage):
    """JPEG XL. It needs pillow-jxl-plugin, the extra `jxl`."""

    def save(self, target: Path | BinaryIO, pixels: Pixels, **more: Any) -> None:
        """Write an image; see `Storage.save`.

        Raises:
            MissingExtraError: If pillow-jxl-plugin is not installed.
        """
        register_jxl()
        super().save(target, pixels, **more)

    def read(self, file: BinaryIO) -> Pixels:
        """Read the pixel values of a file: `h w` or `h w c`.

        Raises:
            MissingExtraError: If pillow-jxl-plugin is not installed.
        """
        register_jxl()
        return super().read(file)


def register_jxl() -> None:
    """Make Pillow read and write JPEG XL.

    Raises:
        MissingExtraError: If pillow-jxl-plugin is not installed.
    """
    try:
        import pillow_jxl  # noqa: F401
    except ImportError:
        raise MissingExtraError('JPEG XL needs pillow-jxl-plugin: pip install "resizekit[jxl]"') from None


JXL = Jxl(
    format="JXL",
    suffixes=(".jxl",),
    options={"lossless": True, "effort": 7},
    exact=True,
    alpha=True,
    icc=False,  # the plugin does not write one
)
"""Lossless JPEG XL of 8 bits per channel, grey or RGB, with any alpha."""
