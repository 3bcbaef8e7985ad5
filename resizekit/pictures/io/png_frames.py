"""The frames of an animated PNG (PNG specification, third edition, 11.3.2), each decoded as a separate file."""

import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np

from resizekit.pictures.io.frames import Animation, Box, Disposal, Frame
from resizekit.pictures.io.png_chunks import SIGNATURE, PngChunks, chunk_positions
from resizekit.spec import HW
from resizekit.storage.formats import Pixels

__all__ = ["png_animation"]

_DISPOSALS = {1: Disposal.CLEAR, 2: Disposal.RESTORE}
_MAX_SHARED = {b"PLTE": 3 * 256, b"tRNS": 256}
"""Chunks that apply to every frame, and the largest length that the specification allows."""


def png_animation(chunks: PngChunks, size: HW, decode: Callable[[bytes], Pixels]) -> Animation:
    """List the frames of a PNG. A picture for viewers without animation is not a frame.

    Args:
        chunks: The chunks of the file.
        size: Size of the canvas.
        decode: Decodes a PNG to `h w c`, with alpha as the last channel.
    """
    return Animation(
        size=size,
        frames=_frames(chunks, decode),
        channels=4 if chunks.colour_type & 2 else 2,
        dtype=np.uint16 if chunks.bit_depth > 8 else np.uint8,
    )


def _frames(chunks: PngChunks, decode: Callable[[bytes], Pixels]) -> Iterator[Frame]:
    data = chunks.pixels
    header = b""
    palette: dict[bytes, bytes] = {}
    shared = b""  # one object for all frames: a file of 1 MB can hold 16,000 frames
    control: bytes | None = None
    parts: list[bytes | memoryview] = []
    view = memoryview(data)
    for name, start, end in chunk_positions(data):
        if name == b"fcTL" and end - start >= 12 + 26:
            if control is not None and parts:
                yield _frame(chunks, header, shared, control, parts, decode)
            control, parts = data[start + 8 : end - 4], []
        elif name == b"IHDR":
            header = header or data[start + 8 : end - 4]
        elif name in _MAX_SHARED:
            if name not in palette and end - start - 12 <= _MAX_SHARED[name]:
                palette[name] = data[start:end]
                shared = b"".join(palette.values())
        elif name == b"IDAT" and control is not None:
            parts.append(view[start + 8 : end - 4])
        elif name == b"fdAT" and control is not None:
            parts.append(view[start + 12 : end - 4])
    if control is not None and parts:
        yield _frame(chunks, header, shared, control, parts, decode)


def _frame(
    chunks: PngChunks,
    header: bytes,
    shared: bytes,
    control: bytes,
    parts: list[bytes | memoryview],
    decode: Callable[[bytes], Pixels],
) -> Frame:
    width, height, left, top = struct.unpack_from(">4I", control, 4)
    head = struct.pack(">II", width, height) + header[8:]
    has_alpha = bool(chunks.colour_type & 4) or b"tRNS" in shared

    def file() -> bytes:
        image = b"".join(parts)
        return b"".join((SIGNATURE, _chunk(b"IHDR", head), shared, _chunk(b"IDAT", image), _chunk(b"IEND", b"")))

    return Frame(
        box=Box(left, top, width, height),
        decode=lambda: decode(file()),
        blends=bool(control[25]) and has_alpha,
        disposal=_DISPOSALS.get(control[24], Disposal.KEEP),
    )


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
