"""PNG of 16 bits a channel, which Pillow can neither write in colours nor read whole: imagecodecs can.

What stands beside the pixels, such as a manifest or a colour profile, is put into the file by us: a PNG is a row of
chunks, of which these follow the first.
"""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, cast

import numpy as np

from resizekit.errors import MissingExtraError
from resizekit.storage.formats import Pixels, Storage

__all__ = ["PNG16", "Png16", "decode_png"]

_HEAD = 33
"""Bytes of the signature and the first chunk, IHDR."""


@dataclass(frozen=True, kw_only=True)
class Png16(Storage):
    """A PNG of 16 bits a channel; raises `MissingExtraError` without imagecodecs."""

    def save(self, target: Path | BinaryIO, pixels: Pixels, **more: Any) -> None:
        """Write a picture `h w c`, uint16, with alpha last if it has any; `more`: pnginfo and icc_profile, as Pillow's.

        Raises `ValueError` for pixels that it cannot hold.
        """
        if pixels.dtype != np.uint16:
            raise ValueError(f"16-bit codes are uint16, not {pixels.dtype}")
        plain = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
        data = cast(bytes, _imagecodecs().png_encode(np.ascontiguousarray(plain)))
        chunks = []
        if "icc_profile" in more:
            chunks.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(more["icc_profile"])))
        if "pnginfo" in more:
            chunks += [(name, text) for name, text, *_ in more["pnginfo"].chunks]
        data = data[:_HEAD] + b"".join(_chunk(*chunk) for chunk in chunks) + data[_HEAD:]
        if isinstance(target, Path):
            target.write_bytes(data)
        else:
            target.write(data)

    def read(self, file: BinaryIO) -> Pixels:
        """Read the codes of a file: `h w` or `h w c`, uint16."""
        return decode_png(file.read())


def decode_png(data: bytes) -> Pixels:
    """Decode a PNG: `h w` or `h w c`, with alpha last if it has any or names a colour that is none.

    Raises `MissingExtraError`, or what imagecodecs raises for broken data.
    """
    return cast(Pixels, _imagecodecs().png_decode(data))


def _imagecodecs() -> ModuleType:
    try:
        import imagecodecs
    except ImportError:
        raise MissingExtraError(
            'pictures of 16 bits a channel need imagecodecs: pip install "resizekit[deep]"'
        ) from None
    return imagecodecs


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


PNG16 = Png16(format="PNG", suffixes=(".png",), exact=True, alpha=True, bits=16)
"""What holds every code of 16 bits, and any alpha."""
