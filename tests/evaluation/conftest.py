"""Tiny random weights for colour and for grey."""

import numpy as np
import pytest

from resizekit import load


@pytest.fixture(scope="session")
def weights(tmp_path_factory, small_weights):
    """Files by number of channels: {1: ..., 3: ...}."""
    folder = tmp_path_factory.mktemp("weights")
    paths = {channels: folder / f"tiny-{channels}.safetensors" for channels in (1, 3)}
    for channels, path in paths.items():
        small_weights(path, channels)
    return paths


@pytest.fixture(scope="session")
def codecs(weights):
    return {channels: load(path) for channels, path in weights.items()}


@pytest.fixture
def picture():
    """Make a blocky picture, `h w c` uint8."""

    def make(h=24, w=32, c=3, seed=0):
        blocks = np.random.default_rng(seed).integers(0, 256, (-(-h // 4), -(-w // 4), c), np.uint8)
        return blocks.repeat(4, 0).repeat(4, 1)[:h, :w]

    return make
