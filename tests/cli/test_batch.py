"""Folders on the command line: outcomes, names, several processes, signals and kills."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def without_seconds(run):
    """The lines on stderr, without the seconds of the summary."""
    return [line.rpartition(", ")[0] if line.endswith(" s") else line for line in run.err.splitlines()]


@pytest.fixture
def large_folder(workdir):
    """Write six noisy pictures that take a second each, in small tiles."""
    (workdir / "in").mkdir()
    for index in range(6):
        pixels = np.random.default_rng(index).integers(0, 256, (700, 700, 3), np.uint8)
        Image.fromarray(pixels).save(f"in/{index}.png", compress_level=0)


def start(weights, *options):
    command = [sys.executable, "-m", "resizekit", "down", "in", "out", "--weights", str(weights), *options]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def wait_for(workdir, pattern, process, count=1):
    give_up = time.monotonic() + 100
    while len(list(workdir.glob(pattern))) < count and time.monotonic() < give_up:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def left_over(process):
    """Processes of the session of an ended process that do not end by themselves within some seconds."""
    give_up = time.monotonic() + 20
    while True:
        command = ["ps", "-o", "pid=", "-s", str(process.pid)]
        listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
        if not listed or time.monotonic() > give_up:
            return listed
        time.sleep(0.05)


def test_several_processes_write_the_same_files(program, cli, weights, picture, workdir):
    for name in ("in/a.png", "in/b.jpg", "in/deep/c.png"):
        picture(name)
    (workdir / "in/broken.png").write_bytes(b"no picture")
    run = program("down", "in", "two", "--weights", weights, "--jobs", "2", "--json")
    assert cli("down", "in", "one", "--weights", weights).code == run.code == 1
    assert [row["in"] for row in json.loads(run.out)] == ["in/a.png", "in/b.jpg", "in/deep/c.png"]
    # the JPEG file has fewer bytes than its small file
    advice = "note: 1 with more bytes than the source: pass --verbose to see which"
    assert without_seconds(run)[1:] == [advice, "3 done, 0 skipped, 1 failed"]
    assert "in/broken.png is not a picture" in run.err
    assert files(workdir / "two") == files(workdir / "one") == ["a.png", "b.png", "deep/c.png"]
    for name in files(workdir / "one"):
        assert (workdir / "two" / name).read_bytes() == (workdir / "one" / name).read_bytes()


def test_existing_outputs_are_skipped(cli, weights, picture, workdir):
    for name in ("in/a.png", "in/b.png"):
        picture(name)
    assert cli("down", "in", "out", "--weights", weights).code == 0
    (workdir / "out/b.png").unlink()
    before = (workdir / "out/a.png").stat().st_mtime_ns
    run = cli("down", "in", "out", "--weights", weights, "--skip-existing")
    assert (run.code, run.out, without_seconds(run)) == (0, "out/b.png\n", ["1 done, 1 skipped, 0 failed"])
    assert (workdir / "out/a.png").stat().st_mtime_ns == before
    run = cli("down", "in/a.png", "out/a.png", "--weights", weights, "--skip-existing")
    assert (run.code, run.out, without_seconds(run)) == (0, "", ["0 done, 1 skipped, 0 failed"])


def test_json_lines_describe_every_picture(cli, weights, picture, workdir):
    for name in ("in/a.png", "in/b.png", "in/c.png"):
        picture(name)
    (workdir / "in/b.png").write_bytes(b"no picture")
    (workdir / "out").mkdir()
    (workdir / "out/c.png").touch()
    run = cli("down", "in", "out", "--weights", weights, "--json-lines", "--skip-existing")
    rows = [json.loads(line) for line in run.out.splitlines()]
    assert run.code == 1
    assert {row["in"]: row["status"] for row in rows} == {
        "in/a.png": "done",
        "in/b.png": "failed",
        "in/c.png": "skipped",
    }
    by_name = {row["in"]: row for row in rows}
    assert by_name["in/a.png"]["manifest"]["size"] == [52, 40]
    assert by_name["in/a.png"]["seconds"] > 0
    assert by_name["in/b.png"]["error"].startswith("in/b.png is not a picture")
    run = cli("up", "absent.png", "o.png", "--json-lines")
    assert (run.code, json.loads(run.out)["status"]) == (1, "failed")


def test_quiet_prints_errors_only(cli, weights, picture, workdir):
    for name in ("in/a.png", "in/b.png"):
        picture(name)
    (workdir / "in/notes.txt").touch()
    assert cli("down", "in", "out", "--weights", weights, "--quiet") == (0, "", "")
    (workdir / "in/b.png").write_bytes(b"no picture")
    run = cli("down", "in", "again", "--weights", weights, "-q")
    assert (run.code, run.out, run.err.count("\n")) == (1, "", 1)
    assert run.err.startswith("error: in/b.png is not a picture")


def test_verbose_names_every_ignored_file(cli, weights, picture, workdir):
    picture("in/a.png")
    for index in range(7):
        (workdir / f"in/{index}.txt").touch()
    (workdir / "in/._a.png").write_bytes(b"attributes")
    run = cli("down", "in", "out", "--weights", weights)
    names = "in/._a.png, in/0.txt, in/1.txt, in/2.txt, in/3.txt and 3 more"
    assert (run.code, run.out, run.err) == (0, "out/a.png\n", f"ignored 8 files that are not pictures: {names}\n")
    run = cli("down", "in", "again", "--weights", weights, "-v")
    assert "in/6.txt\n" in run.err
    assert "done in/a.png, " in run.err


@pytest.mark.parametrize("options", [("--skip-existing", "--overwrite"), ("--json", "--json-lines"), ("-q", "-v")])
def test_contradicting_options_are_refused(cli, complains, weights, picture, options):
    complains(cli("down", picture(), "o.png", "--weights", weights, *options), 2, "contradict one another")


def test_names_of_ignored_files_are_escaped(cli, weights, picture, workdir):
    picture("in/a.png")
    (workdir / "in/b\x1b[31m\n.txt").touch()
    run = cli("down", "in", "out", "--weights", weights)
    assert (run.code, run.err) == (0, "ignored 1 file that is not a picture: in/b\\x1b[31m .txt\n")


def test_output_folder_in_the_input_is_not_an_input(cli, weights, picture, workdir):
    picture("in/a.png")
    for options in ([], ["--overwrite"]):
        assert cli("down", "in", "in/small", "--weights", weights, *options) == (0, "in/small/a.png\n", "")
    assert files(workdir / "in") == ["a.png", "small/a.png"]


@pytest.mark.parametrize(
    ("out", "written"), [("new/", "new/a.png"), ("new", "new/a.png"), ("x/y/s.png", "x/y/s.png"), ("s.d/", "s.d/a.png")]
)
def test_folders_for_one_picture_are_created(cli, weights, picture, out, written):
    assert cli("down", picture(), out, "--weights", weights) == (0, f"{written}\n", "")


def test_same_file_twice_and_same_stems(cli, weights, picture, workdir):
    for name in ("in/a.png", "in/a.jpg", "b.png"):
        picture(name)
    assert cli("down", "in", "b.png", "./b.png", "out", "--weights", weights).code == 0
    assert files(workdir / "out") == ["a.jpg.png", "a.png.png", "b.png"]
    assert cli("up", "out", "back", "--weights", weights).code == 0
    assert files(workdir / "back") == ["a.jpg.png", "a.png.png", "b.png"]


def test_overwrite_keeps_permissions_and_links(cli, weights, picture, workdir):
    source = picture()
    (workdir / "real.png").touch(mode=0o600)
    (workdir / "link.png").symlink_to("real.png")
    assert cli("down", source, "link.png", "--weights", weights, "--overwrite").code == 0
    assert (workdir / "link.png").is_symlink()
    assert (workdir / "real.png").stat().st_mode & 0o777 == 0o600
    with Image.open("real.png") as image:
        assert image.size == (26, 20)


def test_threads_option_sets_the_threads_of_torch(program, weights, picture, workdir):
    (workdir / "sitecustomize.py").write_text(
        "import atexit, sys\n"
        "atexit.register(lambda: print(sys.modules['torch'].get_num_threads()) if 'torch' in sys.modules else None)\n"
    )
    run = program("down", picture(), "o.png", "--weights", weights, "--threads", "3", PYTHONPATH=str(workdir))
    assert run.out.splitlines() == ["o.png", "3"]


def test_names_that_the_locale_cannot_express(program, weights, picture, workdir):
    picture("ü.png")
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    run = program("down", "ü.png", "ö.png", "--weights", weights, **plain)
    assert (run.code, run.err) == (0, "")
    assert program("down", "ü.png", "ä/", "--weights", weights, "--json-lines", **plain).code == 0
    assert files(workdir) == ["ä/ü.png", "ö.png", "ü.png"]


@pytest.mark.parametrize(("number", "code", "words"), [(signal.SIGINT, 130, "error: interrupted\n"), (15, 143, "")])
def test_signal_ends_all_processes_at_once(weights, workdir, large_folder, number, code, words):
    with start(weights, "--jobs", "2", "--tile", "64", "--effort", "4") as process:
        wait_for(workdir, "out/.*.part", process, count=2)
        os.killpg(process.pid, number)
        sent = time.monotonic()
        complaint = process.communicate(timeout=60)[1]
        assert time.monotonic() - sent < 10
    assert (process.returncode, complaint) == (code, words)
    assert not left_over(process)
    assert not list(workdir.glob("**/*.part"))


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_killed_run_leaves_no_partial_file_after_the_next_run(program, weights, workdir, large_folder, jobs):
    with start(weights, "--jobs", jobs) as process:
        wait_for(workdir, "out/.*.part", process)
        process.kill()
    assert not left_over(process), "workers end with the process that started them"
    run = program("down", "in", "out", "--weights", weights, "--skip-existing")
    assert run.code == 0
    assert program("down", "in", "whole", "--weights", weights).code == 0
    assert files(workdir / "out") == files(workdir / "whole") == [f"{index}.png" for index in range(6)]
    for name in files(workdir / "out"):
        assert (workdir / "out" / name).read_bytes() == (workdir / "whole" / name).read_bytes()


def test_progress_without_a_terminal_is_printed_at_intervals(capsys, monkeypatch):
    from rich.console import Console

    from resizekit.cli import progress

    clock = iter([0.0, *range(20, 400, 20)])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.counted(Console(stderr=True), "", 10) as count:
        for _ in range(4):
            count.finish()
    assert capsys.readouterr().err.splitlines() == [
        "2 of 10, 20 %, about 3 min left",
        "4 of 10, 40 %, about 2 min left",
    ]
