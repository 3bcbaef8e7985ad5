"""The suite `paper`: all values of Table 1, and results that agree with the records of the shipped weights."""

from pathlib import Path

import pytest

from resizekit.plugin.registry import installed
from resizekit.suites.results import read_results

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks/results/paper.json"
MODULES = "plan", "records"
METRICS = "high_rgb", "high_y", "low_rgb", "low_y"
TOLERANCE = 0.005
"""Differences between processors in dB, less than the displayed digits."""


@pytest.fixture
def suite():
    return installed().suite("paper")


@pytest.fixture
def results():
    return read_results(RESULTS)


def test_suite_has_all_values_of_table_1(suite):
    for factor in (2, 4):
        for single in ("", "-y"):
            for name in ("tau-baseline", "vdsr", "edsr", "tad", "vdsr-on-tad", "edsr-on-tad"):
                row = [item for item in suite.published if item.column == f"{name}-x{factor}{single}"]
                assert [item.set for item in row] == ["Set5", "Set14", "B100", "Urban100", "DIV2K"]
                assert all((item.rgb is None) == bool(single) and (item.y is None) != bool(single) for item in row)
    values = {(item.column, item.set): (item.rgb, item.y) for item in suite.published}
    assert values["tad-x2", "Set5"] == (38.46, None)
    assert values["edsr-on-tad-x4-y", "DIV2K"] == (None, 30.73)


def test_columns_have_shipped_weights_or_configs(suite):
    featured = [column for column in suite.columns if column.featured]
    assert featured
    for column in featured:
        assert column.weights in installed().weights
        assert column.compare_with in {other.key for other in suite.columns if other.group == "TAD"}
    weights = {column.weights for column in suite.columns}
    configs = {path.stem for path in (ROOT / "plugins/resizekit_sr/configs").glob("*.toml")}
    assert {name for name in configs if "tau-" in name or "vdsr" in name or "edsr" in name} <= weights


def test_committed_results_belong_to_this_suite(suite, results):
    assert results.suite == suite.name
    fields = "key", "label", "group", "factor", "channels", "self_ensemble", "effort", "compare_with", "featured"
    assert [[getattr(column, field) for field in fields] for column in results.columns] == [
        [getattr(column, field) for field in fields] for column in suite.columns
    ]
    assert {(item.column, item.set, item.rgb, item.y) for item in results.published} == {
        (item.column, item.set, item.rgb, item.y) for item in suite.published
    }
    assert any(item.measured == item.expected for item in results.sets)


def test_bicubic_agrees_with_published_values(suite, results):
    published = {(item.column, item.set): item.y for item in suite.published if item.column.startswith("bicubic")}
    complete = [item.name for item in results.sets if item.measured == item.expected]
    for (column, set_name), y in published.items():
        if set_name in complete:
            assert results.mean(column, set_name, "high_y") == pytest.approx(y, abs=0.05)


def comparable(channels, set_name, metric):
    """Return whether records and results define the metric in the same way."""
    if channels == 1:
        return metric.endswith("y")  # the records repeat the only channel as RGB
    # Y of the grey file in Set14 differs: a suite measures the file's values, `evaluate` converts them to RGB first
    return set_name != "Set14" or metric.endswith("rgb")


def expected_comparisons():
    """List every (column, set, metric) that is both in the committed results and in the records."""
    colour = "sr-x2", "sr-x2-fast", "sr-x2-best", "sr-x4", "sr-x4-fast", "tad-x2", "tad-x4"
    luma = "sr-x2-y", "sr-x4-y", "tad-x2-y", "tad-x4-y"
    for column in (*colour, *luma):
        for set_name in ("Set5", "Set14", "B100", "Urban100"):
            if (column, set_name) != ("sr-x2-best", "Urban100"):  # not measured
                for metric in METRICS:
                    if comparable(1 if column in luma else 3, set_name, metric):
                        yield column, set_name, metric
    for name in ("sr-x2", "sr-x2-y", "sr-x4", "sr-x4-y"):
        for set_name in (
            "Set5",
            "Set14",
            *(("Urban100",) if name in ("sr-x2", "sr-x2-y") else ()),
        ):  # the others are not measured
            for metric in METRICS:
                if comparable(1 if name in luma else 3, set_name, metric):
                    yield f"{name}-effort2", set_name, metric


def test_results_agree_with_the_records_of_shipped_weights(results, scripts):
    """The numbers in the documentation come from these records, so this test checks them against the results."""
    records = scripts(ROOT / "benchmarks", *MODULES).records
    compared = set()
    for column in results.columns:
        record = column.weights and records.read_record(ROOT, column.weights)
        if not record:
            continue
        assert column.digest == record.digest, f"{column.key}: run the suite again"
        if column.effort:
            assert record.refined.effort == column.effort
        recorded_sets = record.refined.sets if column.effort else record.sets
        for item in results.sets:
            if len(results.of(column.key, item.name)) != item.expected or item.name not in recorded_sets:
                continue
            for metric in METRICS:
                if comparable(column.channels, item.name, metric):
                    place = column.key, item.name, metric
                    recorded = getattr(recorded_sets[item.name], metric)
                    assert results.mean(*place) == pytest.approx(recorded, abs=TOLERANCE), place
                    compared.add(place)
    assert compared == set(expected_comparisons())
