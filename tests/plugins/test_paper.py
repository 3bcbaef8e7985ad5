"""The suite `paper`: Table 1 whole, and what it measures of shipped weights is what their records say."""

from pathlib import Path

import pytest

from resizekit.plugin.registry import installed
from resizekit.suites.results import read_results

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks/results/paper.json"
MODULES = "plan", "records"
SAME = 0.005
"""dB by which another processor may differ, less than is ever shown."""


@pytest.fixture
def suite():
    return installed().suite("paper")


@pytest.fixture
def told():
    return read_results(RESULTS)


def test_table_1_is_whole(suite):
    for factor in (2, 4):
        for single in ("", "-y"):
            for name in ("tau-baseline", "vdsr", "edsr", "tad", "vdsr-on-tad", "edsr-on-tad"):
                of = [one for one in suite.printed if one.column == f"{name}-x{factor}{single}"]
                assert [one.set for one in of] == ["Set5", "Set14", "B100", "Urban100", "DIV2K"]
                assert all((one.rgb is None) == bool(single) and (one.y is None) != bool(single) for one in of)
    figures = {(one.column, one.set): (one.rgb, one.y) for one in suite.printed}
    assert figures["tad-x2", "Set5"] == (38.46, None)
    assert figures["edsr-on-tad-x4-y", "DIV2K"] == (None, 30.73)


def test_columns_name_weights_that_ship_or_configs(suite):
    ours = [column for column in suite.columns if column.group == "ours"]
    assert ours
    for column in ours:
        assert column.weights in installed().weights
        assert column.beside in {other.key for other in suite.columns if other.group == "TAD"}
    named = {column.weights for column in suite.columns}
    configs = {path.stem for path in (ROOT / "plugins/resizekit_sr/configs").glob("*.toml")}
    assert {name for name in configs if "tau-" in name or "vdsr" in name or "edsr" in name} <= named


def test_the_committed_results_are_of_this_suite(suite, told):
    assert told.suite == suite.name
    assert [column.key for column in told.columns] == [column.key for column in suite.columns]
    assert {(one.column, one.set, one.rgb, one.y) for one in told.printed} == {
        (one.column, one.set, one.rgb, one.y) for one in suite.printed
    }
    assert any(one.measured == one.expected for one in told.sets)


def test_bicubic_is_as_published(suite, told):
    published = {(one.column, one.set): one.y for one in suite.printed if one.column.startswith("bicubic")}
    whole = [one.name for one in told.sets if one.measured == one.expected]
    for (column, which), y in published.items():
        if which in whole:
            assert told.mean(column, which, "high_y") == pytest.approx(y, abs=0.05)


def test_shipped_weights_reach_what_their_records_say(told, scripts):
    """The README's numbers are written from these records, so they are held to the results by this."""
    records = scripts(ROOT / "benchmarks", *MODULES).records
    compared = 0
    for column in told.columns:
        record = column.weights and records.read_record(ROOT, column.weights)
        if not record:
            continue
        assert column.digest == record.digest, f"{column.key}: run the suite again"
        for one in told.sets:
            if len(told.of(column.key, one.name)) != one.expected or one.name not in record.sets:
                continue
            for figure in ("high_rgb", "high_y", "low_rgb", "low_y"):
                theirs, ours = getattr(record.sets[one.name], figure), told.mean(column.key, one.name, figure)
                if column.channels == 1 and figure.endswith("rgb"):
                    continue  # `evaluate` gives the only channel for it
                if one.name == "Set14" and column.channels == 3 and figure.endswith("y"):
                    continue  # its grey file has here the Y that it holds, and there that of grey made RGB
                assert ours == pytest.approx(theirs, abs=SAME), (column.key, one.name, figure)
                compared += 1
    assert compared
