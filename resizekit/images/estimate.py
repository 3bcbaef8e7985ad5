"""What a resize will take: memory, temporary files, and the time by a short run on this machine."""

import shutil
import time
from dataclasses import dataclass

import numpy as np

from resizekit.codec import Codec
from resizekit.codec.grid import Tile, tile_side
from resizekit.codec.padded_sizes import padded_sizes_for
from resizekit.codec.tiling import halo
from resizekit.images.budget import FILES, Budget, memory_of_tiles
from resizekit.pictures.io.destination import Target, folder_of
from resizekit.spec import HW
from resizekit.system.resident import resident_bytes

__all__ = ["Estimate", "estimate_down"]

_PROBE_SECONDS = 2.0
_PROBE_SIDE = 256


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What making a picture small takes."""

    tile: int | None
    """Side of the tiles in pixels; None: no tiles."""
    memory: int
    """Peak memory of the process, in bytes."""
    temporary: int
    """Largest size of the temporary files, in bytes."""
    seconds: float
    """Time of the networks on this machine; reading and writing add to it."""
    possible_pixels: int
    """Pixels of the largest picture whose temporary files fit on the disk."""


def estimate_down(codec: Codec, size: HW, bits: int, tile: Tile, budget: Budget, target: Target) -> Estimate:
    """Estimate what making a picture small takes.

    Args:
        codec: The networks.
        size: Size of the picture.
        bits: Bits of its channels.
        tile: Side of the tiles, "auto" or "off".
        budget: The limits.
        target: The small file, in whose folder the temporary files are kept.

    Raises:
        UsageError: The memory is too small.
    """
    plan = budget.plan(codec, tile)
    side = tile_side(tile if plan is None else plan.side, size)
    in_tile = min(side or max(size), max(size))
    memory = resident_bytes() + memory_of_tiles(codec, [in_tile])[in_tile] + FILES if plan is None else plan.memory
    # the original and low; between two steps, low has four bytes per value
    low = 1 / float(codec.step.s * codec.step.r * codec.step.t)
    bytes_per_pixel = codec.channels * (bits // 8 + low * (4 if codec.times > 1 else bits // 8))
    pixels = size.h * size.w
    with_halo = (in_tile + 2 * halo(codec) * float(max(codec.step.s, codec.step.r))) ** 2 / in_tile**2
    return Estimate(
        tile=side,
        memory=int(memory),
        temporary=int(pixels * bytes_per_pixel),
        seconds=pixels * _seconds_per_pixel(codec) * (1.0 if side is None else with_halo),
        possible_pixels=int(shutil.disk_usage(folder_of(target)).free / bytes_per_pixel),
    )


def _seconds_per_pixel(codec: Codec) -> float:
    """Measure `down` on a small picture, for two seconds or at least twice; the first run does not count."""
    high = padded_sizes_for(codec.spec, HW(_PROBE_SIDE, _PROBE_SIDE)).high
    pixels = np.zeros((*high, codec.channels), np.uint8)
    times, end = list[float](), time.perf_counter() + _PROBE_SECONDS
    while len(times) < 2 or time.perf_counter() < end:
        start = time.perf_counter()
        codec.down_pixels(pixels)
        times.append(time.perf_counter() - start)
    return min(times[1:]) / (high.h * high.w)
