"""PNG with 16 bits per channel, written and read by imagecodecs: Pillow supports it only for grey.

imagecodecs writes pixels only. This module inserts the other chunks, such as a manifest or a colour profile, after the
first chunk of the file.
"""

import struct
import zlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, cast

import numpy as np

from resizekit.errors import MissingExtraError
from resizekit.storage.formats import Pixels, Storage

__all__ = ["PNG16", "Png16", "ancillary_chunks", "decode_png", "replace_chunks"]

_HEAD = 33
"""Bytes of the signature and the first chunk, IHDR."""


@dataclass(frozen=True, kw_only=True)
class Png16(Storage):
    """A PNG with 16 bits per channel. It needs imagecodecs, the extra `deep`."""

    def save(self, target: Path | BinaryIO, pixels: Pixels, **more: Any) -> None:
        """Write an image.

        Args:
            target: A path or an open file.
            pixels: `h w c`, uint16, with alpha as the last channel if there is any.
            **more: `pnginfo`, `icc_profile`, `exif` and `dpi`, as Pillow takes them.

        Raises:
            ValueError: If the pixel values are not uint16.
            MissingExtraError: If imagecodecs is not installed.
        """
        if pixels.dtype != np.uint16:
            raise ValueError(f"invalid pixel type {pixels.dtype}: expected uint16")
        squeezed = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
        data = cast(bytes, _imagecodecs().png_encode(np.ascontiguousarray(squeezed)))
        data = data[:_HEAD] + ancillary_chunks(more) + data[_HEAD:]
        if isinstance(target, Path):
            target.write_bytes(data)
        else:
            target.write(data)

    def read(self, file: BinaryIO) -> Pixels:
        """Read the pixel values of a file: `h w` or `h w c`, uint16.

        Raises:
            MissingExtraError: If imagecodecs is not installed.
        """
        return decode_png(file.read())


def decode_png(data: bytes) -> Pixels:
    """Decode a PNG of any bit depth.

    Args:
        data: The content of the file. Broken data raises an error of imagecodecs.

    Returns:
        `h w` or `h w c`, uint8 or uint16. Alpha is the last channel, also where the file declares a transparent colour.

    Raises:
        MissingExtraError: If imagecodecs is not installed.
    """
    return cast(Pixels, _imagecodecs().png_decode(data))


def ancillary_chunks(options: Mapping[str, Any]) -> bytes:
    """Return the chunks of a PNG for Pillow's options `pnginfo`, `icc_profile`, `exif` and `dpi`."""
    chunks = []
    if "icc_profile" in options:
        chunks.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(options["icc_profile"])))
    if "exif" in options:
        chunks.append((b"eXIf", options["exif"].removeprefix(b"Exif\0\0")))
    if "dpi" in options:
        chunks.append((b"pHYs", struct.pack(">IIB", *(round(dots / 0.0254) for dots in options["dpi"]), 1)))
    if "pnginfo" in options:
        chunks += [(name, text) for name, text, *_ in options["pnginfo"].chunks]
    return b"".join(_chunk(*chunk) for chunk in chunks)


def replace_chunks(chunks: bytes) -> Generator[bytes, bytes, None]:
    """Replace what a PNG has between its first chunk and its pixels: `send` each part of it, and write what returns."""
    head, result, pixels = b"", b"", -1
    while pixels < 0:
        head += yield result
        pixels = head.find(b"IDAT", _HEAD)
        if pixels > 0:
            result = head[:_HEAD] + chunks + head[pixels - 4 :]
    while True:
        result = yield result


def _imagecodecs() -> ModuleType:
    try:
        import imagecodecs
    except ImportError:
        raise MissingExtraError(
            'images with 16 bits per channel need imagecodecs: pip install "resizekit[deep]"'
        ) from None
    return imagecodecs


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


PNG16 = Png16(format="PNG", suffixes=(".png",), exact=True, alpha=True, bits=16)
"""16 bits per channel, exact, with any alpha."""
