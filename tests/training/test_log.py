"""The curves: one row a time, and none twice after a run that was killed."""

import pytest

from resizekit.training.log import open_log


def steps(folder):
    return [line.split(",")[0] for line in (folder / "log.csv").read_text().splitlines()]


def write(folder, *which, resumed_at=0):
    with open_log("csv", folder, resumed_at=resumed_at) as log:
        for step in which:
            log(step, {"loss": step / 3, "unknown": 1.0})


def test_rows_are_on_disk_as_soon_as_they_are_told(tmp_path):
    with open_log("csv", tmp_path) as log:
        log(10, {"loss": 0.25, "high_rgb": 31.5})
        assert (
            tmp_path / "log.csv"
        ).read_text() == "step,seconds,lr,loss,guide_weight,low_rgb,high_rgb\n10,,,0.25,,,31.5\n"


def test_rows_after_the_state_are_written_anew(tmp_path):
    """A run that was killed at 40 goes on from its state of step 25."""
    write(tmp_path, 10, 20, 30, 40)
    write(tmp_path, 30, 40, 50, resumed_at=25)
    assert steps(tmp_path) == ["step", "10", "20", "30", "40", "50"]


def test_a_new_run_begins_a_new_log(tmp_path):
    write(tmp_path, 10, 20)
    write(tmp_path, 10)
    assert steps(tmp_path) == ["step", "10"]


@pytest.mark.parametrize("text", ["", "step,loss\n10,", "nonsense\nmore\n", "step,loss\nten,0.1\n"])
def test_a_log_that_was_cut_or_edited_is_no_hindrance(tmp_path, text):
    (tmp_path / "log.csv").write_text(text)
    write(tmp_path, 30, resumed_at=20)
    assert steps(tmp_path)[-1] == "30"


def test_no_log_is_no_file(tmp_path):
    with open_log("none", tmp_path) as log:
        log(1, {"loss": 1.0})
    assert list(tmp_path.iterdir()) == []
