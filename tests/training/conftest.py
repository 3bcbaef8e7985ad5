"""Fixtures: a folder of small pictures, and a config whose steps take milliseconds."""

import signal

import numpy as np
import pytest
from PIL import Image

from resizekit.recipes.config import RunConfig, validate
from resizekit.training.loop import train


def smooth(h, w, seed):
    """Return a picture with smooth structure, enlarged noise: `h w 3` uint8."""
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
    """Create the config of a tiny training: `recipe(steps=3, config={...})`."""

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


@pytest.fixture(scope="session")
def straight(tmp_path_factory):
    """Return a function that trains without interruption and caches (folder, result) by config."""
    done = {}

    def run(config):
        key = config.model_dump_json()
        if key not in done:
            folder = tmp_path_factory.mktemp("straight")
            done[key] = folder, train(config, folder)
        return done[key]

    return run


@pytest.fixture
def interrupt_after():
    """Return a progress function that sends Ctrl-C after a number of steps: `interrupt_after(steps)`."""

    def make(steps):
        def progress(step, metrics):
            if step == steps:
                signal.raise_signal(signal.SIGINT)

        return progress

    return make
