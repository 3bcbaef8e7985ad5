"""A limit on memory: large pictures are read, computed and written in parts, with the rest in temporary files."""

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from numbers import Integral
from typing import NamedTuple

from resizekit.codec import Codec
from resizekit.codec.grid import Tile
from resizekit.codec.refine.effort import Effort
from resizekit.codec.tile_memory import bytes_per_pixel
from resizekit.codec.tiling import halo
from resizekit.errors import UsageError
from resizekit.pictures.io.destination import Target, folder_of
from resizekit.pictures.limits import ANY_NUMBER, allow_pixels
from resizekit.pictures.picture import Picture
from resizekit.system.malloc import keep_freed_memory, keeps_freed_memory, return_freed_memory
from resizekit.system.resident import resident_bytes
from resizekit.system.scratch import Scratch, is_on_disk, scratch

__all__ = ["FILES", "Budget", "TilePlan", "memory_of_tiles", "parse_bytes"]

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_IN_MEMORY = 64_000_000
"""Bytes up to which an array stays in memory without a limit: a picture of 21 megapixels."""
_SMALLEST_ARRAY = 4_000_000
_ARRAYS = 16
"""Share of the free memory that an array may take: several are there at once."""
FILES = 64_000_000
"""Bytes for reading and writing files in strips, and for the parts of arrays in files that are loaded at once."""
_SIDES = (1024, 896, 768, 640, 512, 448, 384, 320, 256, 192, 128, 96, 64)
_KEPT = 4
"""What a tile needs in a process that keeps freed memory, over what it needs otherwise. Keeping is 1.3 to 1.7 times as
fast (measured in benchmarks/NOTEBOOK.md)."""
_GRADIENTS = 6
"""What a tile needs while it is refined, over what it needs otherwise: gradients keep the output of every layer."""
_SMALLEST_KEPT = 256
"""Smaller tiles cost more by their halo than kept memory gains."""


def parse_bytes(text: str) -> int:
    """Parse a number of bytes.

    Raises:
        UsageError: The text is no size.

    Examples:
        >>> parse_bytes("512MB"), parse_bytes("1.5 GiB"), parse_bytes("2000k")
        (512000000, 1610612736, 2000000)
    """
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,6})?)\s*([kmg]?i?)b?\s*", text.lower())
    if match is None or match[2] not in _UNITS or not (count := int(float(match[1]) * _UNITS[match[2]])):
        raise UsageError(f"invalid size {text[:80]!r}: expected a number of bytes, such as 512MB, 2GiB or 800000")
    return count


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Limits on memory and on the size of pictures.

    Args:
        memory: Memory that the process may use, in bytes or as text such as "512MB" or "2GiB". PNG and JPEG pictures
            may then be larger than the memory; this needs the extra `large`. None: no limit.
        max_pixels: Most pixels of a picture. None: the limit of Pillow (`PIL.Image.MAX_IMAGE_PIXELS`), and with
            `memory` no limit.

    Raises:
        UsageError: A value is invalid.

    Examples:
        >>> Budget(memory="512MB").memory
        512000000
    """

    memory: int | str | None = None
    max_pixels: int | None = None

    def __post_init__(self) -> None:
        memory = parse_bytes(self.memory) if isinstance(self.memory, str) else self.memory
        for name, value in {"memory": memory, "max_pixels": self.max_pixels}.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, Integral) or value < 1):
                raise UsageError(f"invalid {name} {value!r}: expected a whole number above 0")
        object.__setattr__(self, "memory", memory)

    @property
    def bytes(self) -> int | None:
        """Memory that the process may use, in bytes; None: no limit."""
        assert not isinstance(self.memory, str)
        return self.memory

    @contextmanager
    def applied(self, target: Target) -> Iterator[None]:
        """Apply the limits inside a block. Temporary files are kept in the folder of the target.

        Raises:
            UsageError: The process uses as much memory already.
        """
        if self.bytes is not None and self.bytes < (least := resident_bytes() + FILES):
            raise self._too_little("", least)
        kept = keeps_freed_memory()
        with scratch(self._scratch(target)), allow_pixels(self.max_pixels or (self.bytes and ANY_NUMBER)):
            try:
                yield
            finally:
                if kept:
                    keep_freed_memory()

    def _scratch(self, target: Target) -> Scratch | None:
        if self.bytes is not None:
            limit = max(_SMALLEST_ARRAY, min(_IN_MEMORY, (self.bytes - resident_bytes()) // _ARRAYS))
            return Scratch(folder_of(target), limit, self.bytes)
        return None if find_spec("pyvips") is None else Scratch(folder_of(target), _IN_MEMORY)

    def check_effort(self, picture: Picture, effort: Effort) -> None:
        """Refuse an effort above 0 for a picture that is not in memory.

        Raises:
            UsageError: The picture is in a temporary file.
        """
        if self.bytes is not None and effort.level and is_on_disk(picture.pixels):
            raise UsageError(
                f"effort {effort.level} needs all {picture.hw.w}x{picture.hw.h} pixels in memory: use effort 0, or a "
                "larger memory"
            )

    def tile(self, codec: Codec, tile: Tile, *, refines: bool = False) -> Tile:
        """Return the largest tile that fits, at most the one that was requested.

        Where the process keeps freed memory but has too little for that, it stops to keep it.

        Args:
            codec: The networks.
            tile: Side of the tiles, "auto" or "off".
            refines: Whether the tiles are refined too, which needs gradients.

        Raises:
            UsageError: The least tile does not fit, or the requested one does not.
        """
        plan = self.plan(codec, tile, refines=refines)
        if plan is None:
            return tile
        if not plan.keeps:
            return_freed_memory()
        return plan.side

    def plan(self, codec: Codec, tile: Tile, *, refines: bool = False) -> "TilePlan | None":
        """Choose the tiles; None: there is no limit on memory. The errors are those of `tile`."""
        if self.bytes is None:
            return None
        sides = _SIDES if isinstance(tile, str) else (tile,)
        tiles_memory = memory_of_tiles(codec, sides)
        needed = {side: count * (_GRADIENTS if refines else 1) for side, count in tiles_memory.items()}
        used = resident_bytes() + FILES
        for side, count in needed.items():
            if keeps_freed_memory() and side >= _SMALLEST_KEPT and used + _KEPT * count <= self.bytes:
                return TilePlan(side, used + _KEPT * count, keeps=True)
        for side, count in needed.items():
            if used + count <= self.bytes:
                return TilePlan(side, used + count, keeps=False)
        tiles = f" and tiles of {tile} pixels" if isinstance(tile, int) else ""
        advice = ", or use smaller weights such as those that end with -fast"
        raise self._too_little(f" for weights {codec.info.weights!r}{tiles}", used + min(needed.values()), advice)

    def _too_little(self, purpose: str, least: int, advice: str = "") -> UsageError:
        return UsageError(
            f"a memory of {(self.bytes or 0) / 10**6:.0f} MB is too little{purpose}: allow at least "
            f"{-(-least // 10**6)} MB{advice}"
        )


class TilePlan(NamedTuple):
    """The tiles that fit a memory."""

    side: Tile
    """Side in pixels of high."""
    memory: int
    """Peak memory of the process in bytes."""
    keeps: bool
    """Whether the process may keep freed memory."""


def memory_of_tiles(codec: Codec, sides: Iterable[int]) -> dict[int, int]:
    """Return the bytes that a tile of each side needs, with its halo; the codec is measured once for all of them."""
    margin = 2 * math.ceil(halo(codec) * max(codec.step.s, codec.step.r, Fraction(1)))
    per_pixel = bytes_per_pixel(codec)
    return {side: int((side + margin) ** 2 * per_pixel) for side in sides}
