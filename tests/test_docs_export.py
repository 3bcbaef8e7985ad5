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
    assert table_of(section, "## Difference from PyTorch") == expected, "the rows must be\n" + "\n".join(expected)


def test_versions_of_the_differences_are_those_of_the_results(section):
    results = json.loads((RESULTS / "export-differences.json").read_text(encoding="utf-8"))
    page = " ".join(section("docs/export.md", "## Difference from PyTorch").split())
    machine, versions = results["machine_info"], results["versions"]
    assert f"an {machine['processor']}" in page
    assert f"PyTorch {machine['torch'].removesuffix('+cpu')}, onnxruntime {versions['onnxruntime']}" in page
    assert f"OpenVINO {versions['openvino']}." in page


def engines():
    """Rows of the comparison of runtimes, by weights and engine."""
    rows = json.loads((RESULTS / "export-engines.json").read_text(encoding="utf-8"))["rows"]
    return {(row["weights"], row["engine"]): row for row in rows}


def table_of(section, heading):
    return [line for line in section("docs/export.md", heading).splitlines() if line.startswith("| `")]


def test_table_of_quantized_files_is_that_of_the_results(section):
    rows, expected = engines(), []
    for name in dict.fromkeys(name for name, _ in rows):
        plain, int8 = (rows[name, f"onnxruntime {kind}"] for kind in ("float32", "int8"))
        speedup = plain["cpu_seconds"] / int8["cpu_seconds"]
        expected.append(f"| `{name}` | {plain['psnr_rgb']:.2f} dB | {int8['psnr_rgb']:.2f} dB | {speedup:.1f} |")
    assert table_of(section, "## Quantized files") == expected, "the rows must be\n" + "\n".join(expected)


def test_table_of_speed_is_that_of_the_results(section):
    rows = engines()
    names = list(dict.fromkeys(name for name, _ in rows))
    expected = []
    for engine in dict.fromkeys(engine for _, engine in rows):
        cells = [f"{rows[name, engine]['cpu_speedup']:.1f} | {rows[name, engine]['psnr_rgb']:.2f} dB" for name in names]
        expected.append(f"| `{engine}` | {' | '.join(cells)} |")
    assert table_of(section, "## Speed") == expected, "the rows must be\n" + "\n".join(expected)
