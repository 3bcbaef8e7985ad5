"""The steps of a training in another loop: the same numbers, resumable in both directions."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch

import resizekit
from resizekit.errors import ConfigError, UsageError
from resizekit.recipes.checkpoint import read_header
from resizekit.training import Steps
from resizekit.training.loop import train

EXAMPLES = Path(__file__).parents[2] / "examples"
HAS_LIGHTNING = importlib.util.find_spec("lightning") is not None
TOML = """
task = "sr"
[network]
width = 8
blocks = 1
[train]
steps = 4
batch = 2
patch = 16
warmup = 2
precision = "float32"
log = "none"
"""
STAGED = {"float_share": 0.5, "guide_loss": "l2"}
PHASES = {"phases": [{"share": 2}, {"share": 1, "patch": 24, "batch": 1}], "target_low_psnr": 38.0}


@pytest.fixture
def config(recipe):
    """Return a config with two stages, two phases and a target."""
    return recipe(STAGED, steps=9, **PHASES)


def run(steps, until):
    """Train as the documentation shows."""
    while steps.step < until:
        loss = steps.loss(steps.batch(steps.step))
        loss.backward()
        assert torch.equal(steps.update(), loss.detach())


def test_steps_in_another_loop_give_the_weights_of_train(config, straight, tmp_path):
    steps = Steps.open(config, tmp_path)
    assert (steps.step, steps.total) == (0, 9)
    run(steps, 9)
    path, header = steps.write_weights()
    assert header.digest == straight(config)[1].header.digest == steps.averaged().digest
    assert resizekit.load(path).digest == header.digest


def test_update_needs_a_loss_before_each_one(config, tmp_path):
    steps = Steps.open(config, tmp_path)
    for _ in range(2):
        with pytest.raises(UsageError, match=r"update\(\) needs the gradients of a step: call loss"):
            steps.update()
        steps.advance()


def test_advance_performs_one_step(config, straight, tmp_path):
    steps = Steps.open(config, tmp_path)
    losses = [steps.advance() for _ in range(9)]
    assert steps.step == 9
    assert all(loss.shape == () and not loss.requires_grad and loss.isfinite() for loss in losses)
    assert steps.averaged().digest == straight(config)[1].header.digest


@pytest.mark.parametrize("first", ["steps", "train"])
def test_steps_and_train_resume_each_other(config, straight, tmp_path, interrupt_after, first):
    if first == "steps":
        steps = Steps.open(config, tmp_path)
        run(steps, 5)
        steps.write_state()
        assert train(config, tmp_path).header.digest == straight(config)[1].header.digest
    else:
        train(config, tmp_path, progress=interrupt_after(5))
        steps = Steps.open(config, tmp_path)
        assert steps.step == 5
        run(steps, 9)
        assert steps.averaged().digest == straight(config)[1].header.digest


def test_batches_do_not_depend_on_the_steps_before(config, tmp_path):
    steps, other = Steps.open(config, tmp_path / "a"), Steps.open(config, tmp_path / "b")
    run(steps, 4)
    for step in (8, 0, 4):
        assert torch.equal(steps.batch(step), other.batch(step))
    assert [tuple(steps.batch(step).shape) for step in (0, 8)] == [(2, 3, 16, 16), (1, 3, 24, 24)]


def test_data_loader_with_workers_gives_the_batches(config, tmp_path):
    from torch.utils.data import DataLoader

    steps = Steps.open(config, tmp_path)
    loader = DataLoader(
        range(9), batch_size=None, collate_fn=steps.batch, num_workers=2, multiprocessing_context="fork"
    )
    for step, batch in enumerate(loader):
        assert torch.equal(batch, steps.batch(step))


def test_config_file_and_data_are_accepted(pictures, straight, recipe, tmp_path):
    (tmp_path / "run.toml").write_text(TOML)
    steps = Steps.open(tmp_path / "run.toml", tmp_path / "run", data=[pictures])
    run(steps, steps.total)
    assert steps.averaged().digest == straight(recipe())[1].header.digest


def test_documented_loop_gives_the_weights_of_train(pictures, straight, recipe, tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    (source,) = [b for b in re.findall(r"^```py\n(.*?)^```", page, re.DOTALL | re.MULTILINE) if "Steps.open" in b]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(TOML)
    resizekit.training.pack(pictures, "photos.pack")
    exec(source, {})  # noqa: S102 - a block of the project\'s own page
    assert read_header(tmp_path / "runs" / "mine" / "weights.safetensors").digest == straight(recipe())[1].header.digest


def test_members_of_steps_are_documented(section):
    cells = " ".join(
        line.split("|")[1]
        for line in section("docs/training.md", "## A loop of your own").splitlines()
        if line.startswith("|")
    )
    for name in set(vars(Steps)) - {"open"}:
        assert name.startswith("_") or re.search(rf"`{name}\b", cells), name


def test_budget_is_refused(recipe, tmp_path):
    with pytest.raises(ConfigError, match=r"set train\.steps instead"):
        Steps.open(recipe(budget="1 s"), tmp_path)


@pytest.mark.skipif(not HAS_LIGHTNING, reason="needs the package lightning")
@pytest.mark.filterwarnings("ignore")  # Lightning warns about the number of workers and its own dependencies
def test_lightning_example_gives_the_weights_of_train(scripts, pictures, straight, recipe, tmp_path, monkeypatch):
    (tmp_path / "run.toml").write_text(TOML)
    example = scripts(EXAMPLES, "lightning_training").lightning_training
    argv = ["lightning_training", str(tmp_path / "run.toml"), str(pictures), "--out", str(tmp_path / "run")]
    monkeypatch.setattr("sys.argv", argv)
    example.main()
    header = read_header(tmp_path / "run" / "weights.safetensors")
    assert header.digest == straight(recipe())[1].header.digest
    assert header.training["steps"] == 4


@pytest.mark.skipif(not HAS_LIGHTNING, reason="needs the package lightning")
@pytest.mark.filterwarnings("ignore")
def test_lightning_example_resumes(scripts, pictures, straight, recipe, tmp_path, monkeypatch):
    (tmp_path / "run.toml").write_text(TOML)
    steps = Steps.open(tmp_path / "run.toml", tmp_path / "run", data=[pictures])
    run(steps, 3)
    steps.write_state()
    example = scripts(EXAMPLES, "lightning_training").lightning_training
    argv = ["lightning_training", str(tmp_path / "run.toml"), str(pictures), "--out", str(tmp_path / "run")]
    monkeypatch.setattr("sys.argv", argv)
    example.main()
    assert read_header(tmp_path / "run" / "weights.safetensors").digest == straight(recipe())[1].header.digest


def test_lightning_example_names_the_missing_package(scripts, monkeypatch):
    for name in ("lightning", "lightning.pytorch"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SystemExit, match="pip install lightning"):
        scripts(EXAMPLES, "lightning_training")
