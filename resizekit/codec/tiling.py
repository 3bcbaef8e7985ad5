"""A picture in tiles: from codes to codes, so that memory is bounded by the tile, not the picture.

┌──────────────┐   each tile is computed with a halo of what the networks see around it; where the
│   ┌ ─ ─ ─ ┐  │   picture ends, so does the halo, and the networks meet the border they know.
│     ┌───┐    │   Tiles start on whole cells: the smallest blocks of pixels that the factor
│   │ │   │ │  │   maps onto whole pixels, or so many of them as the networks take at once.
│     └───┘    │
│   └ ─ ─ ─ ┘  │
└──────────────┘
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from resizekit.codec.codec import Codec
from resizekit.codec.convert import from_batch, kind_of_bits, to_batch
from resizekit.errors import UsageError
from resizekit.storage.formats import Pixels

__all__ = ["Grid", "Progress", "Tile", "over_tiles", "part_of", "tile_side", "tiled_down", "tiled_up"]

Tile: TypeAlias = int | Literal["auto", "off"]
"""Side of a tile in high pixels; "off": the whole picture at once; "auto": what fits in memory."""
Progress: TypeAlias = Callable[[int, int], None]
"""Called with (tiles done, tiles in all) after each."""

_WHOLE = 4_000_000
"""Up to so many pixels, "auto" takes the picture whole: the paper's network at x2 then needs 1.1 GB
(measured on the CPU in float32)."""
_AUTO = 1024
"""Side of the tiles of "auto": 0.4 GB for the same network, and a halo that costs under a tenth."""
_LEAST = 64
"""Smaller tiles would be mostly halo, and lose bit-equality with the whole picture."""


class Grid(NamedTuple):
    """How an operation cuts pictures into cells; all sizes are (height, width)."""

    taken: tuple[int, int]
    """Pixels of the input in a cell."""
    given: tuple[int, int]
    """Pixels of the output in a cell."""
    halo: tuple[int, int]
    """Cells around a tile that it depends on."""

    @classmethod
    def of(cls, factors: tuple[Fraction, Fraction], halo: tuple[int, int], grain: int = 1) -> "Grid":
        """The cells of an operation that divides height and width by `factors`, `grain` of them a side in one."""
        (s, r) = factors
        taken, given = (s.numerator, r.numerator), (s.denominator, r.denominator)
        return cls((grain * taken[0], grain * taken[1]), (grain * given[0], grain * given[1]), halo)


def part_of(progress: Progress | None, before: int, parts: int) -> Progress:
    """Tell the progress of one of so many parts as that of the whole, with so many of them done before."""

    def tell(done: int, of: int) -> None:
        if progress is not None:
            progress(before * of + done, parts * of)

    return tell


def tile_side(tile: Tile, size: tuple[int, int]) -> int | None:
    """Decide the side of the tiles for a high picture of (height, width); None: take it whole."""
    if tile == "off" or (tile == "auto" and size[0] * size[1] <= _WHOLE):
        return None
    if tile == "auto":
        return _AUTO
    if isinstance(tile, bool) or not isinstance(tile, int) or tile < _LEAST:
        raise UsageError(f"tile={tile!r}: say auto, off or a side of at least {_LEAST} pixels")
    return tile


def over_tiles(
    run: Callable[[Pixels], Pixels],
    picture: Pixels,
    grid: Grid,
    side: int | None,
    progress: Progress | None = None,
    dtype: npt.DTypeLike = np.uint8,
) -> Pixels:
    """Apply `run` tile by tile: `h w c -> h2 w2 c2` of `dtype`; `side` in pixels of the larger grid.

    The last cell may be a part of one, which `run` then makes a part of one again.
    """
    cells = [-(-n // by) for n, by in zip(picture.shape[:2], grid.taken, strict=True)]
    per_cell = (max(pair) for pair in zip(grid.taken, grid.given, strict=True))
    sides = [max(1, side // n) if side else None for n in per_cell]
    size = [n * by // of for n, by, of in zip(picture.shape[:2], grid.given, grid.taken, strict=True)]
    out: Pixels | None = None
    rows, columns = (list(_windows(*what)) for what in zip(cells, sides, grid.halo, strict=True))
    for done, (row, column) in enumerate(((r, c) for r in rows for c in columns), start=1):
        seen = picture[_span(row[2:], grid.taken[0]), _span(column[2:], grid.taken[1])]
        result = run(seen)
        if out is None:  # what lies between two steps has channels that only they know
            out = np.empty([*size, result.shape[2]], dtype)
        inner = [
            _span((start - first, stop - first), by)
            for (start, stop, first, _), by in zip((row, column), grid.given, strict=True)
        ]
        out[_span(row[:2], grid.given[0]), _span(column[:2], grid.given[1])] = result[tuple(inner)]
        if progress is not None:
            progress(done, len(rows) * len(columns))
    assert out is not None  # a picture has a tile at least
    return out


def _windows(n: int, side: int | None, halo: int) -> Iterator[tuple[int, int, int, int]]:
    """Cut n cells: (start, stop) of the tile, then of what it sees.

    The last tile is as large as the others and overlaps its neighbour, since a sliver would be all
    halo and lose bit-equality.
    """
    side = min(side or n, n)
    for start in range(0, n, side):
        start = min(start, n - side)
        yield start, start + side, max(0, start - halo), min(n, start + side + halo)


def _span(cells: tuple[int, int], by: int) -> slice:
    return slice(cells[0] * by, cells[1] * by)


def tiled_down(codec: Codec, high: Pixels, tile: Tile = "auto", progress: Progress | None = None) -> Pixels:
    """Make values small: `(s h) (r w) (t c) -> h w c`, from and to what `Codec.to_store` does; sizes must divide.

    The codes are those that the file of the whole picture is made from.  On the CPU in float32 the result is bit-equal
    for every tile.  Raises `UsageError` for a compression whose values its storage cannot hold.

    Networks that are applied repeatedly see so far that tiles of all steps at once would be mostly halo: each step goes
    over tiles of its own, and what lies between is kept in float32: for a picture in between at most as many bytes as
    the picture has, more for a network that hands on a state.
    """
    codec.spec.low_shape((high.shape[2], high.shape[0], high.shape[1]))
    dtype = kind_of_bits(codec.storage.bits)
    if codec.times == 1 or codec.encoder is None:  # low is the guide of the whole resize, which is no repetition
        return _over(codec, codec.to_store, high, tile, progress, dtype)
    *legs, last = map(codec.leg, range(codec.times))
    for step, leg in enumerate(legs):
        between = _on_arrays(leg.down_floats, codec.device)
        high = _over(leg, between, high, tile, part_of(progress, step, codec.times), np.float32)
    return _over(last, last.to_store, high, tile, part_of(progress, len(legs), codec.times), dtype)


def tiled_up(
    codec: Codec,
    low: Pixels,
    tile: Tile = "auto",
    progress: Progress | None = None,
    dtype: npt.DTypeLike = np.uint8,
) -> Pixels:
    """Restore codes: `h w c -> (s h) (r w) (t c)` of `dtype`, as `Codec.from_store` does; as `tiled_down`."""
    codec.spec.high_shape((low.shape[2], low.shape[0], low.shape[1]))
    if codec.times == 1 or codec.ensemble:  # an average is taken over all steps together
        return _over(codec, lambda seen: codec.from_store(seen, dtype), low, tile, progress, dtype, up=True)
    *legs, last = map(codec.leg, range(codec.times))
    for step, leg in enumerate(legs):
        between = _on_arrays(leg.up_floats, codec.device)
        low = _over(leg, between, low, tile, part_of(progress, step, codec.times), np.float32, up=True)

    def ending(seen: Pixels) -> Pixels:
        return last.from_store(seen, dtype)

    return _over(last, ending, low, tile, part_of(progress, len(legs), codec.times), dtype, up=True)


def _over(
    codec: Codec,
    run: Callable[[Pixels], Pixels],
    picture: Pixels,
    tile: Tile,
    progress: Progress | None,
    dtype: npt.DTypeLike = np.uint8,
    *,
    up: bool = False,
) -> Pixels:
    """Apply one way of a codec tile by tile."""
    s, r = (1 / codec.spec.s, 1 / codec.spec.r) if up else (codec.spec.s, codec.spec.r)
    height, width = picture.shape[:2]
    side = tile_side(tile, (int(height / s), int(width / r)) if up else (height, width))
    grid = Grid.of((s, r), (0, 0) if side is None else _halo(codec), codec.grain)
    return over_tiles(run, picture, grid, side, progress, dtype)


def _on_arrays(way: Callable[[Tensor], Tensor], device: torch.device) -> Callable[[Pixels], Pixels]:
    """Let a way between tensors, `1 c h w`, take and give arrays, `h w c`, of codes or of floats."""

    def run(array: Pixels) -> Pixels:
        with torch.inference_mode():
            return from_batch(way(to_batch(array).to(device)).cpu())

    return run


def _halo(codec: Codec) -> tuple[int, int]:
    """The reach of a codec in cells, of which each has `denominator` low pixels, or `grain` times as many."""
    s, r = codec.grain * codec.spec.s.denominator, codec.grain * codec.spec.r.denominator
    return -(-codec.halo // s), -(-codec.halo // r)
