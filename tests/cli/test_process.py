"""Tests that need a separate process: start, exit codes, signals, pipes, plugins."""

import io
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from resizekit.storage.png16 import PNG16


def python(code):
    """Run code in a new Python process."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_help_and_import_load_nothing_heavy():
    code = (
        "import sys, resizekit\n"
        "from resizekit.cli import main\n"
        "sys.argv = ['resizekit', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit as ended:\n    assert not ended.code\n"
        "heavy = {'torch', 'numpy', 'triton', 'safetensors', 'PIL', 'resizekit_sr', 'accelerate'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = python(code)
    assert (done.returncode, done.stderr) == (0, "")
    assert "roundtrip" in done.stdout


def test_exit_codes_of_bad_data_and_bad_usage(program, weights, workdir):
    (workdir / "empty.png").touch()
    runs = {
        1: program("down", "empty.png", "o.png", "--weights", weights),
        2: program("train", "absent.toml"),
    }
    for code, run in runs.items():
        assert (run.code, run.out) == (code, "")
        assert run.err.startswith("error: ")
        assert run.err.count("\n") == 1
    assert [path.name for path in workdir.iterdir()] == ["empty.png"]
    run = program("down", "--bogus")
    assert run.code == 2
    assert "No such option" in run.err


def test_file_names_that_are_not_text(program, weights, picture, workdir):
    source, target = (os.fsdecode(name) for name in (b"bad\xff.png", b"small\xff.png"))
    picture().rename(source)
    run = program("down", source, target, "--weights", weights, PYTHONIOENCODING="utf-8:strict")
    assert (run.code, run.out, run.err) == (0, "small\\udcff.png\n", "")
    assert (workdir / target).is_file()


def test_closed_pipe_is_not_an_error():
    with subprocess.Popen(
        [sys.executable, "-m", "resizekit", "schema", "sr"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        complaint = process.stderr.read()
        process.wait(timeout=60)
    assert complaint == b""
    assert process.returncode == 1


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_spoil_no_picture(weights, picture, workdir, closed):
    """A file that gets the number of a closed stream would contain what is printed."""
    printing = "import os; os.write(1, b'printed'); os.write(2, b'printed')"
    (workdir / "sitecustomize.py").write_text(f"import atexit\natexit.register(lambda: exec({printing!r}))\n")
    command = f"{sys.executable} -m resizekit down {picture()} o.png --weights {weights} {closed}"
    environment = os.environ | {"PYTHONPATH": str(workdir), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, shell=True, env=environment, capture_output=True, timeout=120, check=False)  # noqa: S602
    assert done.returncode == 0, done
    assert (b"o.png\nprinted" in done.stdout) is (">&-" not in closed.replace("2>&-", ""))
    with Image.open("o.png") as image:
        assert image.size == (26, 20)


def test_main_restores_standard_output():
    code = (
        "import os, sys\n"
        "from resizekit.cli import main\n"
        "stream, descriptors = sys.stdout, len(os.listdir('/proc/self/fd')) if os.path.exists('/proc/self/fd') else 0\n"
        "sys.argv = ['resizekit', '--version']\n"
        "try:\n    main()\n"
        "except SystemExit:\n"
        "    assert sys.stdout is stream\n"
        "    assert not descriptors or len(os.listdir('/proc/self/fd')) == descriptors\n"
        "    os.write(1, b'later')\n"
    )
    done = python(code)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("resizekit ")
    assert done.stdout.endswith("\nlater")


@pytest.mark.parametrize(("number", "code", "words"), [(signal.SIGINT, 130, "error: interrupted\n"), (15, 143, "")])
def test_signal_leaves_no_partial_file(weights, workdir, number, code, words):
    Image.fromarray(np.zeros((2600, 2600, 3), np.uint8)).save("large.png")
    command = [sys.executable, "-m", "resizekit", "down", "large.png", "o.png", "--weights", str(weights)]
    with subprocess.Popen([*command, "--tile", "64"], stderr=subprocess.PIPE, text=True) as process:
        give_up = time.monotonic() + 60
        while not list(workdir.glob(".*.part")) and time.monotonic() < give_up:
            time.sleep(0.01)
        process.send_signal(number)
        complaint = process.communicate(timeout=60)[1]
    assert (process.returncode, complaint) == (code, words)
    assert [path.name for path in workdir.iterdir()] == ["large.png"]


@pytest.mark.parametrize(("number", "words"), [(2, "error: interrupted\n"), (15, "")])
def test_signal_exit_code_survives_exceptions_of_libraries(number, words):
    code = (
        "import os\n"
        "from resizekit.cli import app\n"
        "def library():\n"
        f"    try:\n        os.kill(os.getpid(), {number})\n        print('went on')\n"
        "    finally:\n        raise AssertionError('mode stack')\n"
        "app.app = library\n"
        "app.main()\n"
    )
    done = python(code)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", words)


def test_main_restores_the_signal_handlers():
    code = (
        "import signal, sys\n"
        "from resizekit.cli import main\n"
        "numbers = signal.SIGINT, signal.SIGTERM\n"
        "before = [signal.getsignal(number) for number in numbers]\n"
        "sys.argv = ['resizekit', '--version']\n"
        "try:\n    main()\n"
        "except SystemExit:\n    assert [signal.getsignal(number) for number in numbers] == before\n"
    )
    done = python(code)
    assert (done.returncode, done.stderr) == (0, "")


PLUGINS = {
    "broken": "raise ImportError('no module named gone')",
    "conflicting": """
from resizekit import ResizeSpec, Task, TaskConfig, guides, hookimpl

@hookimpl
def resizekit_register_tasks():
    yield Task(name="sr", summary="mine", config=TaskConfig, spec=lambda c: ResizeSpec(s=2), guide=guides.bicubic)
""",
    "misspelt": """
from resizekit import hookimpl

@hookimpl
def resizekit_register_task():
    yield None
""",
}


def test_broken_plugins_are_left_out_by_name(program, tmp_path):
    for name, source in PLUGINS.items():
        (tmp_path / f"{name}_plugin.py").write_text(source)
        info = tmp_path / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[resizekit]\n{name} = {name}_plugin\n")
    run = program("tasks", PYTHONPATH=str(tmp_path))
    assert run.code == 0
    lines = run.err.splitlines()
    assert len(lines) == 3
    for name, line in zip(sorted(PLUGINS), lines, strict=True):
        assert line.startswith(f"warning: plugin '{name}' of {name} 1.2 was not loaded: ")
        assert f"RESIZEKIT_DISABLE={name}" in line
    assert "already offered by plugin 'sr' of resizekit" in lines[1]
    assert "sr" in run.out
    run = program("schema", "sr", PYTHONPATH=str(tmp_path), RESIZEKIT_DISABLE="broken,conflicting,misspelt,sr")
    assert run.code == 2
    assert run.err.startswith("error: no task 'sr' is installed; installed: ")
    assert run.err.count("\n") == 1


def test_warnings_of_image_libraries_are_not_printed(program, workdir):
    """A PNG library warns of the first broken checksum, and fails at the second."""
    file = io.BytesIO()
    PNG16.save(file, np.random.default_rng(0).integers(0, 2**16, (20, 20, 3), np.uint16))
    data = file.getvalue()
    (workdir / "broken.png").write_bytes(data[:-20] + bytes(8) + data[-12:])
    run = program("info", "broken.png")
    assert (run.code, run.out) == (1, "")
    assert run.err.startswith("error: broken.png cannot be read (")
    assert run.err.count("\n") == 1
