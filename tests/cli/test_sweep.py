"""The command `resizekit sweep`."""

import json

import pytest

TOML = 'task = "sr"\n[network]\nwidth = 8\nblocks = 1\n[train]\nbatch = 2\npatch = 16\nsteps = 9\nbudget = "9 h"\n'


@pytest.fixture
def config(picture, workdir):
    picture("data/a.png")
    (workdir / "c.toml").write_text(TOML)
    return "c.toml"


def test_sweep_trains_measures_and_resumes(cli, config, workdir):
    argv = ("sweep", config, "--data", "data", "--sets", "data", "--steps", "2", "--out", "r.json", "--device", "cpu")
    run = cli(*argv, "--guide-weight", "1,0", "--plot", "p.svg")
    assert run.code == 0, run
    assert [line.split()[0] for line in run.out.splitlines()[1:3]] == ["0", "1"]
    assert "compression none, 2 steps each" in run.out
    assert "guide weight 1 (1 of 2)" in run.err
    assert (workdir / "p.svg").read_text().count("<image") == 2
    more = cli(*argv, "--guide-weight", "0,0.5", "--json")
    assert "guide weight 0 " not in more.err
    results = json.loads(more.out)
    assert results == json.loads((workdir / "r.json").read_text())
    assert [point["guide_weight"] for point in results["points"]] == [0, 0.5, 1]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--guide-weight", "0,x"], "invalid --guide-weight '0,x': expected distinct numbers"),
        (["--guide-weight", "0,-1"], "expected distinct numbers of at least 0"),
        (["--guide-weight", "1,1.0"], "expected distinct numbers"),
        (["--guide-weight", "nan"], "expected distinct numbers"),
        (["--guide-weight", ""], "expected distinct numbers"),
        (["--steps", "2", "--budget", "2 s"], "--steps and --budget cannot be combined"),
        (["--plot", "p.pdf"], "unknown plot format"),
        (["--out", "c.toml"], "expected a name that ends in .json"),
        (["--compression", "zip"], "no compression 'zip'"),
    ],
    ids=" ".join,
)
def test_invalid_arguments_end_in_one_line_without_files(cli, config, workdir, argv, message):
    before = sorted(workdir.rglob("*"))
    run = cli("sweep", config, "--data", "data", "--sets", "data", "--out", "r.json", *argv)
    assert (run.code, run.out) == (2, "")
    assert message in run.err.splitlines()[-1]
    assert sorted(workdir.rglob("*")) == before
