"""`train_all` in a small source tree: weights are trained once, measured once, and shipped only if they are better."""

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from resizekit import load
from resizekit.recipes.checkpoint import read_header
from resizekit.training.loop import train

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
MODULES = "plan", "records", "numbers_table", "cards", "shipping", "training_run", "train_all"
CONFIG = """
task = "sr"
[config]
channels = {channels}
[network]
width = 4
blocks = 0
[train]
steps = {steps}
batch = 2
patch = 16
warmup = 0
precision = "float32"
log = "none"
store = "float16"
"""


@pytest.fixture
def tree(tmp_path, monkeypatch, scripts) -> SimpleNamespace:
    """A source tree that contains only configs, pictures and the modules of the benchmarks."""
    configs = tmp_path / "plugins/resizekit_sr/configs"
    weights = tmp_path / "plugins/resizekit_sr/weights"
    for folder in (configs, weights, tmp_path / "runs"):
        folder.mkdir(parents=True)
    for folder, count in {"pictures": 2, "Set5": 2, "Urban100": 1}.items():
        (tmp_path / folder).mkdir()
        for i in range(count):
            small = np.random.default_rng(i).integers(0, 256, (10, 8, 3), np.uint8)
            Image.fromarray(small).resize((32, 40), Image.Resampling.BICUBIC).save(tmp_path / folder / f"{i}.png")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/numbers.md").write_text("above\n<!-- numbers -->\nold\n<!-- end of numbers -->\nbelow\n")
    here = tmp_path / "benchmarks"
    here.mkdir()
    for name in MODULES:
        shutil.copy(BENCHMARKS / f"{name}.py", here)
    monkeypatch.chdir(tmp_path)
    modules = scripts(here, *MODULES)

    def config(name: str, channels: int = 3, steps: int = 6) -> None:
        (configs / f"{name}.toml").write_text(CONFIG.format(channels=channels, steps=steps))

    def run(*options: str) -> tuple[int, str]:
        common = ["--data", "pictures", "--sets", "Set5", "--sets", "Urban100", "--device", "cpu"]
        result = CliRunner().invoke(modules.train_all.app, [*common, *options])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return SimpleNamespace(root=tmp_path, weights=weights, config=config, run=run, **vars(modules))


def record_of(tree: SimpleNamespace, name: str) -> dict:
    return json.loads((tree.weights / f"{name}.json").read_text())


def must_not_be_called(*_: object, **__: object) -> None:
    raise AssertionError("must not be called")


def interrupting(at: int) -> Callable[..., object]:
    """Return a progress that sends Ctrl-C after a number of steps."""

    @contextmanager
    def progress(_: object) -> Iterator[Callable[[int, object], None]]:
        def update(step: int, _: object) -> None:
            if step == at:
                signal.raise_signal(signal.SIGINT)

        yield update

    return progress


def test_weights_with_a_config_are_trained_measured_and_shipped(tree):
    tree.config("tad-x2")
    tree.config("sr-x2-y", channels=1)
    code, output = tree.run("--ship", "--hardware", "two hamsters")
    assert code == 0, output
    assert "sr-x4: skipped, no config sr-x4.toml" in output
    assert output.index("sr-x2-y: shipped; no shipped weights of this name") < output.index("tad-x2: shipped")
    for name, channels in {"tad-x2": 3, "sr-x2-y": 1}.items():
        record = record_of(tree, name)
        file = tree.weights / f"{name}.safetensors"
        assert load(file).digest == record["digest"]
        assert load(file).channels == record["channels"] == channels
        assert record["bytes"] == file.stat().st_size
        assert record["stored"] == "float16"
        assert (record["config"], record["training"]["hardware"]) == (name, "two hamsters")
        assert record["training"]["steps"] == 6
        assert record["training"]["parts"] == [{"share": 1, "batch": 2, "patch": 16}]
        assert {which: figures["pictures"] for which, figures in record["sets"].items()} == {"Set5": 2, "Urban100": 1}
        assert ("high_rgb" in record["sets"]["Set5"]) is (channels == 3)
        assert f"`{record['digest']}`" in (tree.weights / f"{name}.md").read_text()
    page = (tree.root / "docs/numbers.md").read_text()
    assert page.startswith("above\n<!-- numbers -->\nEvery value is a mean PSNR")
    assert page.endswith("<!-- end of numbers -->\nbelow\n")
    assert tree.cards.stale(tree.root) == []


def test_second_run_trains_and_measures_nothing(tree, monkeypatch):
    tree.config("tad-x2")
    assert tree.run()[0] == 0
    assert not list(tree.weights.iterdir()), "nothing is shipped without --ship"
    monkeypatch.setattr(tree.training_run, "train", must_not_be_called)
    monkeypatch.setattr(tree.training_run, "evaluate_folder", must_not_be_called)
    code, output = tree.run("--ship", "--budget", "9 h")
    assert (code, "tad-x2: shipped" in output) == (0, True), output
    code, output = tree.run("--ship")
    assert (code, "not shipped; the same weights are already shipped" in output) == (0, True), output


def test_set_with_a_new_picture_is_measured_again(tree, monkeypatch):
    tree.config("tad-x2")
    assert tree.run()[0] == 0
    measured = []
    real = tree.training_run.evaluate_folder
    monkeypatch.setattr(
        tree.training_run,
        "evaluate_folder",
        lambda c, folder, **o: measured.append(folder.name) or real(c, folder, **o),
    )
    shutil.copy(tree.root / "Set5/0.png", tree.root / "Urban100/new.png")
    assert tree.run()[0] == 0
    assert measured == ["Urban100"]


def test_measurements_of_other_weights_are_not_reused(tree, monkeypatch):
    tree.config("tad-x2")
    assert tree.run()[0] == 0
    run = tree.root / "runs/tad-x2"
    for name in ("plan.json", "state.safetensors", "weights.safetensors"):
        (run / name).unlink()
    tree.config("tad-x2", steps=9)
    measured = []
    real = tree.training_run.evaluate_folder
    monkeypatch.setattr(
        tree.training_run, "evaluate_folder", lambda c, folder, **_: measured.append(folder.name) or real(c, folder)
    )
    assert tree.run()[0] == 0
    assert measured == ["Set5", "Urban100"]
    assert json.loads((run / "figures.json").read_text())["digest"] == read_header(run / "weights.safetensors").digest


def test_resume_keeps_the_planned_steps_and_gives_the_same_weights(tree, monkeypatch, tmp_path):
    tree.config("tad-x2")
    tree.config("tad-x4")
    budgets = []
    monkeypatch.setattr("resizekit.training.loop.plan_steps", lambda session, seconds: budgets.append(seconds) or 9)
    monkeypatch.setattr(tree.training_run, "training_progress", interrupting(4))
    code, output = tree.run("--budget", "10 min", "--ship")
    assert code == 130
    assert "run the same command again to resume" in output
    assert "Traceback" not in output
    assert not list(tree.weights.iterdir())
    assert not (tree.root / "runs/tad-x4").exists(), "an interruption stops all trainings"
    monkeypatch.undo()
    monkeypatch.chdir(tree.root)
    code, output = tree.run("--budget", "7 h", "--only", "tad-x2", "--ship")
    assert code == 0, output
    assert budgets == [300], "half of the budget, planned once"
    record = record_of(tree, "tad-x2")
    assert record["training"]["steps"] == 9
    assert record["training"]["command"].endswith("--data FOLDERS --validation FOLDER --steps 9")
    run = tree.train_all.planned("tad-x2", [tree.root / "pictures"], [], None)
    straight = run.model_copy(update={"train": run.train.model_copy(update={"steps": 9})})
    assert train(straight, tmp_path / "straight", device="cpu").header.digest == record["digest"]


def test_resume_reuses_the_measurements_before_an_interruption(tree, monkeypatch, ctrl_c):
    tree.config("tad-x2")
    real = tree.training_run.evaluate_folder

    def breaking(codec, folder, **options):
        if folder.name == "Urban100":
            signal.raise_signal(signal.SIGINT)
        return real(codec, folder, **options)

    monkeypatch.setattr(tree.training_run, "evaluate_folder", breaking)
    code, output = tree.run()
    assert (code, "run the same command again to resume" in output) == (130, True), output
    monkeypatch.setattr(tree.training_run, "train", must_not_be_called)
    measured = []
    monkeypatch.setattr(
        tree.training_run, "evaluate_folder", lambda c, folder, **_: measured.append(folder.name) or real(c, folder)
    )
    assert tree.run()[0] == 0
    assert measured == ["Urban100"]


def test_state_of_resizekit_train_is_resumed(tree, monkeypatch):
    tree.config("tad-x2")
    run = tree.train_all.planned("tad-x2", [tree.root / "pictures"], [], None)
    made = train(run, tree.root / "runs/tad-x2", device="cpu")
    code, output = tree.run("--ship", "--budget", "1 h")
    assert code == 0, output
    record = record_of(tree, "tad-x2")
    assert record["digest"] == made.header.digest
    assert "hardware" not in record["training"], "unknown hardware"
    assert "None" not in (tree.weights / "tad-x2.md").read_text()


def test_finished_ships_existing_weights_without_training(tree, monkeypatch):
    tree.config("tad-x2")
    run = tree.train_all.planned("tad-x2", [tree.root / "pictures"], [], None)
    other = run.model_copy(update={"train": run.train.model_copy(update={"steps": 4})})
    made = train(other, tree.root / "runs/tad-x2", device="cpu")
    monkeypatch.setattr(tree.training_run, "train", must_not_be_called)
    (tree.root / "runs/tad-x2/state.safetensors").unlink()
    code, output = tree.run("--only", "tad-x2", "--finished", "--ship", "--hardware", "two hamsters")
    assert code == 0, output
    record = record_of(tree, "tad-x2")
    assert record["digest"] == made.header.digest
    assert record["training"]["command"].endswith("--validation FOLDER --steps 4")
    assert record["training"]["hardware"] == "two hamsters"
    tree.config("tad-x2", channels=1)
    code, output = tree.run("--only", "tad-x2", "--finished")
    assert (code, "was trained with a different config" in output) == (1, True), output
    (tree.root / "runs/tad-x2/weights.safetensors").unlink()
    assert tree.run("--only", "tad-x2", "--finished")[0] == 1


def test_changed_config_is_refused_and_the_others_are_trained(tree):
    tree.config("sr-x2-y", channels=1)
    assert tree.run("--only", "sr-x2-y")[0] == 0
    tree.config("sr-x2-y", channels=1, steps=7)
    tree.config("tad-x2")
    code, output = tree.run()
    assert code == 1
    assert (
        "error: sr-x2-y: runs/sr-x2-y belongs to a different config; pass a different --runs folder or delete it"
        in output
    )
    assert "error: 1 of 2 failed; the others are complete" in output
    assert (tree.root / "runs/tad-x2/weights.safetensors").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--only", "sr-x3"), "no weights 'sr-x3' in the plan; known names: sr-x2, "),
        (("--budget", "soon"), "budget = 'soon': expected a duration such as"),
        (("--sets", "Set6"), "no file or folder Set6"),
        (("--sets", "empty"), "no picture in empty"),
        (("--only", "tad-x2", "--data", "nowhere"), "no file or folder nowhere"),
        (
            ("--sets", "pictures/0.png"),
            "0.png is in both --data and --sets; results on training pictures are not meaningful",
        ),
    ],
)
def test_invalid_arguments_end_in_one_line(tree, options, words):
    tree.config("tad-x2")
    (tree.root / "empty").mkdir()
    code, output = tree.run(*options)
    assert code in (1, 2)
    assert words in output
    assert "Traceback" not in output
    assert not (tree.root / "runs/tad-x2/weights.safetensors").exists()


def test_ship_without_sets_is_refused(tree):
    result = CliRunner().invoke(tree.train_all.app, ["--ship"])
    assert (result.exit_code, "pass the folders to measure on with --sets" in result.output) == (2, True)


def test_shipped_weights_are_replaced_only_by_better_ones(tree):
    tree.config("tad-x2")
    assert tree.run("--ship")[0] == 0
    before = record_of(tree, "tad-x2")
    file = tree.weights / "tad-x2.safetensors"

    def ship_better_by(more: float) -> None:
        """Replace the shipped weights by others of the same config that are better by `more` dB."""
        record = json.loads(json.dumps(before)) | {"digest": "0" * 64}
        for figures in record["sets"].values():
            figures["high_rgb"] += more
        (tree.weights / "tad-x2.json").write_text(json.dumps(record))
        file.write_bytes(b"shipped")

    ship_better_by(+0.01)
    code, output = tree.run("--ship")
    assert (code, "tad-x2: not shipped; mean high" in output) == (0, True), output
    assert file.read_bytes() == b"shipped"
    ship_better_by(-0.01)
    code, output = tree.run("--ship")
    assert (code, "tad-x2: shipped; mean high" in output) == (0, True), output
    assert read_header(file).digest == before["digest"] == record_of(tree, "tad-x2")["digest"]


def test_weights_of_another_plugin_use_its_sets_and_factors(tree, monkeypatch):
    """Only a line in the plan and a config are needed."""
    plan = tree.plan.Planned(1, "any depth", {"others": 99.0, "Set5 x4": 0.0}, sets=("Set5",), times=(1, 2))
    monkeypatch.setitem(tree.train_all.PLAN, "deep", plan)
    tree.config("deep")
    configs = tree.root / "plugins/resizekit_deep/configs"
    configs.mkdir(parents=True)
    (tree.weights.parent / "configs/deep.toml").rename(configs / "deep.toml")
    code, output = tree.run("--only", "deep", "--ship")
    assert (code, "deep: not shipped; low " in output) == (0, True), output
    assert "on Set5 x2 is below 99" in output
    assert "on Set5 x4" not in output
    monkeypatch.setitem(tree.train_all.PLAN, "deep", replace(plan, floors={}))
    monkeypatch.setattr(tree.training_run, "evaluate_folder", must_not_be_called)
    code, output = tree.run("--only", "deep", "--ship")
    assert (code, "deep: shipped" in output) == (0, True), output
    weights = configs.parent / "weights"
    assert {path.name for path in weights.iterdir()} == {"deep.json", "deep.md", "deep.safetensors"}
    record = json.loads((weights / "deep.json").read_text())
    assert {label: (f["times"], f["factor"]) for label, f in record["sets"].items()} == {
        "Set5 x2": (1, "x2"),
        "Set5 x4": (2, "x4"),
    }
    assert record["training"]["command"].startswith("resizekit train plugins/resizekit_deep/configs/deep.toml ")
    assert "| Set5 | x4 |" in (weights / "deep.md").read_text()
    assert record["sets"]["Set5 x4"]["bicubic_rgb"] < record["sets"]["Set5 x2"]["bicubic_rgb"]


def test_plan_without_its_sets_is_refused(tree, monkeypatch):
    monkeypatch.setitem(tree.train_all.PLAN, "tad-x2", tree.plan.Planned(1, "", sets=("Set14",)))
    tree.config("tad-x2")
    code, output = tree.run("--only", "tad-x2", "--ship")
    assert (code, "not measured on Set14; pass their folders with --sets" in output) == (1, True), output
