"""Time down and up of a picture of 1920x1080, from uint8 to uint8."""

from typing import Any

import numpy as np
import pytest

import resizekit
from resizekit.codec.tiling import tiled_down, tiled_up


@pytest.fixture(scope="module")
def codec() -> resizekit.Codec:
    return resizekit.load("sr-x2")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("tile", ["off", 512])
@pytest.mark.parametrize("direction", ["down", "up"])
def bench_full_hd(benchmark: Any, codec: resizekit.Codec, direction: str, tile: Any, precision: Any) -> None:
    codec.precision = precision
    high = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
    picture = high if direction == "down" else high[:540, :960]
    run = tiled_down if direction == "down" else tiled_up
    benchmark.pedantic(lambda: run(codec, picture, tile), rounds=5, warmup_rounds=1)
