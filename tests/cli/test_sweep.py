"""`sweep` from the command line."""

import json

import pytest

TOML = 'task = "sr"\n[network]\nwidth = 8\nblocks = 1\n[train]\nbatch = 2\npatch = 16\nsteps = 9\nbudget = "9 h"\n'


@pytest.fixture
def config(picture, room):
    picture("data/a.png")
    (room / "c.toml").write_text(TOML)
    return "c.toml"


def test_sweep(cli, config, room):
    argv = ("sweep", config, "--data", "data", "--sets", "data", "--steps", "2", "--out", "r.json", "--device", "cpu")
    run = cli(*argv, "--guide-weight", "1,0", "--plot", "p.svg")
    assert run.code == 0, run
    assert [line.split()[0] for line in run.out.splitlines()[1:3]] == ["0", "1"]
    assert "compression none, 2 steps each" in run.out
    assert "guide weight 1 (1 of 2)" in run.err
    assert (room / "p.svg").read_text().count("<image") == 2
    more = cli(*argv, "--guide-weight", "0,0.5", "--json")
    assert "guide weight 0 " not in more.err
    told = json.loads(more.out)
    assert told == json.loads((room / "r.json").read_text())
    assert [point["guide_weight"] for point in told["points"]] == [0, 0.5, 1]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--guide-weight", "0,x"], "--guide-weight '0,x': say numbers"),
        (["--guide-weight", "0,-1"], "say numbers of at least 0"),
        (["--guide-weight", "1,1.0"], "each once"),
        (["--guide-weight", "nan"], "say numbers"),
        (["--guide-weight", ""], "say numbers"),
        (["--steps", "2", "--budget", "2 s"], "contradict one another"),
        (["--plot", "p.pdf"], "unknown plot format"),
        (["--out", "c.toml"], "end its name in .json"),
        (["--compression", "zip"], "no compression 'zip'"),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_line_and_leaves_nothing(cli, config, room, argv, words):
    before = sorted(room.rglob("*"))
    run = cli("sweep", config, "--data", "data", "--sets", "data", "--out", "r.json", *argv)
    assert (run.code, run.out) == (2, "")
    assert words in run.err.splitlines()[-1]
    assert sorted(room.rglob("*")) == before
