"""Training all weights in a tree as small as it can be: trained once, measured once, shipped only where better."""

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
    """A project of nothing but configs, pictures and the benchmarks' modules, which take it for theirs."""
    configs = tmp_path / "plugins/resizekit_sr/configs"
    weights = tmp_path / "plugins/resizekit_sr/weights"
    for folder in (configs, weights, tmp_path / "runs"):
        folder.mkdir(parents=True)
    for folder, count in {"pictures": 2, "Set5": 2, "Urban100": 1}.items():
        (tmp_path / folder).mkdir()
        for i in range(count):
            small = np.random.default_rng(i).integers(0, 256, (10, 8, 3), np.uint8)
            Image.fromarray(small).resize((32, 40), Image.Resampling.BICUBIC).save(tmp_path / folder / f"{i}.png")
    (tmp_path / "README.md").write_text("above\n<!-- numbers -->\nold\n<!-- end of numbers -->\nbelow\n")
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
        told = CliRunner().invoke(modules.train_all.app, [*common, *options])
        assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
        return told.exit_code, told.output

    return SimpleNamespace(root=tmp_path, weights=weights, config=config, run=run, **vars(modules))


def record_of(tree: SimpleNamespace, name: str) -> dict:
    return json.loads((tree.weights / f"{name}.json").read_text())


def nothing_more(*_: object, **__: object) -> None:
    raise AssertionError("this was done before")


def interrupting(at: int) -> Callable[..., object]:
    """A progress that sends a real Ctrl-C after so many steps."""

    @contextmanager
    def progress(_: object) -> Iterator[Callable[[int, object], None]]:
        def update(step: int, _: object) -> None:
            if step == at:
                signal.raise_signal(signal.SIGINT)

        yield update

    return progress


def test_all_that_has_a_config_is_trained_measured_and_shipped(tree):
    tree.config("tad-x2")
    tree.config("sr-x2-y", channels=1)
    code, told = tree.run("--ship", "--hardware", "two hamsters")
    assert code == 0, told
    assert "sr-x4: skipped, there is no config of that name" in told
    assert told.index("sr-x2-y: shipped; the first of this name") < told.index("tad-x2: shipped")
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
    readme = (tree.root / "README.md").read_text()
    assert readme.startswith("above\n<!-- numbers -->\nMean PSNR")
    assert readme.endswith("<!-- end of numbers -->\nbelow\n")
    assert tree.cards.stale(tree.root) == []


def test_a_second_start_trains_and_measures_nothing(tree, monkeypatch):
    tree.config("tad-x2")
    assert tree.run()[0] == 0
    assert not list(tree.weights.iterdir()), "nothing is shipped unless asked"
    monkeypatch.setattr(tree.training_run, "train", nothing_more)
    monkeypatch.setattr(tree.training_run, "evaluate_folder", nothing_more)
    code, told = tree.run("--ship", "--budget", "9 h")
    assert (code, "tad-x2: shipped" in told) == (0, True), told
    code, told = tree.run("--ship")
    assert (code, "not shipped; these very weights are shipped" in told) == (0, True), told


def test_a_set_with_another_picture_is_measured_anew(tree, monkeypatch):
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


def test_figures_are_of_these_weights_and_no_others(tree, monkeypatch):
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


def test_an_interrupted_training_goes_on_with_its_steps_and_ends_the_same(tree, monkeypatch, tmp_path):
    tree.config("tad-x2")
    tree.config("tad-x4")
    budgets = []
    monkeypatch.setattr(
        "resizekit.training.loop.plan_steps", lambda session, seconds, stepper: budgets.append(seconds) or 9
    )
    monkeypatch.setattr(tree.training_run, "training_progress", interrupting(4))
    code, told = tree.run("--budget", "10 min", "--ship")
    assert code == 130
    assert "the same command goes on" in told
    assert "Traceback" not in told
    assert not list(tree.weights.iterdir())
    assert not (tree.root / "runs/tad-x4").exists(), "an interruption ends all"
    monkeypatch.undo()
    monkeypatch.chdir(tree.root)
    code, told = tree.run("--budget", "7 h", "--only", "tad-x2", "--ship")
    assert code == 0, told
    assert budgets == [300], "half of the time, and planned once"
    record = record_of(tree, "tad-x2")
    assert record["training"]["steps"] == 9
    assert record["training"]["command"].endswith("--data FOLDERS --validation FOLDER --steps 9")
    run = tree.train_all.planned("tad-x2", [tree.root / "pictures"], [], None)
    straight = run.model_copy(update={"train": run.train.model_copy(update={"steps": 9})})
    assert train(straight, tmp_path / "straight", device="cpu").header.digest == record["digest"]


def test_an_interruption_while_measuring_keeps_what_is_measured(tree, monkeypatch):
    tree.config("tad-x2")
    real = tree.training_run.evaluate_folder

    def breaking(codec, folder, **options):
        if folder.name == "Urban100":
            signal.raise_signal(signal.SIGINT)
        return real(codec, folder, **options)

    monkeypatch.setattr(tree.training_run, "evaluate_folder", breaking)
    code, told = tree.run()
    assert (code, "the same command goes on" in told) == (130, True), told
    monkeypatch.setattr(tree.training_run, "train", nothing_more)
    measured = []
    monkeypatch.setattr(
        tree.training_run, "evaluate_folder", lambda c, folder, **_: measured.append(folder.name) or real(c, folder)
    )
    assert tree.run()[0] == 0
    assert measured == ["Urban100"]


def test_what_resizekit_train_left_is_taken_up(tree, monkeypatch):
    tree.config("tad-x2")
    run = tree.train_all.planned("tad-x2", [tree.root / "pictures"], [], None)
    made = train(run, tree.root / "runs/tad-x2", device="cpu")
    code, told = tree.run("--ship", "--budget", "1 h")
    assert code == 0, told
    record = record_of(tree, "tad-x2")
    assert record["digest"] == made.header.digest
    assert "hardware" not in record["training"], "nobody noted it"
    assert "None" not in (tree.weights / "tad-x2.md").read_text()


def test_finished_weights_are_shipped_as_they_are(tree, monkeypatch):
    tree.config("tad-x2")
    run = tree.train_all.planned("tad-x2", [tree.root / "pictures"], [], None)
    other = run.model_copy(update={"train": run.train.model_copy(update={"steps": 4})})
    made = train(other, tree.root / "runs/tad-x2", device="cpu")
    monkeypatch.setattr(tree.training_run, "train", nothing_more)
    (tree.root / "runs/tad-x2/state.safetensors").unlink()
    code, told = tree.run("--only", "tad-x2", "--finished", "--ship", "--hardware", "two hamsters")
    assert code == 0, told
    record = record_of(tree, "tad-x2")
    assert record["digest"] == made.header.digest
    assert record["training"]["command"].endswith("--validation FOLDER --steps 4")
    assert record["training"]["hardware"] == "two hamsters"
    tree.config("tad-x2", channels=1)
    code, told = tree.run("--only", "tad-x2", "--finished")
    assert (code, "was trained from another config" in told) == (1, True), told
    (tree.root / "runs/tad-x2/weights.safetensors").unlink()
    assert tree.run("--only", "tad-x2", "--finished")[0] == 1


def test_another_config_is_refused_and_the_others_are_done(tree):
    tree.config("sr-x2-y", channels=1)
    assert tree.run("--only", "sr-x2-y")[0] == 0
    tree.config("sr-x2-y", channels=1, steps=7)
    tree.config("tad-x2")
    code, told = tree.run()
    assert code == 1
    assert "error: sr-x2-y: runs/sr-x2-y was begun with another config; name another --runs folder or remove it" in told
    assert "error: 1 of 2 could not be done; the others are" in told
    assert (tree.root / "runs/tad-x2/weights.safetensors").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--only", "sr-x3"), "no weights 'sr-x3' are planned; there are: sr-x2, "),
        (("--budget", "soon"), "budget = 'soon': a time is written like"),
        (("--sets", "Set6"), "no file or folder Set6"),
        (("--sets", "empty"), "no picture in empty"),
        (("--only", "tad-x2", "--data", "nowhere"), "no file or folder nowhere"),
        (("--sets", "pictures/0.png"), "0.png is among --data and --sets; figures of pictures trained on tell nothing"),
    ],
)
def test_a_rude_request_ends_in_one_line(tree, options, words):
    tree.config("tad-x2")
    (tree.root / "empty").mkdir()
    code, told = tree.run(*options)
    assert code in (1, 2)
    assert words in told
    assert "Traceback" not in told
    assert not (tree.root / "runs/tad-x2/weights.safetensors").exists()


def test_shipping_without_sets_is_refused(tree):
    told = CliRunner().invoke(tree.train_all.app, ["--ship"])
    assert (told.exit_code, "name the folders to measure on with --sets" in told.output) == (2, True)


def test_shipped_weights_stay_unless_the_new_ones_are_better(tree):
    tree.config("tad-x2")
    assert tree.run("--ship")[0] == 0
    before = record_of(tree, "tad-x2")
    file = tree.weights / "tad-x2.safetensors"

    def shipped_reaches(more: float) -> None:
        """Let what is shipped be other weights of the same config, that much better."""
        told = json.loads(json.dumps(before)) | {"digest": "0" * 64}
        for figures in told["sets"].values():
            figures["high_rgb"] += more
        (tree.weights / "tad-x2.json").write_text(json.dumps(told))
        file.write_bytes(b"theirs")

    shipped_reaches(+0.01)
    code, told = tree.run("--ship")
    assert (code, "tad-x2: not shipped; mean high" in told) == (0, True), told
    assert file.read_bytes() == b"theirs"
    shipped_reaches(-0.01)
    code, told = tree.run("--ship")
    assert (code, "tad-x2: shipped; mean high" in told) == (0, True), told
    assert read_header(file).digest == before["digest"] == record_of(tree, "tad-x2")["digest"]


@pytest.fixture
def made(tree, tmp_path, small_weights):
    """Make a record of colour weights with these (high, low) by set."""

    def make(config: str = "sr-x2", digest: str = "a", **sets: tuple[float, float]) -> object:
        path = tmp_path / "some.safetensors"
        small_weights(path)
        codec = load(path)
        figures = {
            name: tree.records.Figures(pictures=1, high_rgb=high, high_y=50, low_rgb=low, low_y=20, bicubic_y=20)
            for name, (high, low) in sets.items()
        }
        training = tree.records.Training(
            command="-", steps=1, seconds=1, pictures=1, parts=[], seed=0, precision="float32"
        )
        return tree.records.Record(
            name="sr-x2", summary="", task="sr", digest=digest * 64, config=config, network="tad", compression="uint8",
            spec=str(codec.spec), border=2, channels=3, parameters=1, kmac_per_pixel=1, bytes=1, stored="float32",
            training=training, command="-", sets=figures,
        )  # fmt: skip

    return make


@pytest.mark.parametrize(
    ("new", "old", "ships", "why"),
    [
        ({"Set5": (39, 37), "Urban100": (35, 36)}, None, True, "first"),
        ({"Set5": (39, 36.9)}, None, False, "low 36.90 on Set5 is below 37"),
        ({"Urban100": (39, 35.9)}, None, False, "low 35.90 on Urban100 is below 36"),
        ({"Set5": (39, 37), "B100": (35, 37)}, {"Set5": (38, 40), "B100": (35.9, 40)}, True, "mean high"),
        ({"Set5": (39, 37), "B100": (35, 37)}, {"Set5": (38, 40), "B100": (36, 40)}, False, "mean high"),
        ({"Set5": (50, 36), "B100": (50, 50)}, {"Set5": (38, 40), "B100": (36, 40)}, False, "Set5 is below"),
        ({"Set5": (39, 38)}, {"Set5": (38, 40), "B100": (36, 40)}, False, "not measured on B100"),
        ({"Set5": (39, 38), "B100": (2, 38)}, {"Set5": (38, 40)}, True, "mean high"),
    ],
)
def test_what_is_better(tree, made, new, old, ships, why):
    shipped = made(digest="b", **old) if old else None
    got, words = tree.shipping.verdict(made(**new), shipped, tree.plan.X2)
    assert got is ships
    assert why in words


def test_another_config_gives_way_and_that_is_said(tree, made):
    old, new = made(config="tad-x2", digest="b", Set5=(39, 41)), made(Set5=(38, 30))
    ships, why = tree.shipping.verdict(new, old, tree.plan.X2)
    assert ships
    assert why == "what was shipped is of config tad-x2, although low 30.00 on Set5 is below 37"
    assert tree.shipping.verdict(new, new, tree.plan.X2) == (False, "these very weights are shipped")


def test_a_perfect_set_survives_being_written(tree, made):
    record = made(Set5=(float("inf"), float("inf")))
    record.write(tree.weights)
    json.loads((tree.weights / "sr-x2.json").read_text(), parse_constant=nothing_more)
    assert tree.records.read_record(tree.root, "sr-x2") == record


def test_weights_of_another_plugin_are_measured_at_their_depths_on_their_sets(tree, monkeypatch):
    """A line in the plan and a config are all that it takes."""
    plan = tree.plan.Planned(1, "any depth", {"others": 99.0, "Set5 x4": 0.0}, sets=("Set5",), times=(1, 2))
    monkeypatch.setitem(tree.train_all.PLAN, "deep", plan)
    tree.config("deep")
    configs = tree.root / "plugins/resizekit_deep/configs"
    configs.mkdir(parents=True)
    (tree.weights.parent / "configs/deep.toml").rename(configs / "deep.toml")
    code, told = tree.run("--only", "deep", "--ship")
    assert (code, "deep: not shipped; low " in told) == (0, True), told
    assert "on Set5 x2 is below 99" in told
    assert "on Set5 x4" not in told
    monkeypatch.setitem(tree.train_all.PLAN, "deep", replace(plan, floors={}))
    monkeypatch.setattr(tree.training_run, "evaluate_folder", nothing_more)
    code, told = tree.run("--only", "deep", "--ship")
    assert (code, "deep: shipped" in told) == (0, True), told
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


def test_a_plan_whose_sets_are_not_given_is_refused(tree, monkeypatch):
    monkeypatch.setitem(tree.train_all.PLAN, "tad-x2", tree.plan.Planned(1, "", sets=("Set14",)))
    tree.config("tad-x2")
    code, told = tree.run("--only", "tad-x2", "--ship")
    assert (code, "measured on none of Set14; name their folders with --sets" in told) == (1, True), told
