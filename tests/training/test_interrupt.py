"""Ctrl-C: the command writes a state, reports it, and the resumed training is exact."""

import os
import signal
import subprocess
import sys
import time

import pytest

from resizekit.recipes.config import read_toml
from resizekit.training.interrupt import Interrupt
from resizekit.training.loop import train

CONFIG = """
task = "sr"
[network]
width = 8
blocks = 1
[train]
data = ["{data}"]
steps = 120
batch = 1
patch = 16
precision = "float32"
validate_every = 1
"""


def test_resume_after_ctrl_c_is_exact(pictures, tmp_path):
    config, out = tmp_path / "tiny.toml", tmp_path / "run"
    config.write_text(CONFIG.format(data=pictures))
    command = [sys.executable, "-m", "resizekit", "train", str(config), "--out", str(out), "--device", "cpu"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    ) as process:
        log = out / "log.csv"
        deadline = time.monotonic() + 60
        while not (log.is_file() and log.read_text().count("\n") > 3) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert output == ""
    assert f"run the same command again to resume from {out}" in errors
    assert "Traceback" not in errors
    assert sorted(path.name for path in out.iterdir()) == ["log.csv", "state.safetensors"]
    resumed, straight = train(read_toml(config), out), train(read_toml(config), tmp_path / "straight")
    assert resumed.header.digest == straight.header.digest
    lines = log.read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [str(step) for step in range(1, 121)]


def test_first_signal_requests_a_stop_and_second_interrupts():
    before = signal.getsignal(signal.SIGINT)
    with Interrupt() as interrupt:
        assert not interrupt.requested
        signal.raise_signal(signal.SIGINT)
        assert interrupt.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
