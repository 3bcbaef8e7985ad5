"""The state on disk: all of it comes back, foreign and broken ones are refused, a failed write harms nothing."""

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


def parts(width=16, steps=3, seed=0, which="muon"):
    """A codec and its average, and the codec's optimizer, after some steps."""
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
    save_state(path, *parts(), COUNTERS)
    return path


@pytest.mark.parametrize("which", ["adam", "muon"])
def test_everything_comes_back_bit_equal(tmp_path, which):
    path = tmp_path / "state.safetensors"
    save_state(path, *parts(which=which), COUNTERS)
    fresh = parts(steps=0, seed=9, which=which)
    assert load_state(path, *fresh) == COUNTERS
    for held, wanted in zip(tensors_of(*fresh), tensors_of(*parts(which=which)), strict=True):
        assert torch.equal(held, wanted)
    assert list(tmp_path.iterdir()) == [path]


def test_a_state_from_before_the_first_step_comes_back(tmp_path):
    path = tmp_path / "state.safetensors"
    save_state(path, *parts(steps=0), COUNTERS | {"step": 0})
    modules, optimizer = parts(steps=0, seed=9)
    assert load_state(path, modules, optimizer)["step"] == 0
    assert not optimizer.moments()
    assert modules["model"].digest == parts(steps=0)[0]["model"].digest


def test_the_state_of_another_network_is_refused(saved):
    with pytest.raises(CheckpointError, match="state of another network"):
        load_state(saved, *parts(width=20))


def broken(path):
    path.write_bytes(path.read_bytes()[:-20])


def foreign(path):
    save_file({"x": torch.zeros(2)}, path)


def counters(value):
    def write(path):
        save_file({"x": torch.zeros(2)}, path, metadata={"counters": value})

    return write


SPOILT = {
    "truncated": broken,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("weights" * 100),
    "a pickle": lambda path: torch.save({"x": torch.zeros(2)}, path),
    "somebody else's tensors": foreign,
    "counters that are no JSON": counters("{"),
    "counters that are a list": counters("[1]"),
    "counters without a step": counters("{}"),
    "counters without seconds": counters('{"step": 3, "steps": 9}'),
    "a step that is no number": counters(json.dumps(COUNTERS | {"step": "x"})),
    "counters too deep": counters("[" * 100_000),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_what_is_no_state_is_refused_in_one_line(saved, spoil):
    spoil(saved)
    with pytest.raises(CheckpointError, match="no training state") as caught:
        load_state(saved, *parts(steps=0))
    assert "remove it to start anew" in str(caught.value)


def test_a_folder_in_its_place_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no training state"):
        load_state(tmp_path, *parts(steps=0))


def test_a_disk_that_refuses_midway_leaves_the_last_state_whole(saved):
    before = saved.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))  # writes beyond fail, as on a full disk
    try:
        with pytest.raises(CheckpointError, match=r"cannot write .* free space"):
            save_state(saved, *parts(seed=5), COUNTERS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
