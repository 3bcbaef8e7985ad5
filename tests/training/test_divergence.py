"""A training that diverges keeps its last finite state, and a smaller learning rate resumes from it."""

import re
import signal

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from resizekit import load
from resizekit.errors import CheckpointError, ConfigError
from resizekit.recipes.checkpoint import read_header
from resizekit.training.loop import train
from resizekit.training.resume import ResumeWarning
from resizekit.training.session import Session
from resizekit.training.state_file import stored_step

EXPLODES = {"lr": 1e30, "clip": 0.0}
EACH_STEP = {"checkpoint_minutes": 1e-9}


@pytest.fixture
def tiny(recipe):
    """Create a config without warm-up and schedule, so that a learning rate applies from its first step."""
    return lambda **changes: recipe(**{"steps": 12, "warmup": 0, "schedule": "constant"} | changes)


@pytest.fixture
def at_step_4(tiny, tmp_path, interrupt_after):
    """Return a folder with the state of step 4."""
    train(tiny(), tmp_path, progress=interrupt_after(4))
    return tmp_path


def is_finite(path):
    return all(tensor.isfinite().all() for tensor in load_file(path).values())


def spoil(path, name, value=float("nan")):
    """Replace a value of a tensor in a safetensors file."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    tensors[name].view(-1)[0] = value
    save_file(tensors, path, metadata=metadata)


def test_divergence_names_the_first_step_and_writes_no_weights(tiny, tmp_path):
    message = (
        r"^the training diverged: the loss is (nan|inf) at step 2, and the last finite step is 1; no state was "
        r"written; set a smaller train\.lr and run the command again$"
    )
    with pytest.raises(ConfigError, match=message):  # the loss is read at the last step only
        train(tiny(**EXPLODES), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_divergence_names_both_learning_rates_of_muon(tiny, tmp_path):
    with pytest.raises(ConfigError, match=r"set a smaller train\.lr and train\.muon_lr and run the command again$"):
        train(tiny(**EXPLODES, optimizer="muon"), tmp_path)


def test_divergence_keeps_the_last_finite_state(tiny, at_step_4):
    before = (at_step_4 / "state.safetensors").read_bytes()
    message = (
        r"at step 6, and the last finite step is 5; .*/state\.safetensors holds the state of step 4; "
        r"set a smaller train\.lr and run the command again to resume from it$"
    )
    with pytest.warns(ResumeWarning), pytest.raises(ConfigError, match=message):
        train(tiny(**EXPLODES), at_step_4)
    assert [path.name for path in at_step_4.iterdir()] == ["state.safetensors"]
    assert (at_step_4 / "state.safetensors").read_bytes() == before


def test_state_with_an_infinite_tensor_is_not_written(tiny, at_step_4, monkeypatch):
    """The loss of step 5 is finite, but its update is not."""
    from resizekit.training.train_state import TrainState

    original = TrainState.update

    def update(self):
        original(self)
        if self.step == 5:
            next(self.codec.decoder.parameters()).data.fill_(torch.inf)

    monkeypatch.setattr(TrainState, "update", update)
    message = r"diverged: after step 5 \(loss 0\.\d+\), tensor model\.decoder\.\S+ is not finite, and the last finite"
    with pytest.raises(ConfigError, match=message):
        train(tiny(**EACH_STEP), at_step_4)
    assert stored_step(at_step_4 / "state.safetensors") == 4
    assert [path.name for path in at_step_4.iterdir()] == ["state.safetensors"]


def test_finite_state_that_cannot_continue_is_replaced_by_the_previous_one(tiny, at_step_4):
    """After step 5 the weights are finite, but so large that the loss of step 6 is not."""
    good = (at_step_4 / "state.safetensors").read_bytes()

    def interrupt(step, metrics):
        signal.raise_signal(signal.SIGINT)

    with pytest.warns(ResumeWarning):
        assert train(tiny(**EXPLODES), at_step_4, progress=interrupt).steps == 5
    assert stored_step(at_step_4 / "state.safetensors") == 5
    assert (at_step_4 / "state.previous.safetensors").read_bytes() == good
    message = r"at step 6, and the last finite step is 5; .*state\.safetensors holds the state of step 4; "
    with pytest.raises(ConfigError, match=message):
        train(tiny(**EXPLODES), at_step_4)
    assert (at_step_4 / "state.safetensors").read_bytes() == good
    assert [path.name for path in at_step_4.iterdir()] == ["state.safetensors"]


def test_initial_state_replaces_a_faulty_one(tiny, tmp_path, monkeypatch, interrupt_after):
    with monkeypatch.context() as patch:
        patch.setattr(Session, "should_stop", lambda self, requested: True)  # Ctrl-C before the first step
        assert train(tiny(**EXPLODES), tmp_path).steps == 0
    assert train(tiny(**EXPLODES), tmp_path, progress=interrupt_after(1)).steps == 1
    with pytest.raises(ConfigError, match=r"the last finite step is 1; .* holds the state of step 0; set a smaller"):
        train(tiny(**EXPLODES), tmp_path)
    assert stored_step(tmp_path / "state.safetensors") == 0


def test_divergence_names_the_previous_state_if_it_is_the_only_one(tiny, at_step_4):
    previous = at_step_4 / "state.previous.safetensors"
    (at_step_4 / "state.safetensors").rename(previous)
    with pytest.warns(ResumeWarning), pytest.raises(ConfigError, match=f"; {previous} holds the state of step 4; set"):
        train(tiny(**EXPLODES), at_step_4)
    assert [path.name for path in at_step_4.iterdir()] == [previous.name]


def test_faulty_state_without_a_previous_one_is_named(tiny, tmp_path):
    message = r"at step 2, and the last finite step is 1; the state of this step in .*/state\.safetensors is faulty: d"
    with pytest.raises(ConfigError, match=message):
        train(tiny(**EXPLODES, **EACH_STEP), tmp_path)
    assert stored_step(tmp_path / "state.safetensors") == 1


def test_smaller_learning_rate_resumes_and_is_recorded(tiny, at_step_4, straight):
    with pytest.warns(ResumeWarning) as warned:
        result = train(tiny(lr=1e-4, clip=0.25), at_step_4)
    assert [str(warning.message) for warning in warned] == [
        "resuming from step 4 with train.lr = 0.0001 (was 0.0005)",
        "resuming from step 4 with train.clip = 0.25 (was 0.5)",
    ]
    assert result.steps == 12
    training = read_header(result.weights).training
    assert training["changes"] == ["step 4: train.lr 0.0005 -> 0.0001", "step 4: train.clip 0.5 -> 0.25"]
    assert training["lr"] == 1e-4
    different = {straight(tiny(**settings))[1].header.digest for settings in ({}, {"lr": 1e-4, "clip": 0.25})}
    assert result.header.digest not in different


def test_changed_rate_is_reported_once(tiny, at_step_4, interrupt_after):
    with pytest.warns(ResumeWarning):
        train(tiny(lr=1e-4), at_step_4, progress=interrupt_after(6))
    result = train(tiny(lr=1e-4), at_step_4)  # a warning would be an error
    assert result.header.training["changes"] == ["step 4: train.lr 0.0005 -> 0.0001"]


def test_complete_training_refuses_another_learning_rate(tiny, tmp_path):
    train(tiny(), tmp_path)
    with pytest.raises(ConfigError, match=r"belongs to a different config \(train.lr was 0.0005, is 0.0001\)"):
        train(tiny(lr=1e-4), tmp_path)


def test_finish_describes_the_training_and_not_the_new_rate(tiny, at_step_4):
    result = train(tiny(lr=1e-4), at_step_4, finish=True)
    assert (result.steps, result.header.training["lr"]) == (4, 5e-4)


@pytest.mark.parametrize("prefix", ["model", "average", "exp_avg"])
@pytest.mark.parametrize("finish", [False, True])
def test_stored_state_that_is_not_finite_is_refused(tiny, at_step_4, prefix, finish):
    state = at_step_4 / "state.safetensors"
    name = next(name for name in sorted(load_file(state)) if name.startswith(f"{prefix}."))
    spoil(state, name)
    message = f"{state} holds a state that is not finite: tensor {name} contains NaN or infinity; delete it to start"
    with pytest.raises(CheckpointError, match=f"^{re.escape(message)} over$"):
        train(tiny(), at_step_4, finish=finish)
    assert [path.name for path in at_step_4.iterdir()] == ["state.safetensors"]


def test_unusable_state_can_be_deleted_to_resume_from_the_previous_one(tiny, tmp_path, interrupt_after, straight):
    for stop in (4, 8):
        train(tiny(), tmp_path, progress=interrupt_after(stop))
    state, previous = tmp_path / "state.safetensors", tmp_path / "state.previous.safetensors"
    assert (stored_step(state), stored_step(previous)) == (8, 4)
    state.write_bytes(state.read_bytes()[:-20])
    with pytest.raises(CheckpointError, match=f"is not a training state .*; delete it to resume from {previous}$"):
        train(tiny(), tmp_path)
    state.unlink()
    steps = []
    assert train(tiny(), tmp_path, progress=lambda step, metrics: steps.append(step)).header.digest == (
        straight(tiny())[1].header.digest
    )
    assert steps == list(range(5, 13))


def test_last_two_states_are_finite_and_consecutive(tiny, tmp_path):
    train(tiny(**EACH_STEP), tmp_path)
    names = ("state.previous.safetensors", "state.safetensors")
    assert [stored_step(tmp_path / name) for name in names] == [11, 12]
    assert all(is_finite(tmp_path / name) for name in names)


def test_weights_too_large_for_float16_are_refused(tiny, at_step_4):
    state = at_step_4 / "state.safetensors"
    name = next(name for name in sorted(load_file(state)) if name.startswith("average.decoder."))
    spoil(state, name, 1e5)
    tensor = name.removeprefix("average.")
    message = f"tensor {tensor} is not finite in float16; train with a smaller learning rate, or store float32"
    with pytest.raises(CheckpointError, match=rf"^cannot save .*weights\.safetensors: {re.escape(message)}$"):
        train(tiny(store="float16"), at_step_4, finish=True)
    assert not (at_step_4 / "weights.safetensors").exists()
    assert load(train(tiny(), at_step_4, finish=True).weights).state_dict()[tensor].max() == 1e5
