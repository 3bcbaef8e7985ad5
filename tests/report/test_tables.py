"""Means, printed values beside them, and losses that show."""

import pytest

from resizekit.report.budget import training
from resizekit.report.checks import checks
from resizekit.report.tables import sections, tables, tally
from resizekit.suites.results import ColumnResult, SetResult


def rows(table):
    return {row.column.key: row for _, group in table.groups for row in group}


def test_cells_hold_means_and_what_is_printed(results):
    assert sections(results) == [(2, 3)]
    psnr, low = tables(results, 2, 3)  # there is no SSIM in the file
    assert (psnr.sets, psnr.heads) == (["Set"], ["RGB", "Y"])
    assert [name for name, _ in psnr.groups] == ["bicubic", "theirs", "ours"]
    found = rows(psnr)
    cell, y = found["theirs-x2"].cells
    assert cell.value == pytest.approx(results.mean("theirs-x2", "Set", "high_rgb"))
    assert (cell.difference, cell.verdict) == (pytest.approx(-1.5), "worse")
    assert (y.printed, y.verdict) == (None, None)
    ours = found["ours-x2"]
    assert (ours.beside, ours.cells[0].verdict) == ("THEIRS", "worse")
    assert [cell.value for cell in found["big-x2"].cells] == [None, None]
    assert found["big-x2"].cells[0].printed == 99.25
    best = max(row.cells[0].value or 0 for row in found.values())
    assert [row.cells[0].best for row in found.values()] == [row.cells[0].value == best for row in found.values()]
    assert all(cell.printed is None for row in rows(low).values() for cell in row.cells)
    assert tally(results) == {"better": 0, "worse": 2, "level": 0}


def test_a_part_of_a_set_is_shown_but_never_compared(results):
    part = results.model_copy(update={"sets": (SetResult(name="Set", expected=100, found=5, measured=5),)})
    cell = rows(tables(part, 2, 3)[0])["theirs-x2"].cells[0]
    assert (cell.pictures, cell.difference, cell.verdict) == (5, None, None)
    assert cell.printed is not None
    assert sum(tally(part).values()) == 0
    assert [check.whole for check in checks(part)] == [False]


def test_one_channel_has_a_table_of_its_own(results):
    grey = ColumnResult(key="grey", label="GREY", group="ours", factor=2, channels=1, status="not trained")
    more = results.model_copy(update={"columns": (*results.columns, grey)})
    assert sections(more) == [(2, 3), (2, 1)]
    (psnr,) = tables(more, 2, 1)
    assert (psnr.heads, list(rows(psnr))) == (["Y"], ["plain-x2", "grey"])


def test_the_check_knows_when_it_fails(results):
    (check,) = checks(results)
    assert (check.published, check.agrees) == (20.0, False)
    mean = results.mean("plain-x2", "Set", "high_y")
    printed = tuple(one.model_copy(update={"y": mean + 0.04}) for one in results.printed)
    assert checks(results.model_copy(update={"printed": printed}))[0].agrees
    assert checks(results.model_copy(update={"border": 4})) == []
    assert len(checks(results.model_copy(update={"border": 2}))) == 1


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (None, ""),
        ({}, ""),
        ({"steps": 1234, "seconds": 90}, "1\u202f234 steps, 90 s"),
        ({"seconds": 7100, "hardware": "a core"}, "118 min · a core"),
        ({"steps": 9, "seconds": 7200, "steps_before": 5, "data": "d"}, "9 steps, 2.0 h · after 5 steps · d"),
    ],
    ids=str,
)
def test_a_training_in_a_line(told, words):
    column = {"key": "a", "label": "a", "group": "ours", "factor": 2, "trained": told}
    assert training(ColumnResult.model_validate(column | {"status": "measured"})) == words
    assert training(ColumnResult.model_validate(column | {"status": "not trained"})) == ""
