"""Time one iteration of refinement, and compare it with `up`: both on a picture of 512x512, without tiles."""

from typing import Any

import pytest
import torch

import resizekit
from resizekit.codec.refine import objective
from resizekit.codec.refine.descent import refine_level
from resizekit.codec.refine.effort import Level
from resizekit.nn import to_float

ITERATIONS = 5


@pytest.mark.parametrize("gradient", ["up", "float32", "bfloat16"])
@pytest.mark.parametrize("weights", ["sr-x2", "sr-x4", "colorize", "tad-x2"])
def bench_iterations(benchmark: Any, monkeypatch: Any, weights: str, gradient: str) -> None:
    """Time five iterations with their exact scores, or five times `up`."""
    codec = resizekit.load(weights)
    high = torch.randint(0, 256, (1, 3, 512, 512), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    low = codec.down_codes(high)
    if gradient == "up":

        def run() -> None:
            with torch.inference_mode():
                for _ in range(ITERATIONS):
                    codec.up_codes(low)
    else:
        monkeypatch.setattr(objective, "pick_precision", lambda *_: gradient)
        start = to_float(low)
        goal = objective.Objective(codec, high, start)

        def run() -> None:
            refine_level(goal, start, Level(ITERATIONS, 0.35))

    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
