"""Atomic writes: an interruption leaves either the complete target or no file."""

from pathlib import Path

import pytest

from resizekit.errors import UsageError
from resizekit.system.atomic_write import atomic_write, remove_leftovers


def test_written_file_replaces_the_target_with_the_usual_mode(tmp_path):
    (tmp_path / "usual").touch()
    with atomic_write(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(b"1")
        temporary.chmod(0o600)
        assert not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin").read_bytes() == b"1"
    assert (tmp_path / "a.bin").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin", "usual"]


def test_signal_while_writing_keeps_the_previous_file(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"old")

    def write():
        with atomic_write(tmp_path / "a.bin") as temporary:
            temporary.write_bytes(b"ha")
            raise SystemExit

    with pytest.raises(SystemExit):
        write()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_signal_while_creating_the_file_leaves_no_file(tmp_path, monkeypatch):
    folders = []

    def create_then_exit(path, mode):
        path.touch()
        folders.append(path.parent)
        raise SystemExit

    def write():
        with atomic_write(tmp_path / "a.bin"):
            pass

    monkeypatch.setattr(Path, "open", create_then_exit)
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
        with atomic_write(tmp_path / folder / "a.bin"):
            pass

    with pytest.raises(UsageError, match=message):
        write()


@pytest.mark.parametrize("name", ["a.bin", "[a]*?.bin", "é" * 80])
def test_leftovers_of_killed_writes_are_removed_and_no_other_files(tmp_path, name):
    target, seen = tmp_path / name, []

    def write():
        with atomic_write(target) as temporary:
            seen.append(temporary)
            raise SystemExit

    with pytest.raises(SystemExit):
        write()
    others = [target, tmp_path / f"{name}.part", tmp_path / ".other.bin.0123abcd.part", tmp_path / ".a.bin.part"]
    for path in (*seen, *others):
        path.touch()
    remove_leftovers(target)
    assert sorted(tmp_path.iterdir()) == sorted(others)
