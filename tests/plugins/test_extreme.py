"""The task `extreme`: powers of one step, a curriculum by depth, files down by x128 and back."""

import os
import signal
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

import resizekit
from resizekit import ResizeSpec, Stage, StageMixture, down_file, up_file
from resizekit.recipes.checkpoint import save
from resizekit.recipes.config import RunConfig, validate
from resizekit.testing import TaskConformance
from resizekit.training.loop import train
from resizekit_extreme.task import ExtremeConfig, extreme

TINY = {"name": "wavelet", "width": 8, "down_blocks": 1, "up_blocks": 1, "adds_average": True}


class TestExtreme(TaskConformance):
    task = extreme


class TestThreeStepsOfTheHeightAlone(TaskConformance):
    task = extreme
    config: ClassVar = {"spec": {"s": 2}, "times": 3, "network": "wavelet"}
    network: ClassVar = {"width": 8, "down_blocks": 1, "up_blocks": 1, "adds_average": True}


class TestByFractionsInvertibly(TaskConformance):
    task = extreme
    config: ClassVar = {"spec": {"s": "3/2", "r": "3/2"}, "network": "invertible", "channels": 1}
    network: ClassVar = {"width": 8, "couplings": 1}


def tiny(**config):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return resizekit.build("extreme", network=TINY, **config).eval()


def curriculum(**config):
    codec = tiny(**config)
    return list(extreme.curriculum(codec, ExtremeConfig(**config)))


def test_nothing_is_rounded_inside_and_the_encoder_gives_low_itself():
    codec, high = tiny(times=3), torch.rand(1, 3, 32, 48)
    assert not codec.traits.residual
    with torch.no_grad():
        low = high
        for _ in range(3):
            low = codec.encoder(low)
        assert torch.equal(codec.encode(high), low)
        out = codec(high)
    assert torch.equal(out.low, resizekit.ops.quantize(low)), "rounded once, at the end"


def test_the_start_of_a_carrying_pair_is_the_mean_of_each_block_at_every_depth():
    codec, high = tiny(), torch.rand(1, 3, 128, 128)
    for times in (1, 2, 5, 7):
        with torch.no_grad():
            low = codec.at(times).encode(high)
        blocks = torch.nn.functional.avg_pool2d(high, 2**times)
        torch.testing.assert_close(low, blocks, atol=1e-5, rtol=0)


@settings(max_examples=20, deadline=None)
@given(deepest=st.integers(1, 9), parts=st.tuples(*[st.sampled_from([0.0, 0.2, 1.0])] * 3).filter(any))
def test_the_curriculum_trains_every_depth_and_shares_the_weights(deepest, parts):
    codec = tiny()
    legs = list(extreme.curriculum(codec, ExtremeConfig(deepest=deepest, shares=parts)))
    assert sum(leg.share for leg in legs) == pytest.approx(sum(parts))
    stages = [one for leg in legs for one in (leg.stages if isinstance(leg, StageMixture) else (leg,))]
    own = {id(parameter) for parameter in codec.parameters()}
    assert all({id(parameter) for parameter in stage.codec.parameters()} == own for stage in stages)
    if parts[1] or parts[2]:
        assert {stage.codec.times for stage in stages} == set(range(1, deepest + 1))
    for stage in stages:  # crops are so large that low is a picture still
        assert 64 * stage.enlarge >= int(stage.codec.spec.s) or stage.codec.times > 8


def test_depths_grow_one_by_one_and_then_are_drawn_by_their_odds():
    legs = curriculum(deepest=3, shares=(1, 3, 6), odds=(5, 2))
    assert [leg.codec.times for leg in legs if isinstance(leg, Stage)] == [1, 1, 2, 3]
    mixture = legs[-1]
    assert isinstance(mixture, StageMixture)
    assert [(stage.codec.times, stage.share) for stage in mixture.stages] == [(1, 5), (2, 2)], "no odds, no place"
    assert [leg.share for leg in legs] == [1, 1, 1, 1, 6]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"spec": {"s": 2, "t": 3}}, "keeps the channels"),
        ({"times": 0}, "greater than or equal to 1"),
        ({"shares": (0, 0, 0)}, "not all of them are 0"),
        ({"odds": (1, -1)}, "at least 0"),
        ({"deepest": 2.5}, "integer"),
    ],
    ids=str,
)
def test_what_is_no_recursion_is_refused(config, said):
    with pytest.raises(ValidationError, match=said):
        ExtremeConfig(**config)


def smooth(h, w, seed=0):
    small = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8))
    return np.array(small.resize((w, h), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("size", [(300, 500), (128, 128), (129, 1)])
def test_a_file_goes_down_by_128_and_comes_back_whole(size, tmp_path):
    codec = tiny(times=7)
    save(codec, tmp_path / "deep.safetensors")
    Image.fromarray(smooth(*size)).save(tmp_path / "high.png")
    manifest = down_file(tmp_path / "high.png", tmp_path / "low.png", weights=tmp_path / "deep.safetensors")
    assert (manifest.times, manifest.spec) == (7, ResizeSpec(s=128, r=128))
    with Image.open(tmp_path / "low.png") as low:
        assert low.size == (-(-size[1] // 128), -(-size[0] // 128))
    up_file(tmp_path / "low.png", tmp_path / "back.png", weights=tmp_path / "deep.safetensors")
    with Image.open(tmp_path / "back.png") as back:
        assert back.size == (size[1], size[0])


def test_a_tiny_network_learns_at_depth_7_and_goes_on_inside_its_curriculum(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for seed in range(2):
        Image.fromarray(smooth(256, 260, seed)).save(data / f"{seed}.png")
    raw = {
        "task": "extreme",
        "config": {"network": "wavelet", "restoration_loss": "rms", "shares": (1, 7, 8)},
        "network": {key: value for key, value in TINY.items() if key != "name"},
        "train": {"data": [data], "steps": 16, "batch": 2, "precision": "float32", "log": "none", "warmup": 1},
    }
    run = validate(RunConfig, raw, where="test")
    whole = train(run, tmp_path / "whole")

    def interrupt(step, figures):
        if step == 11:  # inside the mixture
            os.kill(os.getpid(), signal.SIGINT)

    parted = train(run, tmp_path / "parted", progress=interrupt)
    assert parted.steps == 11
    again = train(run, tmp_path / "parted")
    assert again.header.digest == whole.header.digest
    assert again.header.digest != tiny().digest, "it learned"
