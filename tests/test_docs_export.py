"""Tables in docs/export.md are those of the results."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"


def cell(result):
    return f"{result['largest']} / {1e6 * result['share']:.0f}"


def test_table_of_differences_is_that_of_the_results(section):
    rows = json.loads((RESULTS / "export-differences.json").read_text(encoding="utf-8"))["rows"]
    expected = []
    for down, up in zip(rows[::2], rows[1::2], strict=True):
        assert (down["direction"], up["direction"]) == ("down", "up")
        assert (down["weights"], down["times"]) == (up["weights"], up["times"])
        cells = [cell(row[runtime]) for row in (down, up) for runtime in ("onnxruntime", "openvino")]
        expected.append("| " + " | ".join((f"`{down['weights']}`", str(down["times"]), *cells)) + " |")
        assert max(row[runtime]["largest"] for row in (down, up) for runtime in ("onnxruntime", "openvino")) <= 1
    lines = section("docs/export.md", "## Difference from PyTorch").splitlines()
    table = [line for line in lines if line.startswith("| `")]
    assert table == expected, "the rows must be\n" + "\n".join(expected)


def test_tables_of_speed_and_quality_are_those_of_the_results(section):
    rows = json.loads((RESULTS / "export-engines.json").read_text(encoding="utf-8"))["rows"]
    by_engine = {(row["weights"], row["engine"]): row for row in rows}
    expected = []
    for name in dict.fromkeys(row["weights"] for row in rows):
        plain, int8 = (by_engine[name, f"onnxruntime {kind}"] for kind in ("float32", "int8"))
        speedup = plain["seconds"] / int8["seconds"]
        values = f"{plain['psnr_rgb']:.2f} | {int8['psnr_rgb']:.2f} | {speedup:.2f}"
        expected.append(f"| `{name}` | {values} |")
    lines = section("docs/export.md", "## Quantized files").splitlines()
    assert [line for line in lines if line.startswith("| `")] == expected, "the rows must be\n" + "\n".join(expected)
