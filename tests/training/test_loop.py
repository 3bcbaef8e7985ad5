"""The training loop: exact resume, files, log, validation and errors."""

import csv
import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from resizekit import build, load
from resizekit.errors import CheckpointError, ConfigError, ResizeShapeError, UsageError
from resizekit.evaluation.measure import measure
from resizekit.recipes.checkpoint import read_header
from resizekit.storage.block_coded import BlockCoded
from resizekit.training.loop import train

STAGED = {"float_share": 0.5}


def rows(folder):
    with (folder / "log.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


@pytest.mark.parametrize("at", [(1,), (5,), (6,), (8,), (3, 9), (11,)], ids=str)
def test_resume_gives_the_same_weights_as_an_uninterrupted_run(
    recipe, pictures, straight, tmp_path, at, interrupt_after
):
    config = recipe(STAGED, steps=12, log="csv", validation=[pictures / "0.png"], validate_every=2, ema=0.9)
    folder, expected = straight(config)
    for stop in at:
        result = train(config, tmp_path, progress=interrupt_after(stop))
        assert (result.weights, result.header, result.steps) == (None, None, stop)
        states = ["state.previous.safetensors"] * (stop > at[0]) + ["state.safetensors"]
        assert sorted(p.name for p in tmp_path.iterdir()) == ["log.csv", *states]
    result = train(config, tmp_path)
    assert result.header.digest == expected.header.digest
    assert result.header.metrics == expected.header.metrics
    written, reference = load(tmp_path / "weights.safetensors"), load(folder / "weights.safetensors")
    for weight, expected_weight in zip(written.parameters(), reference.parameters(), strict=True):
        assert torch.equal(weight, expected_weight)
    for row, expected_row in zip(rows(tmp_path), rows(folder), strict=True):
        # loss and rate are those of the last step that was a multiple of 50
        assert row | {"loss": "", "lr": ""} == expected_row | {"loss": "", "lr": ""}


def test_second_training_in_a_folder_is_refused(recipe, tmp_path):
    config = recipe(steps=2)

    def another(step, metrics):
        with pytest.raises(UsageError, match=f"another training is running in {tmp_path}; wait until it ends"):
            train(config, tmp_path)

    assert train(config, tmp_path, progress=another).steps == 2
    assert train(config, tmp_path).steps == 2


def test_stage_changes_the_weights(recipe, straight):
    assert straight(recipe(STAGED, steps=12))[1].header.digest != straight(recipe(steps=12))[1].header.digest


def test_weights_depend_on_config_and_seed(recipe, straight, tmp_path):
    _, result = straight(recipe())
    assert train(recipe(), tmp_path).header.digest == result.header.digest
    assert straight(recipe(seed=1))[1].header.digest != result.header.digest


def test_complete_training_started_again_gives_the_same_result(recipe, pictures, tmp_path):
    config = recipe(validation=[pictures])
    first, again = train(config, tmp_path), train(config, tmp_path)
    assert again.steps == first.steps == 4
    assert again.header.digest == first.header.digest
    assert again.header.metrics == first.header.metrics
    assert set(again.header.metrics) == {"high_rgb", "low_rgb"}


def test_finish_writes_weights_and_the_run_can_still_resume(recipe, straight, tmp_path, interrupt_after):
    config = recipe(steps=6)
    with pytest.raises(UsageError, match="contains no training state"):
        train(config, tmp_path, finish=True)
    train(config, tmp_path, progress=interrupt_after(3))
    early = train(config, tmp_path, finish=True)
    assert (early.steps, early.header.training["steps"]) == (3, 3)
    assert load(early.weights).digest == early.header.digest
    assert early.header.training["precision"] in ("float32", "bfloat16")
    expected = straight(config)[1]
    assert train(config, tmp_path).header.digest == expected.header.digest != early.header.digest


def test_resume_refuses_other_settings_and_allows_other_logs(recipe, pictures, tmp_path, interrupt_after):
    train(recipe(steps=3), tmp_path, progress=interrupt_after(1))
    before = (tmp_path / "state.safetensors").read_bytes()
    for other, difference in (
        (recipe(steps=4), r"\(train.steps was 3, is 4\)"),
        (recipe(steps=3, ema=0.5), r"\(train.ema was 0.999, is 0.5\)"),
        (recipe({"guide_weight": 1.0}, steps=3), r"\(config.guide_weight was .*, is 1.0\)"),
    ):
        with pytest.raises(ConfigError, match=f"belongs to a different config {difference}"):
            train(other, tmp_path)
    assert (tmp_path / "state.safetensors").read_bytes() == before
    assert train(recipe(steps=3, data=sorted(pictures.iterdir()), log="csv"), tmp_path).steps == 3


def test_broken_state_is_refused_and_stays_unchanged(recipe, tmp_path):
    state = tmp_path / "state.safetensors"
    state.write_bytes(b"not a state at all")
    with pytest.raises(CheckpointError, match="is not a training state"):
        train(recipe(), tmp_path)
    assert state.read_bytes() == b"not a state at all"


def test_skipped_pictures_are_named_and_not_counted(recipe, pictures, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for path in pictures.iterdir():
        (data / path.name).write_bytes(path.read_bytes())
    (data / "broken.png").write_bytes(b"no picture")
    Image.new("RGB", (15, 90)).save(data / "narrow.png")
    Image.new("RGB", (1, 5)).save(tmp_path / "speck.png")
    result = train(recipe(data=[data], validation=[tmp_path / "speck.png", data / "0.png"]), tmp_path / "run")
    names = [line.split()[0].rsplit("/")[-1] for line in result.skipped]
    assert names == ["broken.png", "narrow.png", "speck.png"]
    assert result.header.training["pictures"] == 3


@pytest.mark.parametrize("spec", [{"s": 2, "r": 2}, {"s": 3, "r": 1}, {"s": "3/2", "r": "4/3"}, {"s": "1/2"}], ids=str)
def test_validation_uses_exactly_the_pictures_that_can_be_measured(recipe, tmp_path, spec):
    sides = range(1, 30)
    for side in sides:
        Image.new("RGB", (side, side), (side, 0, 255)).save(tmp_path / f"{side:02}.png")
    config = recipe({"spec": spec}, steps=1, patch=24, validation=[tmp_path])
    codec = from_recipe(config)
    expected = [side for side in sides if measurable(codec, side)]
    skipped = train(config, tmp_path / "run").skipped
    assert len(skipped) == len(sides) - len(expected)
    assert expected == list(range(len(skipped) + 1, 30))


def from_recipe(config):
    return build(config.task, network=config.network, **config.config).eval()


def measurable(codec, side):
    try:
        c, h, w = codec.spec.crop((3, side, side))
        measure(codec, np.zeros((h, w, c), np.uint8))
    except ResizeShapeError:
        return False
    return True


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patch": 15}, r"train\.patch = 15.*multiple of the resize factors, 2 and 2"),
        ({"patch": 64}, r"no usable picture .*each side needs at least 64 pixels"),
        ({"data": []}, r"--data"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_invalid_data_is_refused_before_anything_is_written(recipe, tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        train(recipe(**change), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_file_in_place_of_the_folder_is_refused(recipe, tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "inner"):
        with pytest.raises(UsageError, match="cannot create the folder"):
            train(recipe(), out)


def test_validation_is_logged_at_its_interval_and_at_the_end(recipe, pictures, tmp_path):
    result = train(recipe(steps=5, log="csv", validation=[pictures], validate_every=2), tmp_path)
    logged = rows(tmp_path)
    assert [row["step"] for row in logged] == ["2", "4", "5"]
    assert all(20 < float(row["high_rgb"]) < 60 and float(row["low_rgb"]) > 30 for row in logged)
    assert float(logged[-1]["high_rgb"]) == pytest.approx(result.header.metrics["high_rgb"], abs=1e-3)


def test_tensorboard_gets_the_metrics(recipe, pictures, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(recipe(steps=4, log="tensorboard", validation=[pictures], validate_every=2), tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) >= {"high_rgb", "low_rgb", "loss", "lr"}
    assert [event.step for event in events.Scalars("high_rgb")] == [2, 4]


def test_training_reduces_the_loss_and_improves_psnr(recipe, pictures, tmp_path):
    settings = {"steps": 120, "lr": 3e-3, "ema": 0.8, "log": "csv", "validation": [pictures], "validate_every": 60}
    losses = {}
    train(recipe(**settings), tmp_path, progress=lambda step, metrics: losses.update({step: metrics.get("loss")}))
    first, last = rows(tmp_path)[0], rows(tmp_path)[-1]
    assert losses[120] < 0.9 * losses[50]
    assert float(last["high_rgb"]) > float(first["high_rgb"]) + 0.5


def test_precision_is_switchable_and_recorded(recipe, straight):
    runs = {name: straight(recipe(precision=name))[1] for name in ("float32", "bfloat16")}
    assert {name: run.header.training["precision"] for name, run in runs.items()} == {n: n for n in runs}
    assert runs["float32"].header.digest != runs["bfloat16"].header.digest
    assert all(p.dtype == torch.float32 for p in load(runs["bfloat16"].weights).parameters())


def test_state_is_written_during_the_training(recipe, tmp_path):
    seen = []
    state = tmp_path / "state.safetensors"
    train(recipe(checkpoint_minutes=1e-9), tmp_path, progress=lambda step, metrics: seen.append(state.exists()))
    assert seen == [False, True, True, True]  # the state is written after the progress call of a step


def test_failed_write_of_the_state_keeps_the_previous_state(recipe, tmp_path, monkeypatch):
    calls = itertools.count()

    def half_written(path, content):
        if next(calls) == 1:
            original(path, content[: len(content) // 2])
            raise OSError(28, "No space left on device")
        return original(path, content)

    original = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", half_written)
    with pytest.raises(CheckpointError, match="No space left"):
        train(recipe(checkpoint_minutes=1e-9), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["state.safetensors"]
    monkeypatch.undo()
    assert train(recipe(), tmp_path).steps == 4  # resumes from the state of the first step


def test_header_describes_the_training(recipe, tmp_path):
    result = train(recipe(), tmp_path)
    training = read_header(result.weights).training
    assert {key: training[key] for key in ("steps", "batch", "patch", "seed", "pictures")} == {
        "steps": 4, "batch": 2, "patch": 16, "seed": 0, "pictures": 3,
    }  # fmt: skip


@pytest.mark.parametrize("store", ["float32", "float16"])
def test_store_sets_the_data_type_of_the_weights_file(recipe, tmp_path, store):
    result = train(recipe(store=store), tmp_path)
    assert load(result.weights).digest == result.header.digest
    size = result.weights.stat().st_size
    count = sum(p.numel() for p in load(result.weights).parameters())
    assert count * (4 if store == "float32" else 2) < size < count * (5 if store == "float32" else 4) + 8000


RECIPE = {
    "optimizer": "muon",
    "target_low_psnr": 38.0,
    "phases": [{"share": 2}, {"share": 1, "patch": 24, "batch": 1, "restoration_loss": "rms"}],
    "steps": 12,
    "log": "csv",
    "validate_every": 2,
}


def wide(run):
    """Return the config with 16 channels, enough for Muon."""
    return run.model_copy(update={"network": {"width": 16, "blocks": 1}})


@pytest.mark.parametrize("at", [3, 8, 11])
def test_resume_is_exact_with_muon_phases_and_a_target(recipe, straight, tmp_path, at, interrupt_after):
    config = wide(recipe({"guide_loss": "l2"}, **RECIPE))
    folder, expected = straight(config)
    assert train(config, tmp_path, progress=interrupt_after(at)).steps == at
    assert train(config, tmp_path).header.digest == expected.header.digest
    assert rows(tmp_path) == rows(folder)
    assert len({row["guide_weight"] for row in rows(folder)}) > 1


def test_target_low_psnr_changes_the_weights(recipe, straight):
    without, with_target = (
        straight(wide(recipe({"guide_loss": "l2"}, **RECIPE | {"target_low_psnr": target})))[1]
        for target in (None, 90.0)
    )
    assert without.header.digest != with_target.header.digest


def test_rate_term_takes_the_estimate_of_the_compression(recipe, tmp_path, monkeypatch):
    """With the estimate of a lossless file, the two trainings would differ in the compressed values only."""
    shapes = []
    original = BlockCoded.bits
    monkeypatch.setattr(BlockCoded, "bits", lambda self, low: shapes.append(len(low)) or original(self, low))
    options = {"quality": 60, "training_qualities": [40, 80]}
    config = recipe({"compression": "webp-lossy", "rate_weight": 0.01, "luma_weight": 0.5}, steps=2)
    config = config.model_copy(update={"compression": options})
    assert train(config, tmp_path).header is not None
    assert shapes == [1, 1] * 2  # a batch of two, divided between two qualities


def test_budget_plans_the_steps_once_and_leaves_no_trace(recipe, tmp_path, interrupt_after):
    config = wide(recipe({"guide_loss": "l2"}, **RECIPE | {"budget": "2 s"}))
    first = train(config, tmp_path / "budget", progress=interrupt_after(2))
    assert first.steps == 2
    assert 3 <= first.planned != 12
    again = train(config, tmp_path / "budget")
    assert again.steps == again.planned == first.planned
    counted = wide(recipe({"guide_loss": "l2"}, **RECIPE | {"steps": first.planned}))
    assert train(counted, tmp_path / "steps").header.digest == again.header.digest  # as if these steps had been set


def test_budget_is_respected(recipe, tmp_path):
    result = train(recipe(budget="3 s"), tmp_path)
    assert result.steps > 4
    assert result.header.training["seconds"] < 9  # allow for a machine that slows down, up to three times


def test_target_and_phases_refuse_a_custom_loss(recipe, tmp_path, monkeypatch):
    from resizekit_sr.task import sr

    custom = dataclasses.replace(
        sr, name="custom-loss", loss=lambda spec, config: lambda out, high: out.restored.square().mean()
    )
    monkeypatch.setattr("resizekit.training.setup.resolve", lambda recipe: (custom, custom.config()))
    with pytest.raises(ConfigError, match="target_low_psnr adjusts the guide weight"):
        train(recipe(target_low_psnr=38.0), tmp_path / "target")
    with pytest.raises(ConfigError, match="sets restoration_loss, but this task has a custom loss"):
        train(recipe(phases=[{"share": 1, "restoration_loss": "l2"}]), tmp_path / "phase")


def test_compile_without_a_compiler_is_refused(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ConfigError, match=r"train.compile needs a C\+\+ compiler"):
        train(recipe(compile=True), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_resume_accepts_a_state_without_newer_config_keys(recipe, straight, tmp_path, interrupt_after):
    _, expected = straight(recipe())
    train(recipe(), tmp_path, progress=interrupt_after(2))
    state = tmp_path / "state.safetensors"
    with safe_open(state, framework="pt") as file:
        counters = json.loads(file.metadata()["counters"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for key in ("start", "compile", "phases", "budget"):
        del counters["config"]["train"][key]
    save_file(tensors, state, metadata={"counters": json.dumps(counters)})
    assert train(recipe(), tmp_path).header.digest == expected.header.digest
