"""The frames of an animated GIF (GIF89a specification, sections 20 to 23).

Pillow decodes the indices of a frame. It does not compose the frames here, since it applies a disposal to later frames
without one, and clears to a colour where viewers clear to transparent.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import PIL.Image

from resizekit.pictures.io.frames import Animation, Box, Disposal, Frame
from resizekit.spec import HW
from resizekit.storage.formats import Pixels

__all__ = ["gif_animation"]

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL = 0xF9
_HEADER = 13
_HAS_PALETTE, _INTERLACED = 0x80, 0x40
_DISPOSALS = {2: Disposal.CLEAR, 3: Disposal.RESTORE}


@dataclass
class _Control:
    """What the block before a frame says about it."""

    disposal: Disposal = Disposal.KEEP
    transparent: int | None = None


def gif_animation(data: bytes) -> Animation:
    """List the frames of a GIF. The canvas contains the first frame, even if the file declares a smaller one.

    Args:
        data: The content of the file.
    """
    width, height = struct.unpack_from("<HH", data, 6)
    first = next(_frames(data), None)
    if first is not None:
        width = max(width, first.box.left + first.box.width)
        height = max(height, first.box.top + first.box.height)
    return Animation(size=HW(height, width), frames=_frames(data))


def _frames(data: bytes) -> Iterator[Frame]:
    """Yield the frames up to the end or the first that is cut off."""
    try:
        shared, at = _palette(data, _HEADER, data[10])
        control = _Control()
        while data[at] != _TRAILER:
            if data[at] == _EXTENSION:
                if data[at + 1] == _GRAPHIC_CONTROL and data[at + 2] >= 4:
                    flags, transparent = data[at + 3], data[at + 6]
                    disposal = _DISPOSALS.get(flags >> 2 & 7, Disposal.KEEP)
                    control = _Control(disposal, transparent if flags & 1 else None)
                at = _after_blocks(data, at + 2)
            elif data[at] == _IMAGE:
                box = Box(*struct.unpack_from("<4H", data, at + 1))
                flags = data[at + 9]
                palette, start = _palette(data, at + 10, flags)
                data[start]  # the first byte of the pixels, without which there is no frame
                at = _after_blocks(data, start + 1)
                yield _frame(data, box, flags, (start, at), shared if palette is None else palette, control)
                control = _Control()
            else:  # some programs pad blocks with zeros
                at += 1
    except (IndexError, struct.error):
        return


def _frame(
    data: bytes, box: Box, flags: int, place: tuple[int, int], palette: Pixels | None, control: _Control
) -> Frame:
    def colours() -> Pixels:
        table = np.zeros((256, 4), np.uint8)
        table[:, 3] = 255
        if palette is None:
            table[:, :3] = np.arange(256, dtype=np.uint8)[:, None]
        else:
            table[: len(palette), :3] = palette
        if control.transparent is not None:
            table[control.transparent] = 0
        return table

    def decode() -> Pixels:
        """Decode a file of this frame without a palette, whose pixels are then the indices."""
        size = struct.pack("<HH", box.width, box.height)
        screen = b"GIF89a" + size + bytes(3)
        image = bytes((_IMAGE,)) + bytes(4) + size + bytes((flags & _INTERLACED,))
        file = io.BytesIO(b"".join((screen, image, data[slice(*place)], bytes((_TRAILER,)))))
        with PIL.Image.open(file, formats=["GIF"]) as indices:
            return np.asarray(indices)

    return Frame(
        box=box, decode=decode, palette=colours, blends=control.transparent is not None, disposal=control.disposal
    )


def _palette(data: bytes, at: int, flags: int) -> tuple[Pixels | None, int]:
    """Return a palette `n 3`, None if the flags declare none, and the position after it."""
    if not flags & _HAS_PALETTE:
        return None, at
    end = at + (3 << (flags & 7) + 1)
    data[end - 1]
    return np.frombuffer(data[at:end], np.uint8).reshape(-1, 3), end


def _after_blocks(data: bytes, at: int) -> int:
    """Return the position after blocks that each start with their length; those of a cut file end with it."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return min(at + 1, len(data))
