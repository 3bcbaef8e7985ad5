"""Tiny weights files, a working directory, checks of errors, and the command line as a separate process."""

import contextlib
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
def workdir(tmp_path, monkeypatch):
    """Make an empty folder the working directory."""
    folder = tmp_path / "workdir"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def picture(workdir):
    """Write a picture into the working directory: `picture("a.png", 40, 52)`."""

    def write(name="a.png", h=40, w=52, c=3):
        path = workdir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        blocks = np.random.default_rng(h * w).integers(0, 256, (-(-h // 4), -(-w // 4), c), np.uint8)
        pixels = blocks.repeat(4, 0).repeat(4, 1)[:h, :w]
        # uncompressed, so that a small file is not larger than its source
        Image.fromarray(pixels[:, :, 0] if c == 1 else pixels).save(path, compress_level=0)
        return path.relative_to(workdir)

    return write


@pytest.fixture
def program(cli_result):
    """Run the command line as a separate process; slow, so only for tests that need one."""

    def run(*argv, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "resizekit", *map(str, argv)],
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
            check=False,
        )
        return cli_result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def complains():
    """Check that a run printed one line of error with these words: `complains(run, code, *words)`."""

    def check(run, code, *words):
        assert run.code == code, run
        assert run.out == ""
        lines = run.err.splitlines()
        assert len(lines) == 1, run.err
        assert lines[0].startswith("error: ")
        for word in words:
            assert word in lines[0]

    return check


@pytest.fixture(scope="session")
def nothing_new():
    """Check that no file below the folder is added, removed or changed: `with nothing_new(folder): ...`."""

    @contextlib.contextmanager
    def check(folder):
        def seen():
            return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}

        before = seen()
        yield
        assert seen() == before

    return check
