"""Apply a codec in tiles, which `resizekit.codec.grid` cuts, so that memory use depends on the tile size."""

import copy
import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from resizekit.codec.codec import Codec
from resizekit.codec.convert import as_dtype, dtype_of_bits, from_batch, to_batch
from resizekit.codec.grid import Grid, Progress, Tile, over_tiles, part_of, tile_side
from resizekit.nn import receptive_field
from resizekit.spec import HW
from resizekit.storage import Pixels

__all__ = ["halo", "tile_alignment", "tiled_down", "tiled_encode", "tiled_up"]


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
