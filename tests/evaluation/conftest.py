"""Tiny weights for colour and for grey, with something in them: no training is needed for that."""

import numpy as np
import pytest
import torch

from resizekit import build, load, save


def small_weights(path, channels, seed):
    torch.manual_seed(seed)
    codec = build("sr", channels=channels, network={"width": 8, "blocks": 1})
    with torch.no_grad():
        for parameter in codec.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.01)
    save(codec, path)
    return path


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """The files by channels: {1: ..., 3: ...}."""
    folder = tmp_path_factory.mktemp("weights")
    return {c: small_weights(folder / f"tiny-{c}.safetensors", c, c) for c in (1, 3)}


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
