"""A file written beside its target leaves either the whole target or nothing, whenever it is interrupted."""

from pathlib import Path

import pytest

from resizekit.errors import UsageError
from resizekit.system.atomic_write import atomic_write


def test_what_is_written_stands_in_the_place_of_the_target_with_a_usual_mode(tmp_path):
    (tmp_path / "usual").touch()
    with atomic_write(tmp_path / "a.bin") as beside:
        beside.write_bytes(b"1")
        beside.chmod(0o600)
        assert not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin").read_bytes() == b"1"
    assert (tmp_path / "a.bin").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin", "usual"]


def test_a_signal_while_writing_leaves_what_was_there(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"old")

    def write():
        with atomic_write(tmp_path / "a.bin") as beside:
            beside.write_bytes(b"ha")
            raise SystemExit

    with pytest.raises(SystemExit):
        write()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_a_signal_just_as_the_file_is_made_leaves_nothing(tmp_path, monkeypatch):
    made = []

    def ended(path, mode):
        path.touch()
        made.append(path.parent)
        raise SystemExit

    def write():
        with atomic_write(tmp_path / "a.bin"):
            pass

    monkeypatch.setattr(Path, "open", ended)
    with pytest.raises(SystemExit):
        write()
    assert made == [tmp_path]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("folder", "told"),
    [("none", "the folder .*none does not exist; make it first"), ("file", "cannot write .*a.bin: Not")],
)
def test_what_cannot_be_begun_is_told(tmp_path, folder, told):
    (tmp_path / "file").touch()

    def write():
        with atomic_write(tmp_path / folder / "a.bin"):
            pass

    with pytest.raises(UsageError, match=told):
        write()
