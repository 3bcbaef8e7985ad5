"""All installed weights, in both directions, in every runtime that is installed."""

import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def all_cases():
    """Read the cases from the script, without leaving its modules behind."""
    sys.path.insert(0, os.fspath(BENCHMARKS))
    try:
        from export_differences import cases

        return list(cases())
    finally:
        sys.path.remove(os.fspath(BENCHMARKS))
        for name in ("export_differences", "results_file", "script"):
            sys.modules.pop(name, None)


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["down", "up"])
@pytest.mark.parametrize(("name", "times"), all_cases())
def test_weights_agree_with_torch(name, times, direction, scripts, tmp_path):
    script = scripts(BENCHMARKS, "export_differences").export_differences
    row = script.differences(name, times, direction, tmp_path)
    assert {name: row[name]["largest"] for name in script.runtimes() if row[name]["largest"] > 1} == {}
