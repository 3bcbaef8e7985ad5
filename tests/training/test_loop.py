"""The loop: the same numbers however often it is interrupted, and what it leaves in its folder."""

import csv
import dataclasses
import itertools
import json
import signal

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from resizekit import build, load
from resizekit.errors import CheckpointError, ConfigError, ResizeKitError, ResizeShapeError, UsageError
from resizekit.evaluation.measure import measure
from resizekit.recipes.checkpoint import read_header
from resizekit.training.loop import train

STAGED = {"float_share": 0.5}


def interrupted_after(step):
    """Ctrl-C, really sent, when so many steps are done."""

    def progress(done, figures):
        if done == step:
            signal.raise_signal(signal.SIGINT)

    return progress


def rows(folder):
    with (folder / "log.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Remember the uninterrupted run of each config: folder and result."""
    done = {}

    def run(config):
        key = config.model_dump_json()
        if key not in done:
            folder = tmp_path_factory.mktemp("straight")
            done[key] = folder, train(config, folder)
        return done[key]

    return run


@pytest.mark.parametrize("at", [(1,), (5,), (6,), (8,), (3, 9), (11,)], ids=str)
def test_an_interrupted_run_ends_with_the_very_same_weights(recipe, pictures, straight, tmp_path, at):
    config = recipe(STAGED, steps=12, log="csv", validation=[pictures / "0.png"], validate_every=2, ema=0.9)
    folder, wanted = straight(config)
    for stop in at:
        result = train(config, tmp_path, progress=interrupted_after(stop))
        assert (result.weights, result.header, result.steps) == (None, None, stop)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["log.csv", "state.safetensors"]
    result = train(config, tmp_path)
    assert result.header.digest == wanted.header.digest
    assert result.header.metrics == wanted.header.metrics
    written, reference = load(tmp_path / "weights.safetensors"), load(folder / "weights.safetensors")
    for one, other in zip(written.parameters(), reference.parameters(), strict=True):
        assert torch.equal(one, other)
    for one, other in zip(rows(tmp_path), rows(folder), strict=True):
        assert one | {"loss": "", "lr": ""} == other | {"loss": "", "lr": ""}  # those are of the last 50th step


def test_a_second_training_in_one_folder_is_refused_until_the_first_ends(recipe, tmp_path):
    config = recipe(steps=2)

    def another(step, figures):
        with pytest.raises(UsageError, match=f"another training is at work in {tmp_path}; wait for it"):
            train(config, tmp_path)

    assert train(config, tmp_path, progress=another).steps == 2
    assert train(config, tmp_path).steps == 2


def test_a_stage_changes_the_numbers(recipe, straight):
    assert straight(recipe(STAGED, steps=12))[1].header.digest != straight(recipe(steps=12))[1].header.digest


def test_the_same_config_gives_the_same_weights_and_another_seed_others(recipe, straight, tmp_path):
    _, result = straight(recipe())
    assert train(recipe(), tmp_path).header.digest == result.header.digest
    assert straight(recipe(seed=1))[1].header.digest != result.header.digest


def test_a_finished_run_started_again_says_the_same(recipe, pictures, tmp_path):
    config = recipe(validation=[pictures])
    first, again = train(config, tmp_path), train(config, tmp_path)
    assert again.steps == first.steps == 4
    assert again.header.digest == first.header.digest
    assert again.header.metrics == first.header.metrics
    assert set(again.header.metrics) == {"high_rgb", "low_rgb"}


def test_an_interrupted_run_can_be_finished_as_it_is_and_still_gone_on_with(recipe, straight, tmp_path):
    config = recipe(steps=6)
    with pytest.raises(UsageError, match="holds no state of a training"):
        train(config, tmp_path, finish=True)
    train(config, tmp_path, progress=interrupted_after(3))
    early = train(config, tmp_path, finish=True)
    assert (early.steps, early.header.training["steps"]) == (3, 3)
    assert load(early.weights).digest == early.header.digest
    assert early.header.training["precision"] in ("float32", "bfloat16")
    wanted = straight(config)[1]
    assert train(config, tmp_path).header.digest == wanted.header.digest != early.header.digest


def test_data_and_log_may_move_but_the_recipe_may_not(recipe, pictures, tmp_path):
    train(recipe(steps=3), tmp_path, progress=interrupted_after(1))
    before = (tmp_path / "state.safetensors").read_bytes()
    for other, said in (
        (recipe(steps=4), r"\(train.steps was 3, is 4\)"),
        (recipe(steps=3, lr=1e-3), r"\(train.lr was .*, is 0.001\)"),
        (recipe({"guide_weight": 1.0}, steps=3), r"\(config.guide_weight was .*, is 1.0\)"),
    ):
        with pytest.raises(ConfigError, match=f"belongs to another config {said}"):
            train(other, tmp_path)
    assert (tmp_path / "state.safetensors").read_bytes() == before
    assert train(recipe(steps=3, data=[*pictures.iterdir()], log="csv"), tmp_path).steps == 3


def test_a_broken_state_is_refused_and_kept(recipe, tmp_path):
    state = tmp_path / "state.safetensors"
    state.write_bytes(b"not a state at all")
    with pytest.raises(CheckpointError, match="no training state"):
        train(recipe(), tmp_path)
    assert state.read_bytes() == b"not a state at all"


def test_pictures_left_out_are_named_and_not_counted(recipe, pictures, tmp_path):
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
def test_validation_takes_what_can_be_measured_and_no_more(recipe, tmp_path, spec):
    sides = range(1, 30)
    for side in sides:
        Image.new("RGB", (side, side), (side, 0, 255)).save(tmp_path / f"{side:02}.png")
    config = recipe({"spec": spec}, steps=1, patch=24, validation=[tmp_path])
    codec = from_recipe(config)
    wanted = [side for side in sides if measurable(codec, side)]
    skipped = train(config, tmp_path / "run").skipped
    assert len(skipped) == len(sides) - len(wanted)
    assert wanted == list(range(len(skipped) + 1, 30))


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
        ({"patch": 15}, r"train\.patch = 15.*multiple"),
        ({"patch": 64}, r"no usable picture .*smaller than the 64 pixels"),
        ({"data": []}, r"--data"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(recipe, tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        train(recipe(**change), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_file_in_the_place_of_the_folder_is_refused(recipe, tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(UsageError, match="cannot make the folder"):
            train(recipe(), out)


def test_validation_is_logged_when_it_is_due_and_at_the_end(recipe, pictures, tmp_path):
    result = train(recipe(steps=5, log="csv", validation=[pictures], validate_every=2), tmp_path)
    logged = rows(tmp_path)
    assert [row["step"] for row in logged] == ["2", "4", "5"]
    assert all(20 < float(row["high_rgb"]) < 60 and float(row["low_rgb"]) > 30 for row in logged)
    assert float(logged[-1]["high_rgb"]) == pytest.approx(result.header.metrics["high_rgb"], abs=1e-3)


def test_tensorboard_gets_the_same_figures(recipe, pictures, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(recipe(steps=4, log="tensorboard", validation=[pictures], validate_every=2), tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) >= {"high_rgb", "low_rgb", "loss", "lr"}
    assert [event.step for event in events.Scalars("high_rgb")] == [2, 4]


def test_learning_makes_it_better(recipe, pictures, tmp_path):
    settings = {"steps": 120, "lr": 3e-3, "ema": 0.8, "log": "csv", "validation": [pictures], "validate_every": 60}
    losses = {}
    train(recipe(**settings), tmp_path, progress=lambda step, figures: losses.update({step: figures.get("loss")}))
    first, last = rows(tmp_path)[0], rows(tmp_path)[-1]
    assert losses[120] < 0.9 * losses[50]
    assert float(last["high_rgb"]) > float(first["high_rgb"]) + 0.5


def test_precision_is_switchable_and_told(recipe, straight):
    runs = {name: straight(recipe(precision=name))[1] for name in ("float32", "bfloat16")}
    assert {name: run.header.training["precision"] for name, run in runs.items()} == {n: n for n in runs}
    assert runs["float32"].header.digest != runs["bfloat16"].header.digest
    assert all(p.dtype == torch.float32 for p in load(runs["bfloat16"].weights).parameters())


def test_the_state_is_written_while_it_runs(recipe, tmp_path):
    seen = []
    state = tmp_path / "state.safetensors"
    train(recipe(checkpoint_minutes=1e-9), tmp_path, progress=lambda step, figures: seen.append(state.exists()))
    assert seen == [False, True, True, True]  # the first is written after the first step is told


def test_a_run_whose_state_cannot_be_written_ends_in_one_line(recipe, tmp_path, monkeypatch):
    calls = itertools.count()

    def half_written(tensors, path, metadata):
        if next(calls) == 1:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        return genuine(tensors, path, metadata)

    from resizekit.training import state_file as state

    genuine = state.save_file
    monkeypatch.setattr(state, "save_file", half_written)
    with pytest.raises(CheckpointError, match="No space left"):
        train(recipe(checkpoint_minutes=1e-9), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["state.safetensors"]
    monkeypatch.undo()
    assert train(recipe(), tmp_path).steps == 4  # the state of the first step stands


def test_the_header_tells_how_it_was_trained(recipe, tmp_path):
    result = train(recipe(), tmp_path)
    told = read_header(result.weights).training
    assert {key: told[key] for key in ("steps", "batch", "patch", "seed", "pictures")} == {
        "steps": 4, "batch": 2, "patch": 16, "seed": 0, "pictures": 3,
    }  # fmt: skip


def test_a_loss_that_explodes_ends_the_run_in_one_line_and_leaves_no_weights(recipe, tmp_path):
    with pytest.raises(ConfigError, match=r"the loss is (nan|inf) at step \d+; use a smaller train.lr"):
        train(recipe(steps=20, lr=1e30, clip=0.0, warmup=0, ema=0.0, schedule="constant"), tmp_path)
    assert not (tmp_path / "weights.safetensors").exists()


@pytest.mark.parametrize("store", ["float32", "float16"])
def test_weights_are_stored_as_the_config_says_and_load_as_they_are(recipe, tmp_path, store):
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
    """Of 16 channels, so that Muon has something to do."""
    return run.model_copy(update={"network": {"width": 16, "blocks": 1}})


@pytest.mark.parametrize("at", [3, 8, 11])
def test_muon_phases_and_a_target_resume_exactly_too(recipe, straight, tmp_path, at):
    config = wide(recipe({"guide_loss": "l2"}, **RECIPE))
    folder, wanted = straight(config)
    assert train(config, tmp_path, progress=interrupted_after(at)).steps == at
    assert train(config, tmp_path).header.digest == wanted.header.digest
    assert rows(tmp_path) == rows(folder)
    assert len({row["guide_weight"] for row in rows(folder)}) > 1


def test_a_target_changes_what_is_learnt(recipe, straight):
    free, held = (
        straight(wide(recipe({"guide_loss": "l2"}, **RECIPE | {"target_low_psnr": target})))[1]
        for target in (None, 90.0)
    )
    assert free.header.digest != held.header.digest


def test_a_budget_plans_the_steps_once_and_trains_as_if_they_had_been_given(recipe, tmp_path):
    config = wide(recipe({"guide_loss": "l2"}, **RECIPE | {"budget": "2 s"}))
    first = train(config, tmp_path / "budget", progress=interrupted_after(2))
    assert first.steps == 2
    assert 3 <= first.planned != 12
    again = train(config, tmp_path / "budget")
    assert again.steps == again.planned == first.planned
    counted = wide(recipe({"guide_loss": "l2"}, **RECIPE | {"steps": first.planned}))
    assert train(counted, tmp_path / "steps").header.digest == again.header.digest  # the measuring left no trace


def test_a_budget_is_kept(recipe, tmp_path):
    result = train(recipe(budget="3 s"), tmp_path)
    assert result.steps > 4
    assert result.header.training["seconds"] < 9  # a machine may slow down, not threefold


def test_a_target_and_a_phase_want_a_loss_that_has_what_they_change(recipe, tmp_path, monkeypatch):
    from resizekit_sr.task import sr

    own = dataclasses.replace(
        sr, name="own-loss", loss=lambda spec, config: lambda out, high: out.restored.square().mean()
    )
    monkeypatch.setattr("resizekit.training.session.resolve", lambda recipe: (own, own.config()))
    with pytest.raises(ConfigError, match="target_low_psnr steers a guide weight"):
        train(recipe(target_low_psnr=38.0), tmp_path / "target")
    with pytest.raises(ConfigError, match="name a restoration_loss, and this task has a loss of its own"):
        train(recipe(phases=[{"share": 1, "restoration_loss": "l2"}]), tmp_path / "phase")


def test_compiling_without_a_compiler_is_refused_before_anything_is_written(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ConfigError, match=r"needs a C\+\+ compiler here"):
        train(recipe(compile=True), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_a_training_may_begin_with_weights(recipe, straight, tmp_path):
    folder, first = straight(recipe())
    weights = str(folder / "weights.safetensors")
    result = train(recipe(start=weights, steps=1, lr=1e-9, ema=0.0), tmp_path / "more")
    begun, before = load(result.weights), load(weights)
    for one, other in zip(begun.parameters(), before.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)
    told = result.header.training
    assert (told["start"], told["start_digest"]) == ("weights", first.header.digest)
    assert (told["steps_before"], told["seconds_before"]) == (first.steps, first.header.training["seconds"])
    third = train(recipe(start=str(result.weights), steps=1), tmp_path / "third").header.training
    assert third["steps_before"] == first.steps + 1
    assert result.header.digest != first.header.digest


def test_what_a_training_began_with_is_remembered_although_the_name_stands_for_other_weights_by_now(
    recipe, straight, tmp_path
):
    folder, first = straight(recipe())
    weights = tmp_path / "changing.safetensors"
    weights.write_bytes((folder / "weights.safetensors").read_bytes())
    more = recipe(start=str(weights))
    train(more, tmp_path / "run", progress=interrupted_after(2))
    weights.write_bytes(train(recipe(seed=5, steps=1), tmp_path / "other").weights.read_bytes())
    assert train(more, tmp_path / "run").header.training["start_digest"] == first.header.digest
    weights.unlink()
    assert train(more, tmp_path / "run").header.training["start_digest"] == first.header.digest, "nor does it need them"


def test_weights_of_another_network_are_no_start(recipe, straight, tmp_path):
    folder, _ = straight(recipe())
    with pytest.raises(ConfigError, match=r"train\.start = .*of other networks than the config's"):
        train(wide(recipe(start=str(folder / "weights.safetensors"))), tmp_path / "run")
    with pytest.raises(ResizeKitError, match="no weights 'nope'"):
        train(recipe(start="nope"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_training_may_begin_with_the_layers_that_fit(recipe, straight, tmp_path):
    folder, _ = straight(recipe())
    weights = str(folder / "weights.safetensors")
    grey = recipe(start=weights, start_strict=False, steps=1, lr=1e-9, ema=0.0)
    grey = grey.model_copy(update={"config": grey.config | {"channels": 1}})
    begun, before = (load(name).state_dict() for name in (train(grey, tmp_path / "more").weights, weights))
    fitting = {name for name in before if before[name].shape == begun[name].shape}
    assert 0 < len(fitting) < len(before)
    for name in fitting:
        torch.testing.assert_close(begun[name], before[name], atol=1e-6, rtol=0)
    bare = wide(grey).model_copy(update={"network": {"width": 5, "blocks": 0}})
    with pytest.raises(ConfigError, match="no layer of these weights fits"):
        train(bare, tmp_path / "bare")


def test_a_state_from_before_a_key_existed_goes_on(recipe, straight, tmp_path):
    _, wanted = straight(recipe())
    train(recipe(), tmp_path, progress=interrupted_after(2))
    state = tmp_path / "state.safetensors"
    with safe_open(state, framework="pt") as file:
        counters = json.loads(file.metadata()["counters"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for key in ("start", "compile", "phases", "budget"):
        del counters["config"]["train"][key]
    save_file(tensors, state, metadata={"counters": json.dumps(counters)})
    assert train(recipe(), tmp_path).header.digest == wanted.header.digest
