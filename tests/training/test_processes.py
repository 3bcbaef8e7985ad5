"""Trainings with several processes: one loss, one progress, equal batches, and a state that any number resumes."""

import os
import signal
import socket
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from resizekit.errors import ConfigError, UsageError
from resizekit.recipes.config import RunConfig, validate
from resizekit.training.accelerator import LaunchWarning, make_accelerator
from resizekit.training.loop import train
from resizekit.training.processes import LostProcessError
from resizekit.training.state_file import stored_step
from resizekit.training.steps import Steps

TOML = """
task = "sr"
[network]
width = 8
blocks = 1
[train]
data = ["{data}"]
steps = 3
batch = 2
patch = 16
precision = "float32"
"""


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def as_rank(rank, count, port, work):
    """Run a function in this process as one of several; its exception becomes the exit code."""
    from accelerate.state import AcceleratorState

    variables = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    variables["OMP_NUM_THREADS"] = 1  # torchrun sets it too; accelerate warns without it
    os.environ.update({name: str(value) for name, value in variables.items()})
    AcceleratorState._reset_state(reset_partial_state=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        work(rank)
    except LostProcessError:
        os._exit(7)
    except UsageError as error:
        os._exit(9 if "share" in str(error) else 8 if isinstance(error, ConfigError) else 1)


@pytest.fixture
def ranks():
    """Start a function in several processes: `ranks(work, count)` returns them; `work` gets the number of its rank."""
    started = []

    def start(work, count=2, *, wait=True):
        port, context = free_port(), get_context("fork")
        processes = [context.Process(target=as_rank, args=(rank, count, port, work)) for rank in range(count)]
        for process in processes:
            process.start()
            started.append(process)
        for process in processes if wait else ():
            process.join(60)
        return processes

    yield start
    for process in started:
        process.kill()
        process.join()


def finish(processes):
    return [process.exitcode for process in processes]


def rows(folder):
    return [line.split(",") for line in (folder / "log.csv").read_text().splitlines()]


def assert_close(first, second):
    """Compare two states; sums in a different order differ in the last bits."""
    states = [load_file(folder / "state.safetensors") for folder in (first, second)]
    assert states[0].keys() == states[1].keys()
    for name, tensor in states[0].items():
        torch.testing.assert_close(tensor, states[1][name], rtol=1e-3, atol=2e-5, msg=name)


LOGGED = {"log": "csv", "validate_every": 2, "lr": 1e-4}


def test_two_processes_log_the_loss_of_the_entire_batch(recipe, ranks, straight, tmp_path):
    config = recipe(steps=6, batch=4, **LOGGED)
    folder, _ = straight(config)
    assert finish(ranks(lambda rank: train(config, tmp_path, device="cpu"))) == [0, 0]
    for row, expected in zip(rows(tmp_path)[1:], rows(folder)[1:], strict=True):
        assert row[0] == expected[0]
        assert float(row[3]) == pytest.approx(float(expected[3]), rel=1e-4)
    assert_close(tmp_path, folder)


@pytest.mark.parametrize("network", ["tad", "recurrent"])
def test_curriculum_that_repeats_the_networks_trains_in_two_processes(pictures, ranks, straight, tmp_path, network):
    """All stages share their weights, and those of `recurrent` use different ones."""
    options = {"width": 8} | ({"blocks": 1} if network == "tad" else {})
    raw = {
        "task": "extreme",
        "config": {"deepest": 2, "network": network, "shares": [0.2, 0.3, 0.5]},
        "network": options,
        "train": {"data": [pictures], "steps": 8, "batch": 2, "patch": 16, "precision": "float32"} | LOGGED,
    }
    config = validate(RunConfig, raw, where="test")
    folder, _ = straight(config)
    assert finish(ranks(lambda rank: train(config, tmp_path, device="cpu"))) == [0, 0]
    assert_close(tmp_path, folder)


def test_processes_draw_shares_of_the_same_batch(recipe, ranks, tmp_path):
    config = recipe(batch=4)

    def save_batches(rank):
        steps = Steps.open(config, tmp_path / "run", device="cpu")
        torch.save([steps.batch(step) for step in range(3)], tmp_path / f"{rank}.pt")

    assert finish(ranks(save_batches)) == [0, 0]
    shares = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    single = Steps.open(config, tmp_path / "run", device="cpu")
    for step in range(3):
        assert torch.equal(torch.stack([share[step] for share in shares], 1).flatten(0, 1), single.batch(step))


def test_steps_in_two_processes_write_the_files_once(recipe, ranks, straight, tmp_path):
    config = recipe(batch=4)
    folder, _ = straight(config)

    def work(rank):
        steps = Steps.open(config, tmp_path / "run", device="cpu")
        losses = [steps.advance().item() for _ in range(4)]
        steps.write_state()
        written = steps.write_weights()
        (tmp_path / str(rank)).write_text(f"{losses} {written is not None}")

    assert finish(ranks(work)) == [0, 0]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["state.safetensors", "weights.safetensors"]
    first, second = ((tmp_path / str(rank)).read_text() for rank in (0, 1))
    assert (first.endswith("True"), second.endswith("False")) == (True, True)
    assert first.split("]")[0] == second.split("]")[0]
    assert_close(tmp_path / "run", folder)


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_other_number_of_processes_resumes(recipe, ranks, straight, tmp_path, interrupt_after, before, after):
    config = recipe(steps=6, batch=4, target_low_psnr=38.0, **LOGGED)
    folder, _ = straight(config)
    first, second = interrupt_after(3), interrupt_after(100)
    assert finish(ranks(lambda rank: train(config, tmp_path, device="cpu", progress=first), before)) == [0] * before
    assert stored_step(tmp_path / "state.safetensors") == 3
    assert finish(ranks(lambda rank: train(config, tmp_path, device="cpu", progress=second), after)) == [0] * after
    assert stored_step(tmp_path / "state.safetensors") == 6
    assert_close(tmp_path, folder)


def test_progress_is_called_in_the_main_process_only(recipe, ranks, tmp_path):
    config = recipe(steps=2)

    def work(rank):
        train(config, tmp_path / "run", device="cpu", progress=lambda step, metrics: (tmp_path / str(rank)).touch())

    assert finish(ranks(work)) == [0, 0]
    assert (tmp_path / "0").exists()
    assert not (tmp_path / "1").exists()


def test_processes_plan_the_same_number_of_steps(recipe, ranks, tmp_path):
    config = recipe(budget="1 s")

    def work(rank):
        if rank:  # a slower process
            original = Steps.advance
            Steps.advance = lambda self: time.sleep(0.01) or original(self)
        (tmp_path / str(rank)).write_text(str(train(config, tmp_path / "run", device="cpu").planned))

    assert finish(ranks(work)) == [0, 0]
    assert (tmp_path / "0").read_text() == (tmp_path / "1").read_text()


def test_divergence_ends_all_processes_at_the_same_step(recipe, ranks, tmp_path):
    config = recipe(steps=60, lr=1e30, clip=0, warmup=0)
    assert finish(ranks(lambda rank: train(config, tmp_path, device="cpu"))) == [8, 8]


def test_processes_with_different_states_are_refused(recipe, ranks, tmp_path, interrupt_after):
    config = recipe()
    train(config, tmp_path / "0", device="cpu", progress=interrupt_after(2))
    codes = finish(ranks(lambda rank: train(config, tmp_path / str(rank), device="cpu")))
    assert codes[1] == 9
    assert codes[0] in (0, 7)  # the main process loses the other one


def test_processes_with_different_pictures_are_refused(recipe, ranks, pictures, tmp_path):
    def work(rank):
        files = sorted(pictures.iterdir(), reverse=bool(rank))
        train(recipe(data=files), tmp_path, device="cpu")

    codes = finish(ranks(work))
    assert codes[1] == 9
    assert codes[0] in (0, 7)


@pytest.mark.parametrize("killed", [0, 1])
def test_killed_process_ends_the_training_and_leaves_a_state(recipe, ranks, straight, tmp_path, killed):
    config = recipe(steps=5000, batch=2, checkpoint_minutes=1e-9, schedule="constant")
    state = tmp_path / "state.safetensors"
    processes = ranks(lambda rank: train(config, tmp_path, device="cpu"), wait=False)
    deadline = time.monotonic() + 60
    while (stored_step(state) or 0) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    processes[killed].kill()
    for process in processes:
        process.join(30)
    assert finish(processes)[killed] == -signal.SIGKILL
    assert finish(processes)[1 - killed] == 7
    step = stored_step(state)
    assert 5 <= step < 5000
    seen = []

    def progress(step, metrics):
        seen.append(step)
        signal.raise_signal(signal.SIGINT)

    train(config, tmp_path, device="cpu", progress=progress)
    assert seen == [step + 1]


def test_torchrun_trains_with_two_processes(pictures, tmp_path):
    (tmp_path / "run.toml").write_text(TOML.format(data=pictures))
    options = ["--nproc_per_node", "2", "--master_port", str(free_port()), "-m", "resizekit", "train", "run.toml"]
    command = [sys.executable, "-m", "torch.distributed.run", *options, "--device", "cpu", "--out", "run"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("step 1/3") == 1
    assert done.stdout.splitlines() == [str(Path("run") / "weights.safetensors")]


def test_single_process_of_accelerate_launch_is_named(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    with pytest.warns(LaunchWarning, match="started one process.*torchrun --nproc_per_node"):
        make_accelerator("cpu", "float32")
