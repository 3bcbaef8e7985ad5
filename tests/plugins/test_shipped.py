"""The weights that ship: their order, what is absent, and two names for the same weights."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resizekit import TargetSize, down_file, load, up_file, weights_from_folder
from resizekit.errors import UsageError
from resizekit.images.files import plan_file
from resizekit.images.io.read import read_picture
from resizekit.images.suited import best_weights_for
from resizekit.plugin.registry import installed
from resizekit.recipes.checkpoint import default_weights
from resizekit.showcase.roundtrip import roundtrip_file
from resizekit_sr.shipped import ORDER, SHIPPED

WEIGHTS = Path(__file__).parents[2] / "plugins/resizekit_sr/weights"


def test_the_order_is_the_stated_one_and_the_first_serve_by_default():
    assert list(SHIPPED) == [name for name in ORDER if name in SHIPPED]
    assert ORDER[:2] == ("sr-x2", "sr-x2-y")
    assert {channels: default_weights("sr", channels) for channels in (1, 3)} == {1: "sr-x2-y", 3: "sr-x2"}
    assert {"sr-x2", "sr-x2-y", "tad-x2", "tad-x2-y"} <= set(SHIPPED) == set(installed().task("sr").weights)


@pytest.mark.parametrize(
    ("wanted", "by"),
    [
        *(({"scale": scale}, 2) for scale in ("1", "5/4", "3/2", "2", "9/4", "2x1")),
        *(({"scale": scale}, 4) for scale in ("12/5", "3", "4", "5", "8", "16", "3x4")),
        ({"max_side": 1000}, 2),
        ({"max_side": 100}, 4),
        ({"size": (200, 150)}, 2),
        ({"size": "97x70"}, 4),
    ],
    ids=str,
)
def test_of_a_task_those_serve_that_suit_the_wanted_size(wanted, by):
    for channels, name in ((3, f"sr-x{by}"), (1, f"sr-x{by}-y")):
        assert best_weights_for("sr", channels, (400, 300), TargetSize(**wanted)) == name


def test_what_suits_a_size_is_asked_of_tasks_with_weights_and_of_sizes_that_can_be():
    assert best_weights_for("colorize", 3, (40, 30), TargetSize(scale="2")) == "colorize"
    with pytest.raises(UsageError, match="largest factor that works is 30"):
        best_weights_for("sr", 3, (40, 30), TargetSize(scale=31))


def test_a_file_is_made_small_by_what_suits_it(tmp_path):
    picture = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)).save(picture)
    made = down_file(picture, tmp_path / "small.png", task="sr", wanted=TargetSize(scale=4), device="cpu")
    assert (made.weights, made.times, made.middle) == ("sr-x4", 1, None)
    told = roundtrip_file(picture, tmp_path / "trip", task="sr", wanted=TargetSize(scale=4), device="cpu")
    assert told.weights == "sr-x4"
    assert plan_file(picture, task="sr", wanted=TargetSize(scale=4))[1] == "sr-x4"


def test_weights_without_both_files_are_absent(tmp_path):
    for name in ("tad-x2.json", "tad-x2-y.json", "sr-x2.json", "sr-x2-y.json"):
        shutil.copy(WEIGHTS / name, tmp_path)
    assert weights_from_folder(tmp_path, ORDER) == {}
    for name in ("tad-x2", "sr-x2-y", "sr-x2"):
        (tmp_path / f"{name}.safetensors").touch()
    (tmp_path / "sr-x2.json").unlink()
    assert list(weights_from_folder(tmp_path, ORDER)) == ["sr-x2-y", "tad-x2"]


def test_metrics_are_the_figures_of_the_json():
    assert SHIPPED["tad-x2"].metrics["Set5 high RGB"] == 39.14
    assert SHIPPED["tad-x2"].metrics["Urban100 low Y"] == 44.31
    assert SHIPPED["tad-x2-y"].metrics["B100 high Y"] == 32.95
    kinds = {name: {figure.split(" ", 1)[1] for figure in SHIPPED[name].metrics} for name in ("tad-x2", "tad-x2-y")}
    assert kinds == {"tad-x2": {"high RGB", "high Y", "low RGB", "low Y"}, "tad-x2-y": {"high Y", "low Y"}}


@pytest.fixture
def twins(monkeypatch):
    """Two names for the same weights, whatever ships under the first one some day."""
    monkeypatch.setitem(installed().weights, "twin", installed().weights["tad-x2"])
    return "tad-x2", "twin"


def test_two_names_of_one_digest_do_not_disturb_each_other(twins, tmp_path):
    first, second = (load(name) for name in twins)
    assert first.digest == second.digest
    assert [codec.info.weights for codec in (first, second)] == list(twins)
    pixels = np.random.default_rng(0).integers(0, 256, (10, 8, 3), np.uint8).repeat(3, 0).repeat(3, 1)
    Image.fromarray(pixels).save(tmp_path / "high.png")
    restored = []
    for name in twins:
        down_file(tmp_path / "high.png", tmp_path / f"{name}.png", weights=name)
        for also in (None, *twins):  # what one wrote, the other may read
            up_file(tmp_path / f"{name}.png", tmp_path / "restored.png", weights=also, overwrite=True)
            restored.append(read_picture(tmp_path / "restored.png").pixels)
    assert restored[0].shape == pixels.shape
    assert all(np.array_equal(one, restored[0]) for one in restored)
