"""The state file: everything is restored, other and broken files are refused, a failed write changes nothing."""

import json
import resource

import pytest
import torch
from safetensors.torch import save_file

from resizekit import build
from resizekit.errors import CheckpointError
from resizekit.recipes.config import TrainConfig
from resizekit.training.optimizer import Optimizer
from resizekit.training.state_file import load_state, save_state

COUNTERS = {"step": 3, "steps": 9, "seconds": 1.5, "config": {"some": "config"}}


def make_state(width=16, steps=3, seed=0, which="muon"):
    """Return a codec with its average, and its optimizer after some steps."""
    torch.manual_seed(seed)
    codec, average = (build("sr", network={"width": width, "blocks": 1}) for _ in range(2))
    codec.to(memory_format=torch.channels_last)
    optimizer = Optimizer(codec, TrainConfig(optimizer=which))
    for _ in range(steps):
        optimizer.zero_grad()
        codec(torch.rand(1, 3, 8, 8)).restored.sum().backward()
        optimizer.step()
    return {"model": codec, "average": average}, optimizer


def tensors_of(modules, optimizer):
    values = [*modules["model"].state_dict().values(), *modules["average"].state_dict().values()]
    return values + list(optimizer.moments().values())


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "state.safetensors"
    save_state(path, *make_state(), COUNTERS)
    return path


@pytest.mark.parametrize("which", ["adam", "muon"])
def test_load_restores_everything_bit_equal(tmp_path, which):
    path = tmp_path / "state.safetensors"
    save_state(path, *make_state(which=which), COUNTERS)
    fresh = make_state(steps=0, seed=9, which=which)
    assert load_state(path, *fresh) == COUNTERS
    for loaded, expected in zip(tensors_of(*fresh), tensors_of(*make_state(which=which)), strict=True):
        assert torch.equal(loaded, expected)
    assert list(tmp_path.iterdir()) == [path]


def test_load_restores_a_state_from_before_the_first_step(tmp_path):
    path = tmp_path / "state.safetensors"
    save_state(path, *make_state(steps=0), COUNTERS | {"step": 0})
    modules, optimizer = make_state(steps=0, seed=9)
    assert load_state(path, modules, optimizer)["step"] == 0
    assert not optimizer.moments()
    assert modules["model"].digest == make_state(steps=0)[0]["model"].digest


def test_state_of_a_different_network_is_refused(saved):
    with pytest.raises(CheckpointError, match="is the state of a different network"):
        load_state(saved, *make_state(width=20))


def truncate(path):
    path.write_bytes(path.read_bytes()[:-20])


def write_other_tensors(path):
    save_file({"x": torch.zeros(2)}, path)


def write_counters(value):
    def write(path):
        save_file({"x": torch.zeros(2)}, path, metadata={"counters": value})

    return write


INVALID = {
    "truncated": truncate,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("weights" * 100),
    "a pickle": lambda path: torch.save({"x": torch.zeros(2)}, path),
    "other tensors": write_other_tensors,
    "counters that are not JSON": write_counters("{"),
    "counters that are a list": write_counters("[1]"),
    "counters without a step": write_counters("{}"),
    "counters without seconds": write_counters('{"step": 3, "steps": 9}'),
    "a step that is not a number": write_counters(json.dumps(COUNTERS | {"step": "x"})),
    "counters nested too deeply": write_counters("[" * 100_000),
}


@pytest.mark.parametrize("overwrite", INVALID.values(), ids=INVALID)
def test_invalid_file_is_refused(saved, overwrite):
    overwrite(saved)
    with pytest.raises(CheckpointError, match="is not a training state") as caught:
        load_state(saved, *make_state(steps=0))
    assert "delete it to start over" in str(caught.value)


def test_folder_in_place_of_the_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="is not a training state"):
        load_state(tmp_path, *make_state(steps=0))


def test_failed_write_keeps_the_previous_state(saved):
    before = saved.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))  # writes beyond fail, as on a full disk
    try:
        with pytest.raises(CheckpointError, match=r"cannot write .* free disk space"):
            save_state(saved, *make_state(seed=5), COUNTERS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
