"""`evaluate --suite` on the command line, with a suite that only this test installs."""

import csv
import json

import pytest

from resizekit import Published, Suite, SuiteColumn, SuiteSet
from resizekit.plugin import registry
from resizekit.plugin.registry import Offer

COLUMNS = (
    SuiteColumn(key="bicubic-x2", label="bicubic", group="bicubic", factor=2),
    SuiteColumn(key="mine-x2", label="mine", group="own", factor=2, weights="mine"),
    SuiteColumn(key="mine-x2-y", label="mine, Y", group="own", factor=2, channels=1, weights="mine-y"),
)
TINY = Suite(
    name="tiny",
    summary="a picture or two by two",
    columns=COLUMNS,
    sets=(SuiteSet(name="Some", pictures=2), SuiteSet(name="More")),
    published=(
        Published(column="mine-x2", set="Some", rgb=99.0),
        Published(column="bicubic-x2", set="Some", rgb=1.0),
        Published(column="mine-x2-y", set="Some", y=31.25),
    ),
    source="nowhere",
    note="It is tiny.",
    timings={"mine-x2": 0.5},
    timings_size=(64, 96),
)


@pytest.fixture
def suite(monkeypatch, picture, weights, workdir):
    """Install the suite, and write its pictures to `data` and weights for one column to `runs`."""
    monkeypatch.setitem(registry.installed().suites, "tiny", Offer(value=TINY, provider="a test", plugin="test"))
    for name in ("data/Some/a.png", "data/Some/b.png"):
        picture(name, 40, 52 if "a" in name else 36)
    (workdir / "runs" / "mine").mkdir(parents=True)
    (workdir / "runs" / "mine" / "weights.safetensors").write_bytes(weights.read_bytes())
    return "evaluate", "--suite", "tiny", "--data", "data", "--out", "r.json", "--device", "cpu", "--no-ssim"


def test_suite_prints_means_next_to_published_values(cli, suite, workdir):
    run = cli(*suite, "--weights-from", "runs", "--csv", "--timings")
    assert run.code == 0, run
    content = json.loads((workdir / "r.json").read_text())
    lines = run.out.splitlines()
    bicubic, mine = (next(line for line in lines if line.split()[:1] == [name]) for name in ("bicubic", "mine"))
    assert "(1.00) +" in bicubic
    assert "(99.00) -" in mine
    assert mine.rstrip().endswith(" -"), "no value for a set without pictures"
    assert " !" in mine
    assert " !" not in bicubic
    (grey,) = (line for line in lines if line.startswith(" mine, Y"))
    assert "not trained (31.25)" in grey
    assert "worse than published in 1 of 1 values (!)" in run.out  # bicubic is a check and is not counted
    assert "in brackets: nowhere" in run.out
    assert "It is tiny." in run.out
    (timing,) = (line for line in lines if "96x64" in line)
    assert " 0.5 " in timing
    assert "set More is missing" in run.err
    assert content["suite"] == "tiny"
    assert content["made_by"]["command"] == (
        "resizekit evaluate --suite tiny --data FOLDER --out FILE --weights-from RUNS --no-ssim --timings "
        "--precision float32"
    )
    rows = list(csv.DictReader((workdir / "r.csv").read_text().splitlines()))
    assert [(row["column"], row["picture"]) for row in rows] == [
        (item["column"], item["picture"]) for item in content["pictures"]
    ]
    assert float(rows[0]["high_rgb"]) == content["pictures"][0]["high_rgb"]
    assert rows[0]["ssim_rgb"] == ""
    again = cli(*suite, "--weights-from", "runs", "--json")
    assert json.loads(again.out)["pictures"] == content["pictures"]
    assert json.loads(again.out) == json.loads((workdir / "r.json").read_text())


def test_incomplete_sets_are_not_compared(cli, suite):
    run = cli(*suite, "--weights-from", "runs", "--limit", "1", "--sets", "Some", "--columns", "mine-x2,mine-x2-y")
    assert "Some (1 of 2)" in run.out
    assert "worse than published" not in run.out
    assert "incomplete sets are not compared" in run.out
    assert run.err == ""


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["--suite", "vast"], 2, "no suite 'vast' is installed; installed: paper, tiny"),
        (["--data", "nowhere"], 2, "no folder nowhere"),
        (["--out", "r.txt"], 2, "must end in .json"),
        (["--out", "other.json"], 2, "other.json is not a file of suite results"),
        (["--out", "no/r.json"], 2, "the folder no does not exist"),
        (["--out", "folder.json"], 2, "cannot read folder.json"),
        (["--border", "x"], 2, "invalid --border 'x'"),
        (["--sets", "../data/Some"], 2, "which is a path"),
        (["--sets", "Nothing"], 1, "no pictures in data"),
        (["--columns", "x"], 2, "no column 'x'"),
        (["--timings", "--timings-size", "3x3"], 2, "invalid --timings-size '3x3'"),
        (["--weights-from", "nowhere"], 2, "no folder nowhere"),
        (["--csv"], 2, "r.csv exists and is not a CSV file"),
        (["data/Some"], 2, "leave out FOLDER"),
        (["--times", "1,2"], 2, "leave out --times"),
        (["--self-ensemble"], 2, "leave out --self-ensemble"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_prints_one_line_and_writes_nothing(cli, suite, workdir, argv, code, message):
    (workdir / "r.csv").write_text("my own\n")
    (workdir / "other.json").write_text("{}")
    (workdir / "folder.json").mkdir()
    before = sorted(workdir.rglob("*"))
    run = cli(*suite, *argv)
    assert (run.code, run.out) == (code, ""), run
    assert message in run.err.splitlines()[-1]
    assert sorted(workdir.rglob("*")) == before


def test_suite_options_need_a_suite(cli, workdir):
    run = cli("evaluate", "data", "--jobs", "2")
    assert (run.code, "--jobs needs --suite" in run.err) == (2, True)
    run = cli("evaluate")
    assert (run.code, "give folders of pictures, or a --suite" in run.err) == (2, True)
    run = cli("evaluate", "--suite", "paper", "--out", "r.json")
    assert (run.code, "needs --data FOLDER" in run.err) == (2, True)
