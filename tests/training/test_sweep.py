"""A sweep over guide weights: results, resume, and the checks before the first step."""

import codecs
import json

import numpy as np
import pytest
from PIL import Image

from resizekit import load
from resizekit.errors import ConfigError, ImageError, UsageError
from resizekit.training import sweep as sweeping
from resizekit.training.sweep import Sweep


@pytest.fixture
def swept(recipe, pictures, tmp_path):
    """Start or resume the sweep of a tiny config: `swept(**train)`."""

    def make(config=None, *, out=tmp_path / "r.json", sets=None, compression="none", **train):
        return Sweep(recipe(config, **train), sets or [pictures], out, compression=compression)

    return make


def test_points_differ_only_in_their_guide_weight(swept, pictures, tmp_path):
    sweep = swept({"compression": "uint8", "guide_weight": 5.0}, steps=60, lr=5e-3, ema=0.8)
    for weight in (100.0, 0.0):
        assert sweep.add(weight)
    results = json.loads((tmp_path / "r.json").read_text())
    assert [point["guide_weight"] for point in results["points"]] == [0, 100]
    free, constrained = sweep.in_order()
    assert free.low < constrained.low
    for point, folder in ((free, "0"), (constrained, "100")):
        codec = load(tmp_path / "r" / folder / "weights.safetensors")
        assert (codec.digest, codec.info.compression) == (point.digest, "none")
        assert codec.recipe.config["guide_weight"] == point.guide_weight
        assert point.steps == 60
        assert point.sets[pictures.name]["high_rgb"] == pytest.approx(point.high)
        with Image.open(tmp_path / point.small) as small:
            assert small.size == (24, 20)


def test_complete_points_are_reused_and_interrupted_ones_resume(swept, tmp_path, monkeypatch, interrupt_after):
    assert swept(steps=5).add(0.1)
    assert not swept(steps=5).add(1.0, progress=interrupt_after(3))
    assert list(swept(steps=5).points) == [0.1]
    steps = []
    assert swept(steps=5).add(1.0, progress=lambda step, metrics: steps.append(step))
    assert steps == [4, 5]
    straight = swept(steps=5, out=tmp_path / "other.json")
    straight.add(1.0)
    assert straight.points[1.0].digest == swept(steps=5).points[1.0].digest
    monkeypatch.setattr(sweeping, "train", None)
    assert swept(steps=5).add(0.1), "the point is not trained again"


@pytest.mark.parametrize(("compression", "options"), [("jpeg", {"quality": 50}), ("none", {})])
def test_only_the_configs_compression_keeps_its_options(recipe, pictures, tmp_path, compression, options):
    run = recipe({"compression": "jpeg"}).model_copy(update={"compression": {"quality": 50}})
    swept = Sweep(run, [pictures], tmp_path / "r.json", compression=compression).run
    assert (swept.config["compression"], swept.compression) == (compression, options)


def test_results_of_another_config_or_set_are_refused(swept, pictures, tmp_path):
    swept(steps=1).add(1.0)
    before = (tmp_path / "r.json").read_bytes()
    for train, message in (
        ({"steps": 2}, r"r.json belongs to a different config \(train.steps was 1, is 2\)"),
        ({"steps": 1, "lr": 1e-3}, r"belongs to a different config \(train.lr was 0.0005, is 0.001\)"),
        ({"steps": 1, "sets": [pictures / "0.png"]}, r"was measured on .*; pass these --sets"),
    ):
        with pytest.raises(UsageError, match=message):
            swept(**train)
    with pytest.raises(UsageError, match=r"belongs to a different config \(config.compression was none, is uint8\)"):
        swept(steps=1, compression="uint8")
    assert (tmp_path / "r.json").read_bytes() == before
    (tmp_path / "r.json").write_bytes(codecs.BOM_UTF8 + before)
    assert list(swept({"guide_weight": 7.0}, steps=1).points) == [1.0], "the config's own guide weight is ignored"
    (tmp_path / "r.json").write_text('{"points": 3}')
    with pytest.raises(UsageError, match="is not a results file of a sweep"):
        swept(steps=1)


def test_invalid_sweep_is_refused_at_once(swept, tmp_path):
    with pytest.raises(ConfigError, match="target_low_psnr adjusts the guide weight, but a sweep sets it"):
        swept(target_low_psnr=38.0)
    with pytest.raises(UsageError, match=r"expected a name that ends in \.json"):
        swept(out=tmp_path / "r.txt")
    with pytest.raises(UsageError, match="does not exist; make it first"):
        swept(out=tmp_path / "no" / "r.json")
    with pytest.raises(ImageError, match="no file or folder"):
        swept(sets=[tmp_path / "nowhere"])


def test_equal_pictures_count_as_a_hundred_decibels(swept, tmp_path):
    Image.fromarray(np.full((32, 32, 3), 128, np.uint8)).save(tmp_path / "flat.png")
    sweep = swept({"guide_weight": 1.0}, sets=[tmp_path / "flat.png"], steps=1, lr=1e-12)
    sweep.add(1.0)
    assert sweep.points[1.0].low == 100
