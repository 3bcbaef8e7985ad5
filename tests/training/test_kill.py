"""A training that is killed resumes exactly, and removes the temporary files of interrupted writes."""

import os
import subprocess
import sys
from pathlib import Path

from resizekit.training.loop import train

ENDED = 2_000_000_000
"""The number of no process."""
SCRIPT = Path(__file__).with_name("kill_training.py")


def test_killed_training_equals_an_uninterrupted_one(pictures):
    """The script fails if state, weights, log or the names of the files differ."""
    options = ["--kills", "4", "--steps", "40", "--seed", "1"]
    command = [sys.executable, str(SCRIPT), str(pictures), *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[1] == "different: nothing"
    assert done.stdout.startswith("4 kills, ")


def test_next_run_removes_the_files_of_a_killed_write(recipe, tmp_path):
    names = "state.safetensors", "weights.safetensors", "log.csv"
    leftovers = [f".{name}.{ENDED}.0123abcd.part" for name in names]
    others = [".state.safetensors.part", ".photo.png.0123abcd.part", "notes.part"]
    for name in (*leftovers, *others):
        (tmp_path / name).touch()
    train(recipe(log="csv"), tmp_path)
    written = ["log.csv", "state.safetensors", "weights.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others + written)


def test_kill_between_the_two_renames_loses_no_state(recipe, tmp_path, interrupt_after, straight):
    """The state became the previous one, and the new state still has its temporary name."""
    config = recipe(steps=6)
    train(config, tmp_path, progress=interrupt_after(3))
    (tmp_path / "state.safetensors").rename(tmp_path / "state.previous.safetensors")
    (tmp_path / f".state.safetensors.{ENDED}.0123abcd.part").touch()
    steps = []
    result = train(config, tmp_path, progress=lambda step, metrics: steps.append(step))
    assert steps == [4, 5, 6]
    assert result.header.digest == straight(config)[1].header.digest
    assert not list(tmp_path.glob(".*.part"))
