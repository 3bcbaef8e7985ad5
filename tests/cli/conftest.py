"""Tiny weights files, a folder to be in, and the command line run as a program of its own."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def weights(tmp_path_factory, small_weights):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    small_weights(path)
    return path


@pytest.fixture(scope="session")
def grey_weights(tmp_path_factory, small_weights):
    path = tmp_path_factory.mktemp("weights") / "tiny-y.safetensors"
    small_weights(path, 1)
    return path


@pytest.fixture(scope="session")
def jpeg_weights(tmp_path_factory, small_weights):
    path = tmp_path_factory.mktemp("weights") / "tiny-jpeg.safetensors"
    small_weights(path, compression="jpeg")
    return path


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A folder to be in."""
    folder = tmp_path / "room"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def picture(room):
    """Write a picture into the room: `picture("a.png", 40, 52)`."""

    def write(name="a.png", h=40, w=52, c=3):
        path = room / name
        path.parent.mkdir(parents=True, exist_ok=True)
        blocks = np.random.default_rng(h * w).integers(0, 256, (-(-h // 4), -(-w // 4), c), np.uint8)
        pixels = blocks.repeat(4, 0).repeat(4, 1)[:h, :w]
        Image.fromarray(pixels[:, :, 0] if c == 1 else pixels).save(path)
        return path.relative_to(room)

    return write


@pytest.fixture
def program(told):
    """Run the command line as a program of its own: seconds, so for what a process shows alone."""

    def run(*argv, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "resizekit", *map(str, argv)],
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
            check=False,
        )
        return told(done.returncode, done.stdout, done.stderr)

    return run
