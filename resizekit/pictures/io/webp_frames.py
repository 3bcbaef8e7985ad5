"""The frames of an animated WebP (RFC 9649, section 2.7.1), each decoded by Pillow as a separate file."""

import io
from collections.abc import Iterator

import numpy as np
import PIL.Image

from resizekit.pictures.io.frames import Animation, Box, Disposal, Frame
from resizekit.spec import HW
from resizekit.storage.formats import Pixels

__all__ = ["webp_animation"]

_HEADER = 12
_ALPHA = 0x10
_IS_CLEARED, _DOES_NOT_BLEND = 1, 2


def webp_animation(data: bytes, size: HW) -> Animation:
    """List the frames of a WebP.

    Args:
        data: The content of the file.
        size: Size of the canvas.
    """
    return Animation(size=size, frames=_frames(data))


def _frames(data: bytes) -> Iterator[Frame]:
    for name, start, end in _chunks(data, _HEADER, len(data)):
        if name == b"ANMF" and end - start > 16:
            left, top, width, height = (_number(data, at) for at in range(start, start + 12, 3))
            yield _frame(data, Box(2 * left, 2 * top, width + 1, height + 1), data[start + 15], start + 16, end)


def _frame(data: bytes, box: Box, flags: int, start: int, end: int) -> Frame:
    names = {name for name, _, _ in _chunks(data, start, end)}

    def decode() -> Pixels:
        body = data[start:end]
        if b"ALPH" in names:  # such a file needs the extended header
            sides = b"".join((side - 1).to_bytes(3, "little") for side in (box.width, box.height))
            body = b"VP8X" + (10).to_bytes(4, "little") + bytes((_ALPHA, 0, 0, 0)) + sides + body
        file = io.BytesIO(b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WEBP" + body)
        with PIL.Image.open(file, formats=["WEBP"]) as image:
            if image.size != (box.width, box.height):
                raise ValueError("a frame has another size than it declares")
            converted = image.convert("RGBA")
        del image  # the decoder holds several copies of the frame
        return np.asarray(converted)

    return Frame(
        box=box,
        decode=decode,
        blends=not flags & _DOES_NOT_BLEND and not names.isdisjoint({b"ALPH", b"VP8L"}),
        disposal=Disposal.CLEAR if flags & _IS_CLEARED else Disposal.KEEP,
    )


def _chunks(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of the content of each complete chunk."""
    while at + 8 <= end:
        start = at + 8
        length = int.from_bytes(data[at + 4 : start], "little")
        if start + length > end:
            return
        yield data[at : at + 4], start, start + length
        at = start + length + length % 2


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")
