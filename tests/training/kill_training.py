"""Kill a training with SIGKILL at random moments until it is complete.

    python tests/training/kill_training.py PICTURES --kills 50

Each run is a fork of this process, so that a run starts within milliseconds. The state is written after each step: many
kills interrupt a write.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from pathlib import Path

import torch
from safetensors.torch import load_file

from resizekit.recipes.checkpoint import read_header
from resizekit.recipes.config import RunConfig, read_toml
from resizekit.training.loop import train
from resizekit.training.state_file import STATE_FILE, stored_step

CONFIG = """
task = "sr"
[network]
width = 16
blocks = 1
[train]
data = ["{data}"]
steps = {steps}
batch = 1
patch = 16
warmup = 2
precision = "float32"
optimizer = "muon"
target_low_psnr = 38.0
validate_every = 1
checkpoint_minutes = 1e-9
[config]
guide_loss = "l2"
"""


def start(run: RunConfig, out: Path) -> ForkProcess:
    """Train in a new process."""
    process = get_context("fork").Process(target=train, args=(run, out), kwargs={"device": "cpu"}, daemon=True)
    process.start()
    return process


def train_to_the_end(run: RunConfig, out: Path) -> None:
    """Train in a new process and wait for its end."""
    process = start(run, out)
    process.join()
    if process.exitcode:
        raise RuntimeError(f"the training in {out} failed with exit code {process.exitcode}")


def train_with_kills(run: RunConfig, out: Path, *, kills: int, seed: int) -> list[str]:
    """Train, and kill the training at random moments: some milliseconds after a step, or while the state is written.

    Args:
        run: Config of the training. Its state must be written after each step.
        out: Folder of the training.
        kills: Number of kills.
        seed: Seed of the moments.

    Returns:
        For each kill, the names of the files in the folder.
    """
    moments, seen = random.Random(seed), []
    for step in sorted(moments.randrange(run.train.steps * 3 // 4) for _ in range(kills)):
        process = start(run, out)
        while (stored_step(out / STATE_FILE) or 0) < max(1, step) and process.is_alive():
            time.sleep(0.001)
        if len(seen) % 2:
            time.sleep(moments.uniform(0, 0.02))
        else:
            while not any(path.suffix == ".part" for path in out.iterdir()) and process.is_alive():
                pass
        process.kill()
        process.join()
        if process.exitcode != -signal.SIGKILL:
            raise RuntimeError(f"kill {len(seen) + 1} at step {step}: the training had ended: {process.exitcode}")
        seen.append(" ".join(sorted(path.name for path in out.iterdir())) if out.exists() else "")
    train_to_the_end(run, out)
    return seen


def differences(first: Path, second: Path) -> list[str]:
    """Name the results of two trainings that differ: state, weights, log, files."""
    states = [load_file(folder / "state.safetensors") for folder in (first, second)]
    different = [name for name in states[0] | states[1] if not torch.equal(states[0][name], states[1][name])]
    if read_header(first / "weights.safetensors").digest != read_header(second / "weights.safetensors").digest:
        different.append("weights")
    logs = [
        [row.split(",")[:1] + row.split(",")[2:] for row in (folder / "log.csv").read_text().splitlines()]
        for folder in (first, second)
    ]
    names = [sorted(path.name for path in folder.iterdir()) for folder in (first, second)]
    return different + ["log"] * (logs[0] != logs[1]) + [f"files {names}"] * (names[0] != names[1])


def main() -> None:
    """Compare a training that is killed with an uninterrupted one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of pictures")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "run.toml").write_text(CONFIG.format(data=options.data.resolve(), steps=options.steps))
        run = read_toml(folder / "run.toml")
        first = run.model_copy(update={"train": run.train.model_copy(update={"steps": 1})})
        train(first, folder / "first", device="cpu")  # imports everything, so that a fork starts quickly
        seen = train_with_kills(run, folder / "killed", kills=options.kills, seed=options.seed)
        train_to_the_end(run, folder / "straight")
        different = differences(folder / "killed", folder / "straight")
    states = sum("state.safetensors" in names for names in seen)
    print(f"{len(seen)} kills, {states} with a state, {sum('.part' in names for names in seen)} during a write")
    print(f"different: {', '.join(different) or 'nothing'}")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
