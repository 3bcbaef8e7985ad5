"""The decision of `train_all --ship` whether new weights replace the shipped ones."""

import json
from pathlib import Path

import pytest

from resizekit import load

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def benchmarks(scripts):
    """Return the modules `plan`, `records` and `shipping` of the benchmarks."""
    return scripts(BENCHMARKS, "plan", "records", "shipping")


@pytest.fixture
def made(benchmarks, tmp_path, small_weights):
    """Return a function that makes a record of colour weights with these (high, low) by set."""

    def make(config: str = "sr-x2", digest: str = "a", **sets: tuple[float, float]) -> object:
        path = tmp_path / "some.safetensors"
        small_weights(path)
        codec = load(path)
        figures = {
            name: benchmarks.records.Figures(pictures=1, high_rgb=high, high_y=50, low_rgb=low, low_y=20, bicubic_y=20)
            for name, (high, low) in sets.items()
        }
        training = benchmarks.records.Training(
            command="-", steps=1, seconds=1, pictures=1, parts=[], seed=0, precision="float32"
        )
        return benchmarks.records.Record(
            name="sr-x2", summary="", task="sr", digest=digest * 64, config=config, network="tad", compression="uint8",
            spec=str(codec.spec), border=2, channels=3, parameters=1, kmac_per_pixel=1, bytes=1, stored="float32",
            training=training, command="-", sets=figures,
        )  # fmt: skip

    return make


@pytest.mark.parametrize(
    ("new", "old", "ships", "reason"),
    [
        ({"Set5": (39, 37), "Urban100": (35, 36)}, None, True, "no shipped weights"),
        ({"Set5": (39, 36.9)}, None, False, "low 36.90 on Set5 is below 37"),
        ({"Urban100": (39, 35.9)}, None, False, "low 35.90 on Urban100 is below 36"),
        ({"Set5": (39, 37), "B100": (35, 37)}, {"Set5": (38, 40), "B100": (35.9, 40)}, True, "mean high"),
        ({"Set5": (39, 37), "B100": (35, 37)}, {"Set5": (38, 40), "B100": (36, 40)}, False, "mean high"),
        ({"Set5": (50, 36), "B100": (50, 50)}, {"Set5": (38, 40), "B100": (36, 40)}, False, "Set5 is below"),
        ({"Set5": (39, 38)}, {"Set5": (38, 40), "B100": (36, 40)}, False, "not measured on B100"),
        ({"Set5": (39, 38), "B100": (2, 38)}, {"Set5": (38, 40)}, True, "mean high"),
    ],
)
def test_compare_decides_by_floors_and_mean_high(benchmarks, made, new, old, ships, reason):
    shipped = made(digest="b", **old) if old else None
    result, text = benchmarks.shipping.compare(made(**new), shipped, benchmarks.plan.X2)
    assert result is ships
    assert reason in text


def test_compare_prefers_weights_of_a_new_config(benchmarks, made):
    old, new = made(config="tad-x2", digest="b", Set5=(39, 41)), made(Set5=(38, 30))
    ships, reason = benchmarks.shipping.compare(new, old, benchmarks.plan.X2)
    assert ships
    assert reason == "the shipped weights were trained with config tad-x2, although low 30.00 on Set5 is below 37"
    assert benchmarks.shipping.compare(new, new, benchmarks.plan.X2) == (False, "the same weights are already shipped")


def test_ship_replaces_weights_in_the_distribution_that_has_them(benchmarks, made, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/numbers.md").write_text("<!-- numbers -->\n\n<!-- end of numbers -->")
    configs, separate = tmp_path / "plugins/resizekit_sr/configs", tmp_path / "weights/more/resizekit_more/weights"
    for folder in (configs, separate):
        folder.mkdir(parents=True)
    (configs / "sr-x2.toml").touch()
    record = made(Set5=(39, 37))
    benchmarks.shipping.ship(tmp_path / "some.safetensors", record, tmp_path)
    assert (configs.parent / "weights/sr-x2.safetensors").is_file(), "new weights are next to their config"
    for path in (configs.parent / "weights").iterdir():
        path.rename(separate / path.name)
    (tmp_path / "some.safetensors").write_bytes(b"better")
    benchmarks.shipping.ship(tmp_path / "some.safetensors", record, tmp_path)
    assert (separate / "sr-x2.safetensors").read_bytes() == b"better"
    assert not list((configs.parent / "weights").iterdir())


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is not valid JSON")


def test_infinite_psnr_survives_a_json_round_trip(benchmarks, made, tmp_path):
    weights = tmp_path / "plugins/resizekit_sr/weights"
    weights.mkdir(parents=True)
    record = made(Set5=(float("inf"), float("inf")))
    record.write(weights)
    json.loads((weights / "sr-x2.json").read_text(), parse_constant=refuse_constant)
    assert benchmarks.records.read_record(tmp_path, "sr-x2") == record
