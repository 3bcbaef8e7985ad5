"""The weights packaged with `sr`: order, missing files, two names for the same weights."""

import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resizekit import TargetSize, down_file, load, up_file, weights_from_folder
from resizekit.errors import ManifestError, UnknownNameError, UsageError
from resizekit.images.files import plan_file
from resizekit.images.run_options import RunOptions
from resizekit.images.selection import best_weights_for, default_weights
from resizekit.pictures.io.read import read_picture
from resizekit.plugin.registry import installed
from resizekit.showcase.roundtrip import roundtrip_file
from resizekit.spec import HW
from resizekit_sr.packaged import NAMES, WEIGHTS
from resizekit_weights_paper.packaged import NAMES as PAPER_NAMES
from resizekit_weights_paper.packaged import WEIGHTS as PAPER_WEIGHTS

FOLDER = Path(__file__).parents[2] / "plugins/resizekit_sr/weights"


def test_weights_keep_the_order_of_names_and_the_first_is_the_default():
    assert list(WEIGHTS) == [name for name in NAMES if name in WEIGHTS]
    assert NAMES[:2] == ("sr-x2", "sr-x2-y")
    assert {channels: default_weights("sr", channels) for channels in (1, 3)} == {1: "sr-x2-y", 3: "sr-x2"}
    assert {"sr-x2", "sr-x2-y", "sr-x4", "sr-x4-y"} <= set(WEIGHTS) == set(installed().task("sr").weights)


@pytest.mark.parametrize(
    ("target", "factor"),
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
def test_best_weights_depend_on_the_requested_size(target, factor):
    for channels, name in ((3, f"sr-x{factor}"), (1, f"sr-x{factor}-y")):
        assert best_weights_for("sr", channels, HW(300, 400), TargetSize(**target)) == name


def test_best_weights_for_another_task_and_an_impossible_size():
    assert best_weights_for("colorize", 3, HW(30, 40), TargetSize(scale="2")) == "colorize"
    with pytest.raises(UsageError, match="largest factor that works is 30"):
        best_weights_for("sr", 3, HW(30, 40), TargetSize(scale=31))


def test_down_file_uses_the_best_weights_for_the_requested_size(tmp_path):
    picture = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)).save(picture)
    manifest = down_file(picture, tmp_path / "small.png", task="sr", target=TargetSize(scale=4))
    assert (manifest.weights, manifest.times, manifest.intermediate_size) == ("sr-x4", 1, None)
    result = roundtrip_file(picture, tmp_path / "trip", task="sr", target=TargetSize(scale=4))
    assert result.weights == "sr-x4"
    assert plan_file(picture, task="sr", target=TargetSize(scale=4))[1] == "sr-x4"


def test_weights_without_both_files_are_skipped(tmp_path):
    for name in ("sr-x4.json", "sr-x4-y.json", "sr-x2.json", "sr-x2-y.json"):
        shutil.copy(FOLDER / name, tmp_path)
    assert weights_from_folder(tmp_path, NAMES) == {}
    for name in ("sr-x4", "sr-x2-y", "sr-x2"):
        (tmp_path / f"{name}.safetensors").touch()
    (tmp_path / "sr-x2.json").unlink()
    assert list(weights_from_folder(tmp_path, NAMES)) == ["sr-x2-y", "sr-x4"]


def test_metrics_are_those_of_the_json():
    paper = PAPER_WEIGHTS["sr"]
    assert paper["tad-x2"].metrics["Set5 high RGB"] == 39.14
    assert paper["tad-x2"].metrics["Urban100 low Y"] == 44.31
    assert paper["tad-x2-y"].metrics["B100 high Y"] == 32.95
    kinds = {name: {figure.split(" ", 1)[1] for figure in paper[name].metrics} for name in ("tad-x2", "tad-x2-y")}
    assert kinds == {"tad-x2": {"high RGB", "high Y", "low RGB", "low Y"}, "tad-x2-y": {"high Y", "low Y"}}


def test_weights_elsewhere_are_those_of_the_paper_package():
    for task, weights in PAPER_WEIGHTS.items():
        assert set(installed().task(task).weights_elsewhere) == set(weights)
        assert list(installed().weights_of(task)) == [*installed().task(task).weights, *weights]
        assert default_weights(task, 3) not in weights
    assert tuple(name for weights in PAPER_WEIGHTS.values() for name in weights) == PAPER_NAMES


def test_paper_package_is_named_by_the_error_where_it_is_missing(monkeypatch):
    for name in PAPER_NAMES:
        monkeypatch.delitem(installed().weights, name)
        with pytest.raises(UnknownNameError) as caught:
            load(name)
        message = str(caught.value)
        assert message == (
            f"no weights {name!r} is installed; install resizekit-weights-paper with pip install ./weights/paper"
        )
    project = tomllib.loads((FOLDER.parents[2] / "weights/paper/pyproject.toml").read_text())["project"]
    assert f"{project['name']} with" in message
    assert "pip install '.[test]' ./weights/paper" in (FOLDER.parents[2] / "README.md").read_text()


def test_small_file_of_missing_weights_names_the_package(monkeypatch, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)).save(tmp_path / "high.png")
    down_file(tmp_path / "high.png", tmp_path / "low.png", weights="tad-x2")
    up_file(tmp_path / "low.png", tmp_path / "again.png")
    monkeypatch.delitem(installed().weights, "tad-x2")
    expected = "not installed: install resizekit-weights-paper with pip install ./weights/paper$"
    with pytest.raises(ManifestError, match=expected):
        up_file(tmp_path / "low.png", tmp_path / "never.png")


@pytest.fixture
def twins(monkeypatch):
    """Register a second name for the same weights."""
    monkeypatch.setitem(installed().weights, "twin", installed().weights["tad-x2"])
    return "tad-x2", "twin"


def test_two_names_with_one_digest_restore_the_same_pixels(twins, tmp_path):
    first, second = (load(name) for name in twins)
    assert first.digest == second.digest
    assert [codec.info.weights for codec in (first, second)] == list(twins)
    pixels = np.random.default_rng(0).integers(0, 256, (10, 8, 3), np.uint8).repeat(3, 0).repeat(3, 1)
    Image.fromarray(pixels).save(tmp_path / "high.png")
    restored = []
    for name in twins:
        down_file(tmp_path / "high.png", tmp_path / f"{name}.png", weights=name)
        for also in (None, *twins):  # either name reads the file of the other
            up_file(
                tmp_path / f"{name}.png", tmp_path / "restored.png", weights=also, options=RunOptions(overwrite=True)
            )
            restored.append(read_picture(tmp_path / "restored.png").pixels)
    assert restored[0].shape == pixels.shape
    assert all(np.array_equal(pixels, restored[0]) for pixels in restored)
