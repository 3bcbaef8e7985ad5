"""Read the chunks of a PNG that describe its pixels, and give Pillow the chunks that hold them.

Pillow refuses a sound picture because of a text chunk that is broken or longer than its limits, and ignores the chunks
that say what the colours mean. So the chunks besides the pixels are read here, each within a limit, and are left out of
the file that Pillow decodes. A chunk that is broken is ignored.
"""

import mmap
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from resizekit.errors import ImageError
from resizekit.pictures.io.metadata import XMP_KEYWORD
from resizekit.pictures.manifest import KEYWORD

__all__ = ["SIGNATURE", "PngChunks", "big_endian", "chunk_positions", "is_png", "read_png_chunks"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = frozenset({b"tRNS", b"acTL", b"fcTL", b"fdAT"})
"""Chunks that are not critical, but part of the pixels: transparency and animation."""
_COMPRESSED = frozenset({b"IDAT", b"fdAT", b"IEND", None})
_NO_PIXELS = b"\0\0\0\0IDAT" + zlib.crc32(b"IDAT").to_bytes(4, "big")
"""An empty chunk of pixels, which decoders need to open a file."""
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_MAX_CHUNKS = 1000
"""Chunks that are read besides those of the pixels."""
_MAX_TEXT = 2**20
_MAX_TEXTS = 16
"""Texts that are decompressed: a file of 1 MB can hold a thousand that each need 1 MiB."""
_EXIF_KEYWORD = "Raw profile type exif"
"""Keyword of the text in which ImageMagick stores EXIF data."""
_KEYWORDS = frozenset({KEYWORD, XMP_KEYWORD, _EXIF_KEYWORD})
_METRES = 0.0254
"""Metres of an inch."""
_MAX_PROFILE = 2**25
"""Largest colour profile in bytes; a JPEG cannot hold one of more than 16 MB."""


@dataclass(frozen=True)
class PngChunks:
    """The content of a PNG besides its pixels."""

    pixels: bytes
    """The file with the chunks of the pixels only. Where they are read in strips, the compressed pixels are missing."""
    colour_type: int
    """0: grey, 2: RGB, 3: palette; 4 more with alpha."""
    bit_depth: int
    interlaced: bool
    names: frozenset[bytes]
    """Names of the chunks of the pixels."""
    first: dict[bytes, bytes] = field(default_factory=dict)
    """The first sound chunk of each name."""
    texts: dict[str, str] = field(default_factory=dict)
    """The first sound text of each keyword that is used here."""

    @property
    def profile(self) -> bytes | None:
        """The colour profile; None without one, or if it is broken.

        Raises:
            ImageError: If it is larger than 32 MiB.
        """
        _, _, compressed = self.first.get(b"iCCP", b"").partition(b"\0")
        return _inflate(compressed[1:], _MAX_PROFILE, "colour profile") or None if compressed else None

    @property
    def dpi(self) -> tuple[float, float] | None:
        """The resolution in dots per inch; None without one."""
        values = big_endian(self.first.get(b"pHYs", b"")[:8], 2)
        is_per_metre = self.first.get(b"pHYs", b"")[8:] == b"\1"
        return (values[0] * _METRES, values[1] * _METRES) if values and is_per_metre else None

    @property
    def exif(self) -> bytes:
        """The EXIF data: of its chunk, or of the text that ImageMagick writes; empty without them."""
        if b"eXIf" in self.first:
            return self.first[b"eXIf"]
        _, _, digits = self.texts.get(_EXIF_KEYWORD, "").partition("exif")
        try:
            return bytes.fromhex("".join(digits.split()[1:]))
        except ValueError:
            return b""


def is_png(head: bytes) -> bool:
    """Return whether a file is a PNG, by its first bytes."""
    return head.startswith(SIGNATURE)


def read_png_chunks(data: bytes | mmap.mmap, *, with_pixels: bool = True) -> PngChunks:
    """Split a PNG into its pixels and its other chunks.

    Args:
        data: The content of the file, in memory or mapped. From the first chunk that is cut off, everything counts as
            pixels, so that the decoder reports it.
        with_pixels: False: leave out the compressed pixels, so that almost nothing of a mapped file is loaded.

    Raises:
        ImageError: If the file has more chunks than a picture can need.
    """
    pixels, count, attempts = [SIGNATURE], 0, 0
    names: set[bytes] = set()
    first: dict[bytes, bytes] = {}
    texts: dict[str, str] = {}
    header = b""
    for name, start, end in chunk_positions(data):
        if name is None or name[:1].isupper() or name in _PIXELS:
            if name is not None:
                names.add(name)
            if with_pixels or name not in _COMPRESSED:
                pixels.append(data[start:end])
            header = header or (data[start + 8 : end - 4] if name == b"IHDR" else b"")
            continue
        count += 1
        if count > _MAX_CHUNKS:
            raise ImageError(f"it has more than {_MAX_CHUNKS} chunks besides its pixels")
        body = data[start + 8 : end - 4]
        if zlib.crc32(name + body) != int.from_bytes(data[end - 4 : end], "big"):
            continue
        first.setdefault(name, body)
        keyword = body.partition(b"\0")[0].decode("latin-1") if name in _TEXTS else ""
        if keyword in _KEYWORDS - texts.keys() and attempts < _MAX_TEXTS:
            attempts += 1
            text = _text(name, body)
            if text is not None:
                texts[keyword] = text
    if not with_pixels:
        pixels.append(_NO_PIXELS)
    depth, colour_type, interlaced = (header[8], header[9], bool(header[12])) if len(header) >= 13 else (8, 2, False)
    return PngChunks(b"".join(pixels), colour_type, depth, interlaced, frozenset(names), first, texts)


def chunk_positions(data: bytes | mmap.mmap) -> Iterator[tuple[bytes | None, int, int]]:
    """Yield name, start and end of each chunk of a PNG; name None: the rest of a file that is cut off."""
    at = len(SIGNATURE)
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 12 + length
        if end > len(data):
            yield None, at, len(data)
            return
        yield data[at + 4 : at + 8], at, end
        at = end


def _text(name: bytes, body: bytes) -> str | None:
    """Return the text of a text chunk; None if it cannot be used."""
    _, separator, rest = body.partition(b"\0")
    if not separator:
        return None
    try:
        if name == b"tEXt":
            text = rest[:_MAX_TEXT].decode("latin-1")
        elif name == b"zTXt":
            text = _inflate(rest[1:], _MAX_TEXT, "text").decode("latin-1")
        else:
            compressed, _, words = rest[0], rest[1], rest[2:].split(b"\0", 2)[2]
            text = (_inflate(words, _MAX_TEXT, "text") if compressed else words[:_MAX_TEXT]).decode()
    except (ImageError, IndexError, UnicodeDecodeError):
        return None
    return text or None


def _inflate(compressed: bytes, limit: int, content: str) -> bytes:
    """Decompress at most `limit` bytes; broken data gives nothing."""
    machine = zlib.decompressobj()
    try:
        data = machine.decompress(compressed, limit)
    except zlib.error:
        return b""
    if machine.unconsumed_tail:
        raise ImageError(f"its {content} has more than {limit >> 20} MiB")
    return data if machine.eof else b""


def big_endian(body: bytes, count: int) -> tuple[int, ...]:
    """Read a number of 4-byte integers: of gAMA, cHRM and pHYs; empty if the chunk has another length."""
    return struct.unpack(f">{count}I", body[: 4 * count]) if len(body) >= 4 * count else ()
