"""Weights beside a plugin: which are there, in which order, and what their JSON says of them."""

import json

import pytest

from resizekit import weights_from_folder


@pytest.fixture
def ship(tmp_path):
    """Put NAME.safetensors and NAME.json into a folder, and give the folder."""

    def put(name, **told):
        (tmp_path / f"{name}.safetensors").touch()
        (tmp_path / f"{name}.json").write_text(json.dumps({"digest": name[0] * 64, "summary": name} | told))
        return tmp_path

    return put


def test_the_order_is_that_of_the_names_and_half_a_pair_is_left_out(ship):
    for name in ("c", "a", "b", "unnamed"):
        folder = ship(name)
    (folder / "b.json").unlink()
    (folder / "d.json").write_text("{}")
    found = weights_from_folder(folder, ("b", "c", "d", "a", "e"))
    assert list(found) == ["c", "a"]
    assert found["a"].file == folder / "a.safetensors"
    assert (found["c"].digest, found["c"].summary, found["c"].metrics) == ("c" * 64, "c", {})


def test_metrics_are_the_figures_of_every_set_and_depth(ship):
    grey = {"pictures": 1, "high_y": 31.006, "low_y": 2, "bicubic_y": 3}
    folder = ship("a", sets={"Set5": grey, "Set5 x8": grey | {"high_rgb": "inf", "times": 3, "factor": "x8"}})
    assert weights_from_folder(folder, ["a"])["a"].metrics == {
        "Set5 high Y": 31.01,
        "Set5 low Y": 2,
        "Set5 x8 high RGB": float("inf"),
        "Set5 x8 high Y": 31.01,
        "Set5 x8 low Y": 2,
    }
