"""Gains over bicubic, the selected pictures, and the coordinates of the plots."""

import pytest

from resizekit.errors import UsageError
from resizekit.evaluation.tradeoff import Point
from resizekit.report.gains import column_of, extremes, gains, strips
from resizekit.report.plots import nice_ticks, tradeoff


def test_gains_compare_with_bicubic_and_extremes_are_both_ends(results):
    found = gains(results, results.column("own-x2"))
    assert len(found) == 5
    first = found[0]
    assert (
        first.gain
        == first.restored - first.bicubic
        == pytest.approx(results.of("own-x2", "Set")[0].high_rgb - results.of("bicubic-x2", "Set")[0].high_rgb)
    )
    order = sorted((item.gain for item in found), reverse=True)
    best, worst = extremes(found, 2)
    assert [item.gain for item in best] == order[:2]
    assert [item.gain for item in worst] == order[:-3:-1]
    best, worst = extremes(found, 20)
    assert len(best) + len({item.result.picture for item in best + worst}) == 3 + 5, "no picture is in both lists"


def test_column_is_featured_by_default_or_selected_by_key(results):
    assert column_of(results, None).key == "own-x2"
    assert column_of(results, "other-x2").label == "OTHER"
    for key, message in (
        ("big-x2", r"BIG\+ has no measured networks"),
        ("bicubic-x2", "bicubic has no measured networks"),
        ("x", "unknown column"),
    ):
        with pytest.raises(UsageError, match=rf"--column '{key}'.*{message}.*other-x2, own-x2"):
            column_of(results, key)
    assert column_of(results.model_copy(update={"columns": ()}), None) is None


def test_default_column_is_the_first_featured_and_installed_one(results):
    def default(featured):
        """Select the default column; `featured` has the weights of the featured columns by key."""
        columns = []
        for column in results.columns:
            weights = featured.get(column.key, column.weights)
            columns.append(column.model_copy(update={"featured": column.key in featured, "weights": weights}))
        return column_of(results.model_copy(update={"columns": tuple(columns)}), None)

    assert default({}) is None
    own, other = results.column("own-x2"), results.column("other-x2")
    assert default({"other-x2": other.weights}).key == "other-x2"
    assert default({"other-x2": other.weights, "own-x2": own.weights}).key == "other-x2"
    assert default({"other-x2": "absent", "own-x2": own.weights}).key == "own-x2"
    assert default({"other-x2": "absent", "own-x2": "absent"}).key == "other-x2"


def test_gains_need_a_bicubic_column(results):
    without = results.model_copy(update={"columns": results.columns[1:]})
    assert gains(without, without.column("own-x2")) == []


def test_dots_are_in_order_inside_the_plot(results):
    plot = strips(gains(results, results.column("own-x2")))
    ((name, centre, marks),) = plot.rows
    places = [mark.x for mark in marks]
    assert (name, len(marks)) == ("Set", 5)
    assert places == sorted(places)
    assert all(plot.x[0].at <= place <= plot.x[-1].at for place in places)
    assert "0" in [tick.text for tick in plot.x]
    assert 0 < centre < plot.height


@pytest.mark.parametrize("values", [[0, 15.1], [33.1, 33.1], [-2, 0.01], [9.8, 51.2], [1e-5, 2e-5]], ids=str)
def test_ticks_span_all_values(values):
    ticks = nice_ticks(values)
    assert 2 <= len(ticks) <= 8
    assert ticks[0] <= min(values)
    assert ticks[-1] >= max(values)


def test_weight_of_zero_is_left_of_the_axis():
    points = [
        Point(guide_weight=w, high=40, low=low, sets={}, steps=1, digest="", small="")
        for w, low in ((0, 10), (0.1, 40), (10, 41))
    ]
    high, low = tradeoff(points).curves
    assert [len(high.marks), high.joined.count(",")] == [3, 2]
    assert low.marks[0].x < low.marks[1].x - 40
    assert low.marks[0].y > low.marks[1].y, "lower PSNR is further down"
    assert abs(high.label - low.label) >= 14, "names do not overlap"
    single = tradeoff(points[:1])
    assert len(single.curves[0].marks) == 1
