"""Refine an image tile by tile, so that memory depends on the tile and not on the image.

Tiles are refined one after another, in rows from the top left. The surroundings of a tile are fixed: the refined tiles
before it and the unrefined ones after it. Its error is measured over the surroundings too, so there is no seam.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from resizekit.codec.codec import Codec
from resizekit.codec.convert import from_batch, to_batch
from resizekit.codec.grid import Tile, tile_side, windows
from resizekit.codec.refine.descent import refine_level
from resizekit.codec.refine.effort import Effort
from resizekit.codec.refine.objective import Objective, check_refinable, guide_of, without_gradients
from resizekit.codec.tiling import halo, tile_alignment
from resizekit.errors import ResizeShapeError
from resizekit.nn import receptive_field
from resizekit.spec import HW
from resizekit.storage import Pixels

__all__ = ["TiledRefinement"]

_LARGEST_UNTILED = 1024
"""Side in pixels of the largest square that "auto" refines at once: 2 GB for the networks of sr-x2, in float32."""
_AUTO_SIDE = 768
"""Side of the tiles of "auto"."""
_CONTEXT = 12
"""Cells around a tile that matter. The networks see further, but with less than half an 8-bit value of difference."""
_FILE_BLOCK = 16
"""Pixels of low that lossy files code together, as JPEG with halved colours; surroundings start at such a border."""
_WINDOW = 1600
"""Side in pixels that a tile of "auto" with its surroundings may have; deep recursion then gets less context."""


class _Part(NamedTuple):
    """One axis of a tile, in pixels of low; `seen` and `shown` include the surroundings."""

    tile: slice
    seen: slice
    shown: npt.NDArray[np.intp]
    """For each row or column that the decoder takes, the one of `seen` that it shows."""
    high: slice


class TiledRefinement:
    """The refinement of one image.

    Args:
        codec: The codec.
        high: The original with padding, `(s h) (r w) (t c)`: uint8, uint16, or float32 in [0, 1].
        first: Low of effort 0 before the compression and without padding, `h w c`, float32. The decoder takes it
            reflected to the size of `high`.
        effort: The effort; its levels are run one by one.
        weight: Weight of each pixel of high, `(s h) (r w)` in [0, 1]; None: 1.
        tile: Side of the tiles in pixels of high, "auto" or "off".
        bit_price: Squared error in [0, 1] that one bit of low is worth; None: bits do not count.
    """

    def __init__(
        self,
        codec: Codec,
        high: Pixels,
        first: Pixels,
        effort: Effort,
        *,
        weight: npt.NDArray[np.float32] | None = None,
        tile: Tile = "auto",
        bit_price: float | None = None,
    ) -> None:
        check_refinable(codec, effort)
        self._codec = without_gradients(codec)
        self._high, self._first, self._effort, self._weight = high, first, effort, weight
        self._bit_price = None if bit_price is None else torch.full((1,), bit_price, dtype=torch.float64)
        rows, columns = (list(axis) for axis in _axes(codec, high, first, tile))
        self._tiles = [(row, column) for row in rows for column in columns]

    @property
    def steps(self) -> int:
        """Iterations of all levels on all tiles together."""
        return self._effort.iterations * len(self._tiles)

    def run(self, low: Pixels, level: int, step: Callable[[], None] = lambda: None) -> Pixels:
        """Run one level on every tile.

        Args:
            low: The result of the level below, `h w c`, float32; of level 0 for level 1.
            level: 1 to `effort.level`.
            step: Called after each iteration on a tile.

        Returns:
            `h w c`, float32.
        """
        low = low.copy()
        for row, column in self._tiles:
            with torch.inference_mode(False), torch.no_grad():
                refined = refine_level(
                    self._objective(row, column), self._tensor(low[row.seen, column.seen]),
                    self._effort.levels[level - 1], step,
                )  # fmt: skip
                values = from_batch(refined.cpu())
            low[row.tile, column.tile] = values[_inside(row), _inside(column)]
        return low

    def guide(self) -> Pixels:
        """Compute the target of low: `h w c`, float32."""
        guide = np.empty_like(self._first)
        for row, column in self._tiles:
            with torch.inference_mode():
                seen = from_batch(self._guide(row, column).cpu())
            guide[row.tile, column.tile] = seen[_inside(row), _inside(column)]
        return guide

    def _objective(self, row: _Part, column: _Part) -> Objective:
        first = self._tensor(self._first[row.seen, column.seen])
        mask = torch.zeros_like(first[:, :1])
        mask[:, :, _inside(row), _inside(column)] = 1
        indices = [torch.from_numpy(part.shown).to(first.device) for part in (row, column)]
        weight = self._weight
        return Objective(
            self._codec,
            self._tensor(self._high[row.high, column.high]),
            first,
            target_low_psnr=self._effort.target_low_psnr,
            bit_price=None if self._bit_price is None else self._bit_price.to(first.device),
            weight=None if weight is None else self._tensor(weight[row.high, column.high, None]),
            mask=mask,
            expand=lambda x: x[:, :, indices[0]][:, :, :, indices[1]],
            guide=self._guide(row, column),
        )

    def _guide(self, row: _Part, column: _Part) -> Tensor:
        whole = guide_of(self._codec, self._tensor(self._high[row.high, column.high]))
        size = self._first[row.seen, column.seen].shape
        return whole[:, :, : size[0], : size[1]]

    def _tensor(self, pixels: Pixels) -> Tensor:
        return to_batch(np.array(pixels)).to(self._codec.device)


def _inside(part: _Part) -> slice:
    """Return the rows or columns of the tile within `seen`."""
    return slice(part.tile.start - part.seen.start, part.tile.stop - part.seen.start)


def _axes(codec: Codec, high: Pixels, low: Pixels, tile: Tile) -> Iterator[Iterator[_Part]]:
    """Divide height and width."""
    size = HW(*high.shape[:2])
    if tile == "auto":
        side = None if size.h * size.w <= _LARGEST_UNTILED**2 else _AUTO_SIDE
    else:
        side = tile_side(tile, size)
    try:
        context = _context(codec, side)
    except ResizeShapeError:  # `down` uses no tiles either for a picture of this size
        if tile_side(tile, size) is not None:
            raise
        side, context = None, 0
    aligned = 1 if codec.storage.exact else _FILE_BLOCK
    for factor, pixels, stored in zip((codec.spec.s, codec.spec.r), size, low.shape[:2], strict=True):
        blocks = tile_alignment(codec)
        cell = blocks * factor.numerator, blocks * factor.denominator
        padded = int(pixels / factor)
        # a short axis is reflected repeatedly: every pixel of it may be seen from everywhere
        side_of_axis = None if padded - stored >= cell[1] else side
        yield _parts(cell, pixels, stored, padded, side_of_axis, context, math.lcm(cell[1], aligned) // cell[1])


def _context(codec: Codec, side: int | None) -> int:
    """Cells around a tile: what the networks see, as far as it matters; `ResizeShapeError` if they see everything."""
    if side is None:
        return 0
    factors = codec.spec.s, codec.spec.r
    blocks = tile_alignment(codec)
    seen = -(-halo(codec) // (blocks * min(factor.denominator for factor in factors)))
    room = max(_WINDOW - side, side) // (2 * blocks * max(factor.numerator for factor in factors))
    return max(2, min(_CONTEXT, seen, room), _guide_cells(codec))


def _guide_cells(codec: Codec) -> int:
    """Cells around a pixel of low that its guide depends on, measured once by a probe."""
    name, blocks = f"guide {codec.times}", tile_alignment(codec)
    if name not in codec.receptive_fields:
        s, r = codec.spec.s, codec.spec.r
        high, low = (s.numerator * blocks, r.numerator * blocks), (s.denominator * blocks, r.denominator * blocks)
        device = codec.device
        cells = receptive_field(lambda x: codec.guide(x.to(device)), codec.channels, high, low)
        codec.receptive_fields[name] = cells
    return codec.receptive_fields[name]


def _parts(
    cell: tuple[int, int], high: int, stored: int, padded: int, side: int | None, context: int, align: int
) -> Iterator[_Part]:
    """Divide one axis: `high` pixels that `padded` pixels of low restore, of which `stored` exist.

    The last tile is as large as the others, but only the part that no earlier tile covers may change.
    """
    done = 0
    (per_high, per_low), cells = cell, -(-high // cell[0])
    reflected = np.pad(np.arange(stored), (0, padded - stored), mode="reflect")
    for start, stop, first, last in windows(cells, side and max(1, side // max(cell)), context):
        first -= first % align
        index = reflected[first * per_low : last * per_low]
        seen = slice(int(index.min()), int(index.max()) + 1)
        tile = slice(max(done, start * per_low), min(stop * per_low, stored))
        done = tile.stop
        if tile.start < tile.stop:
            yield _Part(tile, seen, index - seen.start, slice(first * per_high, last * per_high))
