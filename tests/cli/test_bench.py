"""`resizekit bench`: a table and a plot of invented results of pytest-benchmark, and invalid files."""

import json
import re
import struct
import sys
from xml.etree import ElementTree

import pytest

DATA, USAGE = 1, 2
# Microseconds; a copy of as many bytes takes 10 throughout.
MADE_UP = {
    ("unshuffle_codes", "bf16-nhwc-2x2-1080p-b8"): {
        "copy": 10.1, "kernel": 12.5, "hand": 25.0, "eager": 100.0, "compile": 15.0,
    },
    ("unshuffle_codes", "bf16-nhwc-2x2-4k-b1"): {"kernel": 20.0, "eager": 50.0},
    ("quantize", "f32-2x2-1080p-b8"): {"copy": 9.9, "kernel": 11.0, "hand": 30.0, "eager": 60.0, "compile": 10.5},
    ("shuffle", "bf16-nhwc-2x2-1080p-b8"): {"eager": 40.0},
}  # fmt: skip


def row(op, case, implementation, microseconds, **more):
    """A row as pytest-benchmark writes it."""
    info = {"op": op, "case": case, "implementation": implementation, "bytes": 40_000_000, "shape": [8, 3, 1080, 1920]}
    info |= {"of_copy": 10 / microseconds, "launches": 20, "equal": True, "torch": "2.13.0", "triton": "3.7.1"}
    info |= {"gpu": "NVIDIA Made-Up", "commit": "abc1234"}
    name = f"bench_op[{op}-{case}-{implementation}]"
    return {
        "group": f"{op}-{case}",
        "name": name,
        "fullname": f"benchmarks/bench_kernels.py::{name}",
        "params": {"row": f"{op}-{case}-{implementation}"},
        "param": f"{op}-{case}-{implementation}",
        "extra_info": info | more,
        "options": {"timer": "gpu_clock"},
        "stats": {"min": microseconds * 9e-7, "median": microseconds * 1e-6, "rounds": 20, "iterations": 1},
    }


OTHERS = {"name": "bench_start[python alone]", "extra_info": {}, "stats": {"median": 0.01}}


@pytest.fixture
def write(workdir):
    """Write a results file into the workdir; without rows, the made-up ones."""

    def to(name="r.json", rows=None, **changed):
        if rows is None:
            rows = [row(*key, kind, time) for key, timed in MADE_UP.items() for kind, time in timed.items()]
            rows[3]["extra_info"]["equal"] = True
            rows[4]["extra_info"]["equal"] = False
        file = {"machine_info": {"processor": "Some Processor", "gpu": None}, "benchmarks": [OTHERS, *rows]}
        (workdir / name).write_text(json.dumps(file | changed))
        return name

    return to


def lines(out):
    return [re.split(r"\s{2,}", line.strip()) for line in out.splitlines()]


def test_table_shows_wins_and_losses(cli, write):
    run = cli("bench", write())
    assert (run.code, run.err) == (0, "")
    assert lines(run.out) == [
        ["op", "case", "kernel µs", "vs eager", "vs compile", "vs hand", "GB/s", "of copy"],
        ["unshuffle_codes", "bf16-nhwc-2x2-1080p-b8", "12.5", "8.00x", "1.20x ≠", "2.00x", "3,200", "80%"],
        ["unshuffle_codes", "bf16-nhwc-2x2-4k-b1", "20.0", "2.50x", "-", "-", "2,000", "50%"],
        ["quantize", "f32-2x2-1080p-b8", "11.0", "5.45x", "0.95x !", "2.73x", "3,636", "91%"],
        ["shuffle", "bf16-nhwc-2x2-1080p-b8", "-", "-", "-", "-", "-", "-"],
        ["NVIDIA Made-Up, torch 2.13.0, triton 3.7.1, commit abc1234; median per launch"],
        ["above 1x the kernel is faster; in 1 of 4 cases an alternative is faster (!)"],
        ["≠: result differs from the reference"],
    ]


def test_losses_are_red_on_a_terminal(cli, write, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = cli("bench", write()).out
    assert re.findall(r"\x1b\[1;31m *(.*?) *\x1b\[0m", out) == ["0.95x !"]


def test_tie_is_not_a_loss(cli, write):
    rows = [row("to_uint8", "a", kind, time) for kind, time in {"kernel": 10.0, "eager": 9.96, "compile": 9.94}.items()]
    out = cli("bench", write(rows=rows)).out
    assert "1.00x " in out
    assert "0.99x !" in out


def test_json_contains_all_comparisons(cli, write):
    data = json.loads(cli("bench", write(), "--json").out)
    assert data["device"] == "NVIDIA Made-Up"
    assert data["versions"] == {"torch": "2.13.0", "triton": "3.7.1", "commit": "abc1234"}
    first, second, third, fourth = data["cases"]
    assert first["seconds"]["kernel"] == pytest.approx(12.5e-6)
    assert first["speedup"] == pytest.approx({"eager": 8.0, "compile": 1.2, "hand": 2.0})
    assert first["gb_per_second"]["kernel"] == pytest.approx(3200)
    assert first["of_copy"]["kernel"] == pytest.approx(0.8)
    assert (first["losses"], first["unequal"]) == ([], ["compile"])
    assert second["speedup"] == {"eager": 2.5}
    assert third["losses"] == ["compile"]
    assert fourth["speedup"] == {}


def test_table_of_references_alone_has_a_note(cli, write):
    rows = [row("to_uint8", "f32-2x2-64x96-b1", "eager", 400.0, gpu=None, of_copy=None, commit=None, triton=None)]
    run = cli("bench", write(rows=rows), "--plot", "r.svg")
    assert lines(run.out) == [
        ["op", "case", "eager µs", "GB/s"],
        ["to_uint8", "f32-2x2-64x96-b1", "400.0", "100"],
        ["Some Processor, torch 2.13.0; median per launch"],
        ["only references were timed, no kernel: these times are just a check that the suite runs"],
        ["roofline: r.svg"],
    ]


def test_plot_is_a_png(cli, write, workdir):
    run = cli("bench", write(), "--plot", "r.png")
    assert run.code == 0
    head = (workdir / "r.png").read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:])
    assert min(width, height) > 300
    assert sorted(path.name for path in workdir.iterdir()) == ["r.json", "r.png"]
    assert "matplotlib.pyplot" not in sys.modules


def test_plot_is_an_svg_with_all_labels(cli, write, workdir):
    for name in ("a.svg", "b.SVG"):
        assert cli("bench", write(), "--plot", name).code == 0
    assert (workdir / "a.svg").read_bytes() == (workdir / "b.SVG").read_bytes(), "the same every time"
    root = ElementTree.fromstring((workdir / "a.svg").read_text())
    texts = {"".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"unshuffle_codes", "quantize", "shuffle", "GB/s", "MB that must cross memory", "NVIDIA Made-Up"} <= texts
    assert {"copy (the roof)", "kernel", "torch.compile", "eager, by hand", "eager (reference)"} <= texts


def test_file_cannot_inject_control_sequences(cli, write, workdir):
    info = {"gpu": "evil\x1b]0;x\x07 $\\frac{", "torch": "2$^{", "commit": "[bold]x"}
    run = cli("bench", write(rows=[row("to_uint8", "a", "kernel", 5.0, **info)]), "--plot", "r.svg")
    assert run.code == 0
    assert "\x1b" not in run.out
    assert "evil?]0;x? $\\frac{, torch 2$^{, triton 3.7.1, commit [bold]x" in run.out
    assert b"evil?]0;x? $" in (workdir / "r.svg").read_bytes()


def complains(run, code, *words):
    assert run.code == code, run
    assert run.out == ""
    (line,) = run.err.splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line


ROW = row("to_uint8", "a", "kernel", 5.0)
FILES = {
    "empty": (b"", "pytest-benchmark", "EOF"),
    "no JSON": (b"hello", "pytest-benchmark", "Invalid JSON"),
    "no text": (b"\xff\xfe\x00", "pytest-benchmark"),
    "cut off": (json.dumps({"benchmarks": [ROW]}).encode()[:-9], "Invalid JSON"),
    "very deep": (b"[" * 100_000, "pytest-benchmark"),
    "a list": (b"[1, 2]", "pytest-benchmark"),
    "another object": (b'{"results": []}', "benchmarks: Field required"),
    "rows of another kind": (b'{"benchmarks": [3]}', "benchmarks.0"),
    "no rows": (b'{"benchmarks": []}', "contains no kernel benchmarks", "bench_kernels.py"),
    "other benchmarks only": (json.dumps({"benchmarks": [OTHERS]}).encode(), "contains no kernel benchmarks"),
}
CHANGES = {
    "no median": ({"stats": {}}, "median"),
    "median 0": ({"stats": {"median": 0}}, "median", "greater than"),
    "median a text": ({"stats": {"median": "fast"}}, "median", "number"),
    "median NaN": ({"stats": {"median": float("nan")}}, "finite number"),
    "median infinite": ({"stats": {"median": float("inf")}}, "finite number"),
    "bytes below 1": ({"extra_info": ROW["extra_info"] | {"bytes": -1}}, "bytes"),
    "bytes beyond all": ({"extra_info": ROW["extra_info"] | {"bytes": 10**30}}, "bytes"),
    "unknown implementation": ({"extra_info": ROW["extra_info"] | {"implementation": "magic"}}, "implementation"),
    "a name to obey": ({"extra_info": ROW["extra_info"] | {"op": "a\x1b[2Jb"}}, "op"),
    "no op": ({"extra_info": {"implementation": "kernel"}}, "op: Field required"),
}


@pytest.mark.parametrize(("content", "words"), [(c, w) for c, *w in FILES.values()], ids=FILES)
def test_invalid_files_are_refused(cli, workdir, content, words):
    (workdir / "r.json").write_bytes(content)
    complains(cli("bench", "r.json", "--plot", "r.png"), DATA, "r.json", *words)
    assert [path.name for path in workdir.iterdir()] == ["r.json"]


@pytest.mark.parametrize(("change", "words"), [(c, w) for c, *w in CHANGES.values()], ids=CHANGES)
def test_invalid_rows_are_refused(cli, write, change, words):
    complains(cli("bench", write(rows=[ROW | change])), DATA, "r.json", *words)


def test_unreadable_results_are_refused(cli, write, workdir, monkeypatch):
    (workdir / "folder.json").mkdir()
    complains(cli("bench", "absent.json"), DATA, "cannot read absent.json", "No such file")
    complains(cli("bench", "folder.json"), DATA, "cannot read folder.json", "directory")
    complains(cli("bench", write(rows=[ROW, ROW])), DATA, "to_uint8 a kernel twice")
    monkeypatch.setattr("resizekit.benchmarking.timings._LARGEST", 1 << 20)
    (workdir / "huge.json").write_bytes(b" " * ((1 << 20) + 1))
    complains(cli("bench", "huge.json"), DATA, "huge.json is larger than 1 MiB")
    complains(cli("bench", "/dev/zero"), DATA, "/dev/zero is larger")


def test_invalid_plots_are_refused_before_writing(cli, write, workdir):
    results = write()
    (workdir / "old.png").write_text("mine")
    (workdir / "folder.png").mkdir()
    (workdir / "dangling.svg").symlink_to("nowhere.svg")
    (workdir / "same.png").symlink_to(results)
    before = sorted(path.name for path in workdir.iterdir())
    refused = {
        "r.gif": "use one of the suffixes .png, .svg",
        "r": "use one of the suffixes .png, .svg",
        "old.png": "exists",
        "dangling.svg": "exists",
        "folder.png": "is a folder",
        "same.png": "is the input file",
        "absent/r.png": "the folder absent does not exist",
        "r.json/r.png": "Not a directory",
    }
    for name, words in refused.items():
        complains(cli("bench", results, "--plot", name), USAGE, name.split("/")[0], words)
    complains(cli("bench", results, "--plot", "same.png", "--overwrite"), USAGE, "is the input file")
    assert sorted(path.name for path in workdir.iterdir()) == before
    assert (workdir / "old.png").read_text() == "mine"
    assert cli("bench", results, "--plot", "old.png", "--overwrite").code == 0
    assert (workdir / "old.png").read_bytes().startswith(b"\x89PNG")


def test_plot_without_matplotlib_names_the_extra(cli, write, workdir, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    complains(cli("bench", write(), "--plot", "r.png"), USAGE, 'pip install "resizekit[report]"')
    assert [path.name for path in workdir.iterdir()] == ["r.json"]
    assert cli("bench", "r.json").code == 0, "the table needs nothing more"


def test_help_lists_the_options(cli):
    run = cli("bench", "--help")
    assert run.code == 0
    assert "--plot" in run.out
    assert "bench" in cli("-h").out
