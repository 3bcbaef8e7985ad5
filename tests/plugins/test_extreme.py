"""The task `extreme`: repeated steps, a curriculum of depths, files down by 128 and back."""

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


class TestThreeStepsOfHeightOnly(TaskConformance):
    task = extreme
    config: ClassVar = {"spec": {"s": 2}, "times": 3, "network": "wavelet"}
    network: ClassVar = {"width": 8, "down_blocks": 1, "up_blocks": 1, "adds_average": True}


class TestFractionsWithInvertibleNetwork(TaskConformance):
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


def test_steps_are_not_rounded_and_the_encoder_returns_low():
    codec, high = tiny(times=3), torch.rand(1, 3, 32, 48)
    assert not codec.traits.residual
    with torch.no_grad():
        low = high
        for _ in range(3):
            low = codec.encoder(low)
        assert torch.equal(codec.encode(high), low)
        out = codec(high)
    assert torch.equal(out.low, resizekit.ops.quantize(low)), "rounded once, at the end"


def test_adds_average_starts_as_the_mean_of_each_block_at_any_depth():
    codec, high = tiny(), torch.rand(1, 3, 128, 128)
    for times in (1, 2, 5, 7):
        with torch.no_grad():
            low = codec.at(times).encode(high)
        blocks = torch.nn.functional.avg_pool2d(high, 2**times)
        torch.testing.assert_close(low, blocks, atol=1e-5, rtol=0)


@settings(max_examples=20, deadline=None)
@given(deepest=st.integers(1, 9), shares=st.tuples(*[st.sampled_from([0.0, 0.2, 1.0])] * 3).filter(any))
def test_curriculum_trains_every_depth_and_shares_the_weights(deepest, shares):
    codec = tiny()
    parts = list(extreme.curriculum(codec, ExtremeConfig(deepest=deepest, shares=shares)))
    assert sum(part.share for part in parts) == pytest.approx(sum(shares))
    stages = [stage for part in parts for stage in (part.stages if isinstance(part, StageMixture) else (part,))]
    codec_parameters = {id(parameter) for parameter in codec.parameters()}
    assert all({id(parameter) for parameter in stage.codec.parameters()} == codec_parameters for stage in stages)
    if shares[1] or shares[2]:
        assert {stage.codec.times for stage in stages} == set(range(1, deepest + 1))
    for stage in stages:  # the crops are large enough for a low image of at least one pixel
        assert 64 * stage.enlarge >= int(stage.codec.spec.s) or stage.codec.times > 8


def test_curriculum_grows_depth_and_then_mixes_depths_by_odds():
    parts = curriculum(deepest=3, shares=(1, 3, 6), odds=(5, 2))
    assert [part.codec.times for part in parts if isinstance(part, Stage)] == [1, 1, 2, 3]
    mixture = parts[-1]
    assert isinstance(mixture, StageMixture)
    assert [(stage.codec.times, stage.share) for stage in mixture.stages] == [(1, 5), (2, 2)], (
        "depths without odds are left out"
    )
    assert [part.share for part in parts] == [1, 1, 1, 1, 6]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"spec": {"s": 2, "t": 3}}, "t=3 changes the channels"),
        ({"times": 0}, "greater than or equal to 1"),
        ({"shares": (0, 0, 0)}, r"invalid values \(0.0, 0.0, 0.0\): .* not all of them 0"),
        ({"odds": (1, -1)}, r"invalid values \(1.0, -1.0\): expected numbers of at least 0"),
        ({"deepest": 2.5}, "integer"),
    ],
    ids=str,
)
def test_invalid_configs_are_refused(config, message):
    with pytest.raises(ValidationError, match=message):
        ExtremeConfig(**config)


def smooth_image(h, w, seed=0):
    small = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8))
    return np.array(small.resize((w, h), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("size", [(300, 500), (128, 128), (129, 1)])
def test_file_of_any_size_goes_down_by_128_and_back(size, tmp_path):
    codec = tiny(times=7)
    save(codec, tmp_path / "deep.safetensors")
    Image.fromarray(smooth_image(*size)).save(tmp_path / "high.png")
    manifest = down_file(tmp_path / "high.png", tmp_path / "low.png", weights=tmp_path / "deep.safetensors")
    assert (manifest.times, manifest.spec) == (7, ResizeSpec(s=128, r=128))
    with Image.open(tmp_path / "low.png") as low:
        assert low.size == (-(-size[1] // 128), -(-size[0] // 128))
    up_file(tmp_path / "low.png", tmp_path / "back.png", weights=tmp_path / "deep.safetensors")
    with Image.open(tmp_path / "back.png") as back:
        assert back.size == (size[1], size[0])


def test_training_at_depth_7_resumes_inside_the_curriculum(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for seed in range(2):
        Image.fromarray(smooth_image(256, 260, seed)).save(data / f"{seed}.png")
    raw = {
        "task": "extreme",
        "config": {"network": "wavelet", "restoration_loss": "rms", "shares": (1, 7, 8)},
        "network": {key: value for key, value in TINY.items() if key != "name"},
        "train": {"data": [data], "steps": 16, "batch": 2, "precision": "float32", "log": "none", "warmup": 1},
    }
    run = validate(RunConfig, raw, where="test")
    complete = train(run, tmp_path / "complete")

    def interrupt(step, figures):
        if step == 11:  # inside the mixture
            os.kill(os.getpid(), signal.SIGINT)

    interrupted = train(run, tmp_path / "interrupted", progress=interrupt)
    assert interrupted.steps == 11
    resumed = train(run, tmp_path / "interrupted")
    assert resumed.header.digest == complete.header.digest
    assert resumed.header.digest != tiny().digest, "training must change the weights"
