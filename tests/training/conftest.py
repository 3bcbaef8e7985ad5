"""A folder of small pictures, and runs so tiny that a step takes milliseconds."""

import numpy as np
import pytest
from PIL import Image

from resizekit.recipes.config import RunConfig, validate


def smooth(h, w, seed):
    """A picture with structure: enlarged noise, `h w 3` uint8."""
    small = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (h // 4, w // 4, 3), np.uint8))
    return np.array(small.resize((w, h), Image.Resampling.BICUBIC))


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for i, (h, w) in enumerate(((40, 48), (32, 56), (48, 32))):
        Image.fromarray(smooth(h, w, i)).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def recipe(pictures):
    """Make the config of a tiny run: `recipe(steps=3, config={...})`."""

    def make(config=None, **train):
        defaults = {"data": [pictures], "steps": 4, "batch": 2, "patch": 16, "warmup": 2, "precision": "float32"}
        raw = {
            "task": "sr",
            "config": config or {},
            "network": {"width": 8, "blocks": 1},
            "train": defaults | {"log": "none"} | train,
        }
        return validate(RunConfig, raw, where="test")

    return make
