"""PNG: the chunks besides its pixels do not go through Pillow."""

import io
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image

from resizekit.pictures.io.decode import decode, expand
from resizekit.pictures.io.frames import Animation
from resizekit.pictures.io.opening import check_size
from resizekit.pictures.io.png_chunks import PngChunks, read_png_chunks
from resizekit.pictures.io.png_frames import png_animation
from resizekit.pictures.io.source import Source
from resizekit.pictures.io.strips import CHANNELS, can_read_png, is_large, read_strips
from resizekit.pictures.picture import Picture
from resizekit.spec import HW
from resizekit.storage.formats import Pixels, peak
from resizekit.storage.png16 import decode_png

__all__ = ["png_size", "read_other_chunks", "read_png"]

_PIXEL_BYTES = 3
"""Bytes of a pixel of 8 bits; one of more is read in strips at a lower size."""
_HEADER = 26
"""Bytes of a PNG to the end of its size and depth."""


def png_size(head: bytes) -> HW | None:
    """Return the size of a PNG by its first bytes; None if they are cut off."""
    if len(head) < _HEADER:
        return None
    return HW.from_wh((int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")))


def read_other_chunks(path: Source) -> PngChunks:
    """Read the chunks besides the compressed pixels, of which almost nothing is loaded."""
    if not isinstance(path, Path):
        return read_png_chunks(path.read_bytes(), with_pixels=False)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return read_png_chunks(data, with_pixels=False)


def read_png(path: Source, head: bytes, frame: int | None = None) -> Picture:
    """Read a PNG.

    Args:
        path: The file.
        head: Its first bytes.
        frame: Number of the frame of an animation, from 1.

    Raises:
        ImageError: The picture is too large or not supported, or does not have this frame.
        Exception: Pillow raises any exception for broken data.
    """
    size = png_size(head)
    if size is not None:
        check_size(path, size)
    if size is not None and is_large(size, _PIXEL_BYTES) and isinstance(path, Path):
        chunks = read_other_chunks(path)
        if can_read_png(chunks):
            strips = partial(read_strips, path, size, CHANNELS[chunks.colour_type], chunks.bit_depth)
            with _opened(chunks.pixels, chunks) as image:
                return decode(path, image, head, frame=frame, chunks=chunks, strips=strips)
    chunks = read_png_chunks(path.read_bytes())

    def animation() -> Animation:
        return png_animation(chunks, HW.from_wh(image.size), lambda data: _decode_frame(data, chunks))

    with _opened(chunks.pixels, chunks) as image:
        return decode(path, image, head, frame=frame, chunks=chunks, animation=animation)


def _decode_frame(data: bytes, chunks: PngChunks) -> Pixels:
    """Decode a PNG without animation to `h w c`, with alpha as the last channel."""
    if chunks.bit_depth <= 8:
        with _opened(data, chunks) as image:
            image.load()
            colours, alpha = expand(image, has_alpha=True)
            assert alpha is not None
            return np.dstack((colours, alpha))
    pixels = decode_png(data)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if pixels.shape[2] in (2, 4):
        return pixels
    return np.dstack((pixels, np.full(pixels.shape[:2], peak(pixels), pixels.dtype)))


@contextmanager
def _opened(data: bytes, chunks: PngChunks) -> Iterator[PIL.Image.Image]:
    with PIL.Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        if chunks.colour_type == 0 and chunks.bit_depth in (2, 4) and "transparency" in image.info:
            highest = (1 << chunks.bit_depth) - 1  # Pillow scales the pixels to 8 bits, and leaves this value as it is
            image.info["transparency"] = (image.info["transparency"] & highest) * (255 // highest)
        yield image
