"""Tables of the report: means, published values, and checks of bicubic."""

import pytest

from resizekit.report.budget import training_budget
from resizekit.report.checks import checks
from resizekit.report.tables import sections, tables, tally
from resizekit.suites.results import ColumnResult, SetResult


def rows(table):
    return {row.column.key: row for _, group in table.groups for row in group}


def test_cells_have_means_and_published_values(results):
    assert sections(results) == [(2, 3)]
    psnr, low = tables(results, 2, 3)  # there is no SSIM in the file
    assert (psnr.sets, psnr.heads) == (["Set"], ["RGB", "Y"])
    assert [name for name, _ in psnr.groups] == ["bicubic", "others", "own"]
    found = rows(psnr)
    cell, y = found["other-x2"].cells
    assert cell.value == pytest.approx(results.mean("other-x2", "Set", "high_rgb"))
    assert (cell.difference, cell.verdict) == (pytest.approx(-1.5), "worse")
    assert (y.published, y.verdict) == (None, None)
    own = found["own-x2"]
    assert (own.compared_with, own.cells[0].verdict) == ("OTHER", "worse")
    assert [cell.value for cell in found["big-x2"].cells] == [None, None]
    assert found["big-x2"].cells[0].published == 99.25
    best = max(row.cells[0].value or 0 for row in found.values())
    assert [row.cells[0].best for row in found.values()] == [row.cells[0].value == best for row in found.values()]
    assert all(cell.published is None for row in rows(low).values() for cell in row.cells)
    assert tally(results) == {"better": 0, "worse": 2, "equal": 0}


def test_incomplete_sets_are_shown_but_not_compared(results):
    part = results.model_copy(update={"sets": (SetResult(name="Set", expected=100, found=5, measured=5),)})
    cell = rows(tables(part, 2, 3)[0])["other-x2"].cells[0]
    assert (cell.pictures, cell.difference, cell.verdict) == (5, None, None)
    assert cell.published is not None
    assert sum(tally(part).values()) == 0
    assert [check.complete for check in checks(part)] == [False]


def test_columns_of_one_channel_have_their_own_table(results):
    grey = ColumnResult(key="grey", label="GREY", group="own", factor=2, channels=1, status="not trained")
    more = results.model_copy(update={"columns": (*results.columns, grey)})
    assert sections(more) == [(2, 3), (2, 1)]
    (psnr,) = tables(more, 2, 1)
    assert (psnr.heads, list(rows(psnr))) == (["Y"], ["bicubic-x2", "grey"])


def test_checks_compare_bicubic_with_published_values(results):
    (check,) = checks(results)
    assert (check.published, check.agrees) == (20.0, False)
    mean = results.mean("bicubic-x2", "Set", "high_y")
    published = tuple(item.model_copy(update={"y": mean + 0.04}) for item in results.published)
    assert checks(results.model_copy(update={"published": published}))[0].agrees
    assert checks(results.model_copy(update={"border": 4})) == []
    assert len(checks(results.model_copy(update={"border": 2}))) == 1


@pytest.mark.parametrize(
    ("info", "text"),
    [
        (None, ""),
        ({}, ""),
        ({"steps": 1234, "seconds": 90}, "1\u202f234 steps, 90 s"),
        ({"seconds": 7100, "hardware": "a core"}, "118 min · a core"),
        ({"steps": 9, "seconds": 7200, "steps_before": 5, "data": "d"}, "9 steps, 2.0 h · after 5 steps · d"),
    ],
    ids=str,
)
def test_training_budget_is_one_line(info, text):
    column = {"key": "a", "label": "a", "group": "own", "factor": 2, "training": info}
    assert training_budget(ColumnResult.model_validate(column | {"status": "measured"})) == text
    assert training_budget(ColumnResult.model_validate(column | {"status": "not trained"})) == ""
