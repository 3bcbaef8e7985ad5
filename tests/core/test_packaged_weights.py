"""`weights_from_folder`: which weights it finds, in which order, and what it reads from their JSON."""

import json

import pytest

from resizekit import weights_from_folder


@pytest.fixture
def add_weights(tmp_path):
    """Return a function that writes NAME.safetensors and NAME.json and returns their folder."""

    def add(name, **fields):
        (tmp_path / f"{name}.safetensors").touch()
        (tmp_path / f"{name}.json").write_text(json.dumps({"digest": name[0] * 64, "summary": name} | fields))
        return tmp_path

    return add


def test_weights_follow_the_order_of_names_and_need_both_files(add_weights):
    for name in ("c", "a", "b", "unnamed"):
        folder = add_weights(name)
    (folder / "b.json").unlink()
    (folder / "d.json").write_text("{}")
    weights = weights_from_folder(folder, ("b", "c", "d", "a", "e"))
    assert list(weights) == ["c", "a"]
    assert weights["a"].file == folder / "a.safetensors"
    assert (weights["c"].digest, weights["c"].summary, weights["c"].metrics) == ("c" * 64, "c", {})


def test_metrics_cover_every_set_and_depth(add_weights):
    grey = {"pictures": 1, "high_y": 31.006, "low_y": 2, "bicubic_y": 3}
    folder = add_weights("a", sets={"Set5": grey, "Set5 x8": grey | {"high_rgb": "inf", "times": 3, "factor": "x8"}})
    assert weights_from_folder(folder, ["a"])["a"].metrics == {
        "Set5 high Y": 31.01,
        "Set5 low Y": 2,
        "Set5 x8 high RGB": float("inf"),
        "Set5 x8 high Y": 31.01,
        "Set5 x8 low Y": 2,
    }
