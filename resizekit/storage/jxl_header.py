"""The header of a JPEG XL file, read without decoding it (ISO/IEC 18181-1, annex D).

Pillow's plugin decodes a file when it is opened, before its size can be checked. It also reduces deep colours to 8 bits
and drops channels. This module knows the size, the depth and the channels first.
"""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from resizekit.spec import HW

__all__ = ["JxlHeader", "is_jxl", "read_jxl_exif", "read_jxl_header"]

_CODESTREAM, _CONTAINER = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
_HEADER = 2048
"""More bytes than all fields of the header that are read here."""
_MOST_BOXES = 10_000
_MOST_EXIF = 2**20
_TIFF = b"II*\0", b"MM\0*"
"""First bytes of EXIF data."""
_ALPHA, _RGB, _GREY, _D65, _SRGB_PRIMARIES, _SRGB_TRANSFER = 0, 0, 1, 1, 1, 13
"""Numbers of named values in the standard."""
_RATIOS = None, (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1)
"""Width to height, by the number in the header; None: the width follows."""


class JxlHeader(NamedTuple):
    """What the header says before anything is decoded. The later fields are not known for deep or animated pictures."""

    size: HW
    is_deep: bool = False
    """Whether a channel has more than 8 bits, or holds floats."""
    is_animated: bool = False
    """Whether there are several frames, or a preview."""
    has_other_channels: bool = False
    """Whether there are channels besides colour and one of alpha."""
    is_srgb: bool = False
    """Whether the colours are sRGB, or grey with the same transfer function, without a profile in the file."""


def is_jxl(head: bytes) -> bool:
    """Return whether a file with these first bytes is a JPEG XL."""
    return head.startswith((_CODESTREAM, _CONTAINER))


def read_jxl_header(file: BinaryIO) -> JxlHeader:
    """Read the header of a JPEG XL file.

    Raises:
        ValueError: If the file is truncated or has no codestream.
    """
    bits = _Bits(_codestream(file))
    size = _size(bits)
    if bits.take(1):  # all other fields have their defaults
        return JxlHeader(size, is_srgb=True)
    if bits.take(1):
        bits.take(3)  # orientation, which decoders apply
        if bits.take(1):
            _size(bits)  # the intended size on a screen
        if bits.take(1) or bits.take(1):  # a preview or an animation
            return JxlHeader(size, is_animated=True)
    if _is_deep(bits):
        return JxlHeader(size, is_deep=True)
    bits.take(1)  # whether 16-bit buffers are enough
    extra = bits.choose(0, 1, (2, 4), (1, 12))
    if extra > 1:
        return JxlHeader(size, has_other_channels=True)
    if extra and not bits.take(1):  # otherwise it is alpha of 8 bits
        if bits.enum() != _ALPHA:
            return JxlHeader(size, has_other_channels=True)
        if _is_deep(bits):
            return JxlHeader(size, is_deep=True)
        bits.choose(0, 3, 4, (1, 3))  # its resolution
        bits.take(8 * bits.choose(0, (0, 4), (16, 5), (48, 10)))  # its name
        bits.take(1)  # whether colours are premultiplied
    bits.take(1)  # whether the colours are stored as XYB
    return JxlHeader(size, is_srgb=_is_srgb(bits))


def read_jxl_exif(file: BinaryIO) -> bytes | None:
    """Return the EXIF data of a JPEG XL file (ISO/IEC 18181-2, annex D.4); None without uncompressed ones."""
    for kind, start, end in _boxes(file):
        if kind == b"Exif":
            file.seek(start)
            data = file.read(_MOST_EXIF if end is None else max(0, min(_MOST_EXIF, end - start)))
            if data[:4] in _TIFF:  # as pillow-jxl-plugin writes it
                return data
            return data[4 + int.from_bytes(data[:4], "big") :]  # the box starts with the offset of the data
    return None


def _is_deep(bits: "_Bits") -> bool:
    if bits.take(1):  # floats
        return True
    return bits.choose(8, 10, 12, (1, 6)) > 8


def _is_srgb(bits: "_Bits") -> bool:
    if bits.take(1):
        return True
    if bits.take(1):  # a profile in the file
        return False
    colour_space, white_point = bits.enum(), bits.enum()
    if colour_space not in (_RGB, _GREY) or white_point != _D65:
        return False
    if colour_space == _RGB and bits.enum() != _SRGB_PRIMARIES:
        return False
    return not bits.take(1) and bits.enum() == _SRGB_TRANSFER


def _codestream(file: BinaryIO) -> bytes:
    """Return the first bytes of the codestream, after its signature."""
    head = file.read(len(_CONTAINER))
    if head.startswith(_CODESTREAM):
        return (head + file.read(_HEADER))[len(_CODESTREAM) :]
    found = b""
    for kind, start, end in _boxes(file):
        if kind in (b"jxlc", b"jxlp") and len(found) < _HEADER:
            start += 4 if kind == b"jxlp" else 0  # a part starts with its number
            file.seek(start)
            found += file.read(_HEADER if end is None else max(0, min(_HEADER, end - start)))
    if not found:
        raise ValueError("no codestream in this file")
    return found[len(_CODESTREAM) :]


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, int, int | None]]:
    """Yield the type of each box after the signature, and where its content starts and ends; None: with the file."""
    at = len(_CONTAINER)
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        start = 16 if size == 1 else 8
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if len(head) < start:
            return
        yield kind, at + start, at + size if size else None
        if size < start:
            return
        at += size


class _Bits:
    """The bits of some bytes, the lowest first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        """Return the next bits as a number."""
        self._left -= count
        if self._left < 0:
            raise ValueError("the header ends too early")
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        return taken

    def choose(self, *choices: int | tuple[int, int]) -> int:
        """Return a number in one of four codings: a constant, or (offset, count of further bits)."""
        choice = choices[self.take(2)]
        return choice if isinstance(choice, int) else choice[0] + self.take(choice[1])

    def enum(self) -> int:
        """Return the number of a named value."""
        return self.choose(0, 1, (2, 4), (18, 6))


def _size(bits: _Bits) -> HW:
    small = bits.take(1)

    def side() -> int:
        return 8 * (1 + bits.take(5)) if small else bits.choose((1, 9), (1, 13), (1, 18), (1, 30))

    height, ratio = side(), _RATIOS[bits.take(3)]
    return HW(height, side() if ratio is None else height * ratio[0] // ratio[1])
