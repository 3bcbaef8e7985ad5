"""Atomic writes: an interruption leaves either the complete target or no file."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from resizekit.errors import UsageError
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.write import write_picture
from resizekit.pictures.picture import Picture
from resizekit.system.atomic_write import atomic_write
from resizekit.system.temporary import remove_abandoned


def test_written_file_replaces_the_target_with_the_usual_mode(tmp_path):
    (tmp_path / "usual").touch()
    with atomic_write(tmp_path / "a.bin", overwrite=False) as temporary:
        temporary.write_bytes(b"1")
        temporary.chmod(0o600)
        assert not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin").read_bytes() == b"1"
    assert (tmp_path / "a.bin").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin", "usual"]


def test_signal_while_writing_keeps_the_previous_file(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"old")

    def write():
        with atomic_write(tmp_path / "a.bin", overwrite=True) as temporary:
            temporary.write_bytes(b"ha")
            raise SystemExit

    with pytest.raises(SystemExit):
        write()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_signal_while_creating_the_file_leaves_no_file(tmp_path, monkeypatch):
    folders = []

    real_open = os.open

    def create_then_exit(path, *settings):
        os.close(real_open(path, *settings))
        folders.append(path.parent)
        raise SystemExit

    def write():
        with atomic_write(tmp_path / "a.bin", overwrite=False):
            pass

    monkeypatch.setattr(os, "open", create_then_exit)
    with pytest.raises(SystemExit):
        write()
    assert folders == [tmp_path]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("folder", "message"),
    [("none", "the folder .*none does not exist; make it first"), ("file", "cannot write .*a.bin: Not")],
)
def test_unwritable_folder_is_refused(tmp_path, folder, message):
    (tmp_path / "file").touch()

    def write():
        with atomic_write(tmp_path / folder / "a.bin", overwrite=False):
            pass

    with pytest.raises(UsageError, match=message):
        write()


def test_replaced_file_keeps_its_permissions(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    target.chmod(0o600)
    with atomic_write(target, overwrite=True) as temporary:
        assert temporary.stat().st_mode & 0o777 == 0o600
        temporary.write_bytes(b"new")
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"new", 0o600)


@pytest.mark.parametrize("exists", [True, False])
def test_file_behind_a_symbolic_link_is_replaced(tmp_path, exists):
    (tmp_path / "far").mkdir()
    real, link = tmp_path / "far/real.bin", tmp_path / "link.bin"
    if exists:
        real.write_bytes(b"old")
    link.symlink_to("far/real.bin")
    with atomic_write(link, overwrite=True) as temporary:
        temporary.write_bytes(b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["far", "link.bin", "real.bin"]


@pytest.mark.parametrize("has_links", [True, False])
def test_file_of_another_writer_is_not_replaced(tmp_path, monkeypatch, has_links):
    if not has_links:

        def refuse(*_):
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        with atomic_write(tmp_path / "free.bin", overwrite=False) as temporary:
            temporary.write_bytes(b"1")
        assert (tmp_path / "free.bin").read_bytes() == b"1"

    def write():
        with atomic_write(tmp_path / "a.bin", overwrite=False) as temporary:
            temporary.write_bytes(b"late")
            (tmp_path / "a.bin").write_bytes(b"first")

    with pytest.raises(UsageError, match=r"a\.bin exists"):
        write()
    assert (tmp_path / "a.bin").read_bytes() == b"first"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("link", [False, True])
def test_file_of_another_writer_is_replaced_on_request(tmp_path, link):
    target = tmp_path / "a.bin"
    with atomic_write(target, overwrite=True) as first, atomic_write(target, overwrite=True) as second:
        second.write_bytes(b"early")
        first.write_bytes(b"late")
        if link:
            target.symlink_to("gone")
    assert target.read_bytes() == b"late"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_existing_file_stays_without_overwrite(tmp_path):
    (tmp_path / "link.bin").symlink_to("none.bin")
    (tmp_path / "old.bin").write_bytes(b"old")

    def write(name):
        with atomic_write(tmp_path / name, overwrite=False) as temporary:
            temporary.write_bytes(b"new")

    for name in ("link.bin", "old.bin"):
        with pytest.raises(UsageError, match=f"{name} exists"):
            write(name)
    assert (tmp_path / "old.bin").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.bin", "old.bin"]


def _write_all(folder, barrier, value, overwrite, results):
    """Write pictures under names for which another process competes."""
    picture, wins = Picture(pixels=np.full((8, 8, 3), value, np.uint8)), []
    for index in range(60):
        barrier.wait(60)
        try:
            write_picture(folder / f"{index}.png", picture, overwrite=overwrite)
            wins.append(index)
        except UsageError:
            pass
    results.put(wins)


@pytest.mark.parametrize("overwrite", [False, True])
def test_two_writers_of_one_name(tmp_path, monkeypatch, overwrite):
    """Exactly one succeeds; with `overwrite` both do, and the file is the complete file of one of them."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])  # the writers import this module
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    arguments = [(tmp_path, barrier, value, overwrite, results) for value in (10, 200)]
    writers = [context.Process(target=_write_all, args=each) for each in arguments]
    for writer in writers:
        writer.start()
    wins = results.get(timeout=100) + results.get(timeout=100)
    for writer in writers:
        writer.join()
    assert sorted(wins) == sorted([*range(60)] * (2 if overwrite else 1))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{index}.png" for index in range(60))
    for path in tmp_path.iterdir():
        assert np.unique(read_picture(path).pixels).tolist() in ([10], [200])


def test_full_disk_error_names_the_target(tmp_path):
    def write(filename):
        with atomic_write(tmp_path / "a.bin", overwrite=False) as temporary:
            raise OSError(errno.ENOSPC, "No space left on device", str(temporary) if filename else None)

    for filename in (True, False):
        with pytest.raises(OSError, match="No space left") as caught:
            write(filename)
        assert caught.value.filename == str(tmp_path / "a.bin")
    assert not list(tmp_path.iterdir())


_HOLD = """
import pathlib, sys
from resizekit.system.atomic_write import atomic_write
with atomic_write(pathlib.Path(sys.argv[1]), overwrite=False):
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_temporary_files_of_dead_processes_only_are_deleted(tmp_path):
    command = [sys.executable, "-c", _HOLD, tmp_path / "a.bin"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        (temporary,) = tmp_path.iterdir()
        (tmp_path / ".mine.part").touch()
        remove_abandoned(tmp_path)
        assert temporary.exists()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert temporary.exists()
        with atomic_write(tmp_path / "b.bin", overwrite=False) as mine:
            remove_abandoned(tmp_path)
            assert mine.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mine.part", "b.bin"]


def test_name_that_the_locale_cannot_express(tmp_path):
    code = (
        "import os, pathlib\nfrom resizekit.system.atomic_write import atomic_write\n"
        f"path = pathlib.Path(os.fsdecode({os.fsencode(tmp_path)!r}), os.fsdecode(b'{'a' * 99}\\xc3\\xbc'))\n"
        "with atomic_write(path, overwrite=True) as temporary:\n    temporary.write_bytes(b'1')"
    )
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [os.fsencode(path.name) for path in Path(tmp_path).iterdir()] == [b"a" * 99 + "ü".encode()]
