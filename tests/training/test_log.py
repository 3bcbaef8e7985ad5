"""The training log: rows are flushed at once, and none is repeated after a resume."""

import codecs
import csv

import pytest

from resizekit.training.log import open_log


def logged_steps(folder):
    return [line.split(",")[0] for line in (folder / "log.csv").read_text().splitlines()]


def write(folder, *steps, resumed_at=0):
    with open_log("csv", folder, resumed_at=resumed_at) as log:
        for step in steps:
            log(step, {"loss": step / 3, "unknown": 1.0})


def test_rows_are_written_to_disk_at_once(tmp_path):
    with open_log("csv", tmp_path) as log:
        log(10, {"loss": 0.25, "high_rgb": 31.5})
        assert (
            tmp_path / "log.csv"
        ).read_text() == "step,seconds,lr,loss,guide_weight,rate_weight,low_rgb,high_rgb\n10,,,0.25,,,,31.5\n"


def test_resume_replaces_the_rows_after_the_state(tmp_path):
    """A training that was killed at step 40 resumes from its state of step 25."""
    write(tmp_path, 10, 20, 30, 40)
    write(tmp_path, 30, 40, 50, resumed_at=25)
    assert logged_steps(tmp_path) == ["step", "10", "20", "30", "40", "50"]


def test_kill_during_a_resume_keeps_the_log(tmp_path, monkeypatch):
    write(tmp_path, 10, 20)
    before = (tmp_path / "log.csv").read_bytes()

    def killed(*_):
        raise SystemExit

    monkeypatch.setattr(csv.DictWriter, "writeheader", killed)
    with pytest.raises(SystemExit):
        write(tmp_path, resumed_at=20)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [before]


def test_resume_drops_an_incomplete_row(tmp_path):
    """The row of step 120 was cut off after two digits."""
    write(tmp_path, 100)
    with (tmp_path / "log.csv").open("a") as file:
        file.write("12")
    write(tmp_path, 110, resumed_at=100)
    assert logged_steps(tmp_path) == ["step", "100", "110"]


def test_resume_reads_a_log_with_a_byte_order_mark(tmp_path):
    write(tmp_path, 10, 20)
    log = tmp_path / "log.csv"
    log.write_bytes(codecs.BOM_UTF8 + log.read_bytes())
    write(tmp_path, 30, resumed_at=20)
    assert logged_steps(tmp_path) == ["step", "10", "20", "30"]


def test_new_training_starts_a_new_log(tmp_path):
    write(tmp_path, 10, 20)
    write(tmp_path, 10)
    assert logged_steps(tmp_path) == ["step", "10"]


@pytest.mark.parametrize("text", ["", "step,loss\n10,", "nonsense\nmore\n", "step,loss\nten,0.1\n"])
def test_resume_accepts_a_truncated_or_edited_log(tmp_path, text):
    (tmp_path / "log.csv").write_text(text)
    write(tmp_path, 30, resumed_at=20)
    assert logged_steps(tmp_path)[-1] == "30"


def test_kind_none_writes_no_file(tmp_path):
    with open_log("none", tmp_path) as log:
        log(1, {"loss": 1.0})
    assert list(tmp_path.iterdir()) == []
