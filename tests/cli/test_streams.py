"""Standard input and standard output as pictures."""

import io
import os
import subprocess
import sys

import pytest
from PIL import Image


@pytest.fixture
def piped(weights):
    """Run the command line with bytes on standard input."""

    def run(*argv, data=b""):
        command = [sys.executable, "-m", "resizekit", *argv, "--weights", str(weights)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.run(command, input=data, capture_output=True, env=environment, timeout=100, check=False)

    return run


def test_pictures_go_through_pipes(cli, piped, weights, picture, workdir):
    source = picture()
    assert cli("down", source, "small.png", "--weights", weights).code == 0
    done = piped("down", "-", "-", data=(workdir / source).read_bytes())
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == (workdir / "small.png").read_bytes()
    restored = piped("up", "-", "-", data=done.stdout)
    assert restored.returncode == 0
    with Image.open(io.BytesIO(restored.stdout)) as image:
        assert image.size == (52, 40)


def test_compression_decides_the_format_of_standard_output(piped, picture, workdir):
    done = piped("down", str(picture()), "-", "--compression", "webp")
    with Image.open(io.BytesIO(done.stdout)) as image:
        assert image.format == "WEBP"


def test_standard_input_is_named_in_errors_and_json(piped, picture, workdir):
    done = piped("down", "-", "o.png", data=b"no picture")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"error: standard input is not a picture")
    done = piped("down", "-", "o.png", "--json", data=(workdir / picture()).read_bytes())
    assert b'"in": "standard input"' in done.stdout


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("-", "a.png", "out"), "single picture"),
        (("in", "-"), "in is not a file"),
        (("a.png", "-", "--json"), "--json prints on standard output"),
    ],
)
def test_streams_for_several_pictures_are_refused(cli, complains, weights, picture, argv, words):
    picture()
    picture("in/b.png")
    complains(cli("down", *argv, "--weights", weights), 2, words)
