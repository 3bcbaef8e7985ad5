"""Lossless JPEG XL, written and read by pillow-jxl-plugin, a plugin of Pillow.

The plugin decodes a file when it is opened, before its size can be checked, and reduces deep colours to 8 bits. So this
module reads the header itself (ISO/IEC 18181-1, annex D): size, bit depth, and whether there is an animation.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from resizekit.errors import MissingExtraError
from resizekit.spec import HW
from resizekit.storage.formats import Pixels, Storage

__all__ = ["JXL", "Jxl", "JxlHeader", "is_jxl", "read_jxl_header", "register_jxl"]

_CODESTREAM, _CONTAINER = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
_SIDE_BITS = 9, 13, 18, 30
_RATIOS = None, (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1)
"""Width to height, by the number in the header; None: the width follows."""


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


class JxlHeader(NamedTuple):
    """What the header says before anything is decoded."""

    size: HW
    is_deep: bool
    """Whether a channel has more than 8 bits, or holds floats."""
    is_animated: bool


def is_jxl(head: bytes) -> bool:
    """Return whether a file with these first bytes is a JPEG XL."""
    return head.startswith((_CODESTREAM, _CONTAINER))


def register_jxl() -> None:
    """Make Pillow read and write JPEG XL.

    Raises:
        MissingExtraError: If pillow-jxl-plugin is not installed.
    """
    try:
        import pillow_jxl  # noqa: F401
    except ImportError:
        raise MissingExtraError('JPEG XL needs pillow-jxl-plugin: pip install "resizekit[jxl]"') from None


def read_jxl_header(file: BinaryIO) -> JxlHeader:
    """Read the header of a JPEG XL file.

    Raises:
        ValueError: If the file is truncated or has no codestream.
    """
    bits = _Bits(_codestream(file))
    size = _size(bits)
    if bits.take(1):  # all other fields have their defaults: 8 bits, one frame
        return JxlHeader(size, is_deep=False, is_animated=False)
    if bits.take(1):
        bits.take(3)  # orientation, which decoders apply
        if bits.take(1):
            _size(bits)  # the intended size on a screen
        if bits.take(1) or bits.take(1):  # a preview or an animation
            return JxlHeader(size, is_deep=False, is_animated=True)
    is_float = bits.take(1)
    selector = bits.take(2)
    depth = (8, 10, 12)[selector] if selector < 3 else 1 + bits.take(6)
    return JxlHeader(size, is_deep=bool(is_float) or depth > 8, is_animated=False)


def _codestream(file: BinaryIO) -> bytes:
    """Return the first bytes of the codestream, after its signature."""
    head = file.read(len(_CONTAINER))
    if head.startswith(_CODESTREAM):
        return (head + file.read(64))[len(_CODESTREAM) :]
    for kind, at in _boxes(file):
        if kind in (b"jxlc", b"jxlp"):
            file.seek(at + (4 if kind == b"jxlp" else 0))  # a part starts with its number
            return file.read(64)[len(_CODESTREAM) :]
    raise ValueError("no codestream in this file")


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield the types of the boxes after the signature, and where their contents start."""
    at = len(_CONTAINER)
    while True:
        file.seek(at)
        head = file.read(16)
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        start = 16 if size == 1 else 8
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if len(head) < start:
            return
        yield kind, at + start
        if size < start:  # 0: the box reaches to the end of the file
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


def _size(bits: _Bits) -> HW:
    small = bits.take(1)

    def side() -> int:
        return 8 * (1 + bits.take(5)) if small else 1 + bits.take(_SIDE_BITS[bits.take(2)])

    height, ratio = side(), _RATIOS[bits.take(3)]
    return HW(height, side() if ratio is None else height * ratio[0] // ratio[1])


JXL = Jxl(
    format="JXL",
    suffixes=(".jxl",),
    options={"lossless": True, "effort": 7},
    exact=True,
    alpha=True,
    icc=False,  # the plugin does not write one
)
"""Lossless JPEG XL of 8 bits per channel, grey or RGB, with any alpha."""
