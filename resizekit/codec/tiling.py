"""Process an image in tiles, so that memory use depends on the tile size and not on the image size.

┌──────────────┐   Each tile is computed with a halo, the pixels around it that the networks see. Where the
│   ┌ ─ ─ ─ ┐  │   image ends, the halo ends too, and the networks meet the same border as on the entire image.
│     ┌───┐    │   Tiles start at whole cells: the smallest blocks of pixels that the factor maps to whole
│   │ │   │ │  │   pixels, or multiples of them for networks that work on larger blocks.
│     └───┘    │
│   └ ─ ─ ─ ┘  │
└──────────────┘
"""

import copy
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from resizekit.codec.codec import Codec
from resizekit.codec.convert import as_dtype, dtype_of_bits, from_batch, to_batch
from resizekit.errors import UsageError
from resizekit.nn import receptive_field
from resizekit.spec import HW
from resizekit.storage import Pixels

__all__ = [
    "Grid", "Progress", "Tile", "halo", "over_tiles", "part_of", "part_of_work", "tile_alignment", "tile_side",
    "tiled_down", "tiled_encode", "tiled_up", "windows",
]  # fmt: skip

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


def tile_alignment(codec: Codec) -> int:
    """Cells per side of the blocks that the networks work on: tiles start at multiples of it; 1 for most networks."""
    return math.lcm(codec.traits.encoder.block_size, codec.traits.decoder.block_size)


def halo(codec: Codec) -> int:
    """Pixels of low to each side that a pixel depends on, in either direction; measured once by a probe.

    One step depends on a fixed number of cells around a pixel. Each further step depends on as many cells of a
    coarser or finer grid, so the sum is a geometric series.

    Raises:
        ResizeShapeError: If the networks see the entire image, so that tiles are impossible.
    """
    seen = codec.receptive_fields
    if "cells" not in seen:
        seen["cells"] = _measured_cells(codec)
    ratio = max(1 / codec.step.s, 1 / codec.step.r, Fraction(0))
    cells = seen["cells"] * sum(ratio**k for k in range(codec.times))
    return math.ceil(cells) * tile_alignment(codec) * max(codec.step.s.denominator, codec.step.r.denominator)


def _measured_cells(codec: Codec) -> int:
    side, step = tile_alignment(codec), codec.step
    high, low = (
        (side * step.s.numerator, side * step.r.numerator),
        (side * step.s.denominator, side * step.r.denominator),
    )
    # in training mode a probe would change the statistics of layers such as batch normalisation
    probe = (copy.deepcopy(codec).eval() if codec.training else codec).replace(times=1, self_ensemble=False)
    device = codec.device
    down = receptive_field(lambda x: probe.encode(x.to(device)), codec.channels, high, low)
    up = receptive_field(lambda x: probe.decode(x.to(device)), codec.low_channels, low, high)
    return max(down, up)


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
        seen = image[_pixels(row[2:], grid.taken.h), _pixels(column[2:], grid.taken.w)]
        result = run(seen)
        if out is None:  # the state between two steps has a number of channels that only the networks know
            out = np.empty([*size, result.shape[2]], dtype)
        inner = [
            _pixels((start - first, stop - first), by)
            for (start, stop, first, _), by in zip((row, column), grid.given, strict=True)
        ]
        out[_pixels(row[:2], grid.given.h), _pixels(column[:2], grid.given.w)] = result[tuple(inner)]
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


def tiled_down(codec: Codec, high: Pixels, tile: Tile = "auto", progress: Progress | None = None) -> Pixels:
    """Downscale tile by tile to the pixel values of the file, as `Codec.down_pixels` does for the entire image.

    On a CPU in float32 the result is bit-equal for every tile size. Repeated networks see so far that tiles of all
    steps at once would be mostly halo: each step has its own tiles, and the state between two steps is float32.

    Args:
        codec: The networks.
        high: `(s h) (r w) (t c)`: uint8, uint16, or float32 in [0, 1]. The factors must divide its size.
        tile: Side of the tiles.
        progress: Called after each tile.

    Returns:
        `h w c`, uint8 or uint16.

    Raises:
        UsageError: If the storage cannot hold the values of the compression, or `tile` is not valid.
    """
    codec.spec.low_shape((high.shape[2], high.shape[0], high.shape[1]))
    dtype = dtype_of_bits(codec.storage.bits)
    if codec.times == 1 or codec.encoder is None:  # without an encoder, low is the guide of the entire resize
        return _over(codec, codec.down_pixels, high, tile, progress, dtype)
    single, last = codec.at(1), codec.times - 1
    for i in range(last):
        step = _on_arrays(partial(codec.encode_step, i=i), codec.device)
        high = _over(single, step, high, tile, part_of(progress, i, codec.times), np.float32)
    final = _on_arrays(lambda x: codec.to_stored(codec.encode_step(x, last)), codec.device)
    return _over(single, final, high, tile, part_of(progress, last, codec.times), dtype)


def tiled_encode(codec: Codec, high: Pixels, tile: Tile = "auto", progress: Progress | None = None) -> Pixels:
    """Downscale tile by tile without the compression: `(s h) (r w) (t c) -> h w c`, float32; see `tiled_down`."""
    codec.spec.low_shape((high.shape[2], high.shape[0], high.shape[1]))
    if codec.times == 1 or codec.encoder is None:
        return _over(codec, _on_arrays(codec.encode_for_inference, codec.device), high, tile, progress, np.float32)
    single = codec.at(1)
    for i in range(codec.times):
        step = _on_arrays(partial(codec.encode_step, i=i), codec.device)
        high = _over(single, step, high, tile, part_of(progress, i, codec.times), np.float32)
    return high


def tiled_up(
    codec: Codec,
    low: Pixels,
    tile: Tile = "auto",
    progress: Progress | None = None,
    dtype: npt.DTypeLike = np.uint8,
) -> Pixels:
    """Upscale tile by tile, as `Codec.up_pixels` does for the entire image; see `tiled_down`.

    Args:
        codec: The networks.
        low: `h w c`, uint8 or uint16.
        tile: Side of the tiles in pixels of high.
        progress: Called after each tile.
        dtype: Of the result: uint8, uint16, or float32 in [0, 1].

    Returns:
        `(s h) (r w) (t c)` of `dtype`.
    """
    codec.spec.high_shape((low.shape[2], low.shape[0], low.shape[1]))
    if codec.times == 1 or codec.self_ensemble:  # the self-ensemble averages over all steps together
        return _over(codec, lambda seen: codec.up_pixels(seen, dtype), low, tile, progress, dtype, up=True)
    single, last = codec.at(1), codec.times - 1
    for i in range(last):
        step = _on_arrays(partial(codec.decode_step, i=i), codec.device)
        low = _over(single, step, low, tile, part_of(progress, i, codec.times), np.float32, up=True)
    kind = torch.from_numpy(np.empty(0, dtype)).dtype
    final = _on_arrays(lambda x: as_dtype(codec.decode_step(x, last), kind), codec.device)
    return _over(single, final, low, tile, part_of(progress, last, codec.times), dtype, up=True)


def _over(
    codec: Codec,
    run: Callable[[Pixels], Pixels],
    image: Pixels,
    tile: Tile,
    progress: Progress | None,
    dtype: npt.DTypeLike,
    *,
    up: bool = False,
) -> Pixels:
    """Apply one direction of a codec tile by tile."""
    s, r = (1 / codec.spec.s, 1 / codec.spec.r) if up else (codec.spec.s, codec.spec.r)
    height, width = image.shape[:2]
    side = tile_side(tile, HW(int(height / s), int(width / r)) if up else HW(height, width))
    grid = Grid.of((s, r), (0, 0) if side is None else _halo_cells(codec), tile_alignment(codec))
    return over_tiles(run, image, grid, side, progress, dtype)


def _on_arrays(run: Callable[[Tensor], Tensor], device: torch.device) -> Callable[[Pixels], Pixels]:
    """Let a function of tensors `1 c h w` take and return arrays `h w c`."""

    def on_array(array: Pixels) -> Pixels:
        with torch.inference_mode():
            return from_batch(run(to_batch(array).to(device)).cpu())

    return on_array


def _halo_cells(codec: Codec) -> tuple[int, int]:
    """The halo in cells of the tile grid, for height and width."""
    side, pixels = tile_alignment(codec), halo(codec)
    return -(-pixels // (side * codec.spec.s.denominator)), -(-pixels // (side * codec.spec.r.denominator))
