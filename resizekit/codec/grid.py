"""Process an image in tiles, so that memory use depends on the tile size and not on the image size.

┌──────────────┐   Each tile is computed with a halo, the pixels around it that the networks see. Where the
│   ┌ ─ ─ ─ ┐  │   image ends, the halo ends too, and the networks meet the same border as on the entire image.
│     ┌───┐    │   Tiles start at whole cells: the smallest blocks of pixels that the factor maps to whole
│   │ │   │ │  │   pixels, or multiples of them for networks that work on larger blocks.
│     └───┘    │
│   └ ─ ─ ─ ┘  │
└──────────────┘
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from resizekit.errors import UsageError
from resizekit.spec import HW
from resizekit.storage.formats import Pixels
from resizekit.system.scratch import empty, loaded, release

__all__ = ["Grid", "Progress", "Tile", "over_tiles", "part_of", "part_of_work", "tile_side", "windows"]

Tile: TypeAlias = int | Literal["auto", "off"]
"""Side of a tile in pixels of high. "off": the entire image at once. "auto": a size that fits in memory."""
Progress: TypeAlias = Callable[[int, int], None]
"""Called with (tiles done, total tiles) after each tile."""

_LARGEST_UNTILED = 4_000_000
"""Pixels up to which "auto" uses no tiles: the paper's network at x2 then needs 1.1 GB (CPU, float32)."""
_AUTO_SIDE = 1024
"""Side of the tiles of "auto": 0.4 GB for the same network, and a halo that costs less than a tenth."""
_SMALLEST_SIDE = 64
"""Smaller tiles would be mostly halo, and would not be bit-equal to the entire image."""


class Grid(NamedTuple):
    """How an operation divides images into cells."""

    taken: HW
    """Pixels of the input in a cell."""
    given: HW
    """Pixels of the output in a cell."""
    halo: HW
    """Cells around a tile that the tile depends on."""

    @classmethod
    def of(cls, factors: tuple[Fraction, Fraction], halo: tuple[int, int], blocks: int = 1) -> "Grid":
        """Make the grid of an operation that divides height and width by `factors`; a cell has `blocks` per side."""
        (s, r) = factors
        taken, given = (
            HW(blocks * s.numerator, blocks * r.numerator),
            HW(blocks * s.denominator, blocks * r.denominator),
        )
        return cls(taken, given, HW(*halo))


def part_of(progress: Progress | None, before: int, parts: int) -> Progress:
    """Make the progress callback of one of several equal parts.

    Args:
        progress: The callback for all parts together.
        before: Number of parts that are done already.
        parts: Number of all parts.
    """

    return part_of_work(progress, before, 1, parts)


def part_of_work(progress: Progress | None, before: int, own: int, total: int) -> Progress:
    """Make the progress callback of one part of an operation.

    Args:
        progress: The callback of the operation.
        before: Work of the parts before this one, in any unit.
        own: Work of this part.
        total: Work of all parts.
    """

    def report(done: int, of: int) -> None:
        if progress is not None:
            progress(before * of + own * done, total * of)

    return report


def tile_side(tile: Tile, size: HW) -> int | None:
    """Decide the side of the tiles for a high image of this size; None: use no tiles.

    Raises:
        UsageError: If `tile` is not valid.
    """
    if tile == "off" or (tile == "auto" and size[0] * size[1] <= _LARGEST_UNTILED):
        return None
    if tile == "auto":
        return _AUTO_SIDE
    if isinstance(tile, bool) or not isinstance(tile, int) or tile < _SMALLEST_SIDE:
        raise UsageError(f"invalid tile {tile!r}: expected auto, off or a side of at least {_SMALLEST_SIDE} pixels")
    return tile


def over_tiles(
    run: Callable[[Pixels], Pixels],
    image: Pixels,
    grid: Grid,
    side: int | None,
    progress: Progress | None = None,
    dtype: npt.DTypeLike = np.uint8,
) -> Pixels:
    """Apply a function tile by tile: `h w c -> h2 w2 c2`.

    Args:
        run: Applied to each tile with its halo. The last cell of the image may be incomplete.
        image: The input.
        grid: How input and output are divided into cells.
        side: Side of a tile in pixels of the larger grid; None: the entire image.
        progress: Called after each tile.
        dtype: Of the result.
    """
    cells = [-(-n // by) for n, by in zip(image.shape[:2], grid.taken, strict=True)]
    per_cell = (max(pair) for pair in zip(grid.taken, grid.given, strict=True))
    sides = [max(1, side // n) if side else None for n in per_cell]
    size = [n * by // of for n, by, of in zip(image.shape[:2], grid.given, grid.taken, strict=True)]
    out: Pixels | None = None
    rows, columns = (list(windows(*axis)) for axis in zip(cells, sides, grid.halo, strict=True))
    for done, (row, column) in enumerate(((r, c) for r in rows for c in columns), start=1):
        result = run(loaded(image[_pixels(row[2:], grid.taken.h), _pixels(column[2:], grid.taken.w)]))
        if out is None:  # the state between two steps has a number of channels that only the networks know
            out = empty((*size, result.shape[2]), dtype)
        inner = [
            _pixels((start - first, stop - first), by)
            for (start, stop, first, _), by in zip((row, column), grid.given, strict=True)
        ]
        out[_pixels(row[:2], grid.given.h), _pixels(column[:2], grid.given.w)] = result[tuple(inner)]
        release(image, out)
        if progress is not None:
            progress(done, len(rows) * len(columns))
    assert out is not None  # an image has at least one tile
    return out


def windows(n: int, side: int | None, halo: int) -> Iterator[tuple[int, int, int, int]]:
    """Divide n cells: (start, stop) of each tile, then of the tile with its halo.

    The last tile is as large as the others and overlaps its neighbour: a very small tile would be mostly halo, and its
    result would not be bitwise identical.
    """
    side = min(side or n, n)
    for start in range(0, n, side):
        start = min(start, n - side)
        yield start, start + side, max(0, start - halo), min(n, start + side + halo)


def _pixels(cells: tuple[int, int], by: int) -> slice:
    return slice(cells[0] * by, cells[1] * by)
