"""Which pictures are looked at, and where their dots stand."""

import pytest

from resizekit.errors import UsageError
from resizekit.evaluation.tradeoff import Point
from resizekit.report.gains import column_of, extremes, gains, strips
from resizekit.report.plots import nice_ticks, tradeoff


def test_gains_are_over_bicubic_and_extremes_are_both_ends(results):
    found = gains(results, results.column("ours-x2"))
    assert len(found) == 5
    one = found[0]
    assert (
        one.gain
        == one.high - one.plain
        == pytest.approx(results.of("ours-x2", "Set")[0].high_rgb - results.of("plain-x2", "Set")[0].high_rgb)
    )
    order = sorted((one.gain for one in found), reverse=True)
    best, worst = extremes(found, 2)
    assert [one.gain for one in best] == order[:2]
    assert [one.gain for one in worst] == order[:-3:-1]
    best, worst = extremes(found, 20)
    assert len(best) + len({one.told.picture for one in best + worst}) == 3 + 5, "none is shown twice"


def test_the_column_is_ours_unless_said(results):
    assert column_of(results, None).key == "ours-x2"
    assert column_of(results, "theirs-x2").label == "THEIRS"
    for key, words in (
        ("big-x2", "no networks that were measured"),
        ("plain-x2", "no networks"),
        ("x", "none of that"),
    ):
        with pytest.raises(UsageError, match=rf"--column '{key}'.*{words}.*theirs-x2, ours-x2"):
            column_of(results, key)
    assert column_of(results.model_copy(update={"columns": ()}), None) is None


def test_without_bicubic_there_is_no_gain(results):
    alone = results.model_copy(update={"columns": results.columns[1:]})
    assert gains(alone, alone.column("ours-x2")) == []


def test_dots_stand_in_order_inside_the_drawing(results):
    drawn = strips(gains(results, results.column("ours-x2")))
    ((name, middle, marks),) = drawn.rows
    places = [mark.x for mark in marks]
    assert (name, len(marks)) == ("Set", 5)
    assert places == sorted(places)
    assert all(drawn.x[0].at <= place <= drawn.x[-1].at for place in places)
    assert "0" in [tick.text for tick in drawn.x]
    assert 0 < middle < drawn.height


@pytest.mark.parametrize("values", [[0, 15.1], [33.1, 33.1], [-2, 0.01], [9.8, 51.2], [1e-5, 2e-5]], ids=str)
def test_round_numbers_hold_all_values(values):
    ticks = nice_ticks(values)
    assert 2 <= len(ticks) <= 8
    assert ticks[0] <= min(values)
    assert ticks[-1] >= max(values)


def test_a_weight_of_zero_stands_apart():
    points = [
        Point(guide_weight=w, high=40, low=low, sets={}, steps=1, digest="", small="")
        for w, low in ((0, 10), (0.1, 40), (10, 41))
    ]
    high, low = tradeoff(points).curves
    assert [len(high.marks), high.joined.count(",")] == [3, 2]
    assert low.marks[0].x < low.marks[1].x - 40
    assert low.marks[0].y > low.marks[1].y, "fewer dB stand lower"
    assert abs(high.label - low.label) >= 14, "names do not lie upon one another"
    alone = tradeoff(points[:1])
    assert len(alone.curves[0].marks) == 1
