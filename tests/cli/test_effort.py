"""--effort and --target-low-psnr on the command line."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

ASTRONAUT = Path(__file__).parents[2] / "examples" / "astronaut.png"


@pytest.fixture
def photo(workdir):
    Image.open(ASTRONAUT).crop((200, 60, 250, 101)).save(workdir / "photo.png")
    return "photo.png"


def restored(cli, photo, folder, *options):
    run = cli("roundtrip", photo, "--out", folder, "--weights", "sr-x2-fast", "--json", *options)
    assert run.code == 0, run.err
    return json.loads(run.out)


def test_roundtrip_restores_better_with_effort(cli, photo):
    plain, refined = restored(cli, photo, "a"), restored(cli, photo, "b", "--effort", 2)
    assert (plain["effort"], refined["effort"]) == (0, 2)
    gain = refined["restored_rgb"] - plain["restored_rgb"]
    assert gain > 0.2
    assert refined["effort_gain"] == pytest.approx(gain, abs=0.001)
    assert "effort_gain" not in plain
    assert refined["small_rgb"] > plain["small_rgb"] - 0.1
    freer = restored(cli, photo, "c", "--effort", 2, "--target-low-psnr", 33)
    assert freer["small_rgb"] < plain["small_rgb"] - 0.1
    assert freer["restored_rgb"] > refined["restored_rgb"]


def test_smaller_files_restore_no_worse_than_without_effort(cli, photo):
    plain = restored(cli, photo, "a", "--weights", "sr-x4-fast")
    smaller = restored(cli, photo, "b", "--weights", "sr-x4-fast", "--effort", 2, "--smaller")
    assert smaller["restored_rgb"] >= plain["restored_rgb"]


def test_up_restores_what_down_wrote_with_effort(cli, photo, workdir):
    run = cli("down", photo, "small.png", "--weights", "sr-x2-fast", "--effort", 1)
    assert (run.code, run.out) == (0, "small.png\n")
    assert re.fullmatch(r"photo\.png: restored \+0\.\d\d dB by effort 1\n", run.err)
    assert json.loads(cli("info", "small.png", "--json").out)["effort"] == 1
    assert cli("up", "small.png", "back.png").code == 0
    with Image.open(workdir / "back.png") as image:
        assert image.size == (50, 41)


def test_pyramid_refines_every_depth(cli, photo):
    runs = [
        json.loads(cli("pyramid", photo, f"p{n}", "--task", "extreme", "--times", 2, "--effort", n, "--json").out)
        for n in (0, 1)
    ]
    assert [run["effort"] for run in runs] == [0, 1]
    for plain, refined in zip(*(run["depths"] for run in runs), strict=True):
        assert refined["metrics"]["restored_rgb"] > plain["metrics"]["restored_rgb"]


def test_evaluate_prints_a_row_per_effort_with_seconds(cli, photo):
    run = cli("evaluate", photo, "--weights", "sr-x2-fast", "--effort", "0,1")
    assert "seconds per picture" in " ".join(run.out.split())
    assert [line.split()[1] for line in run.out.splitlines() if line.startswith("photo")] == ["0", "1"]
    plain, refined = json.loads(cli("evaluate", photo, "--weights", "sr-x2-fast", "--effort", "0,1", "--json").out)[
        "sets"
    ]
    assert (plain["effort"], refined["effort"]) == (0, 1)
    assert refined["mean"]["high_rgb"] > plain["mean"]["high_rgb"] + 0.1
    assert 0 < plain["mean"]["seconds"] < refined["mean"]["seconds"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["down", "photo.png", "o.png", "--effort", "5"], "invalid effort 5: expected an integer from 0 to 4"),
        (["down", "photo.png", "o.png", "--effort", "-1"], "invalid effort -1"),
        (["down", "photo.png", "o.png", "--target-low-psnr", "38"], "--target-low-psnr needs --effort 1 or more"),
        (["down", "photo.png", "o.png", "--effort", "1", "--target-low-psnr", "nan"], "between 0 and 200"),
        (["down", "photo.png", "o.png", "--smaller"], "--smaller needs --effort 1 or more"),
        (["evaluate", "photo.png", "--effort", "0,9"], "invalid --effort '0,9': expected integers from 0 to 4"),
        (["evaluate", "photo.png", "--effort", "x"], "invalid --effort 'x'"),
        (["evaluate", "photo.png", "--effort", "1", "--compression", "none"], "compression 'none' stores no file"),
        (["evaluate", "--suite", "paper", "--data", ".", "--out", "o.json", "--effort", "1"], "leave out --effort"),
    ],
)
def test_bad_effort_is_one_line(cli, photo, workdir, arguments, message):
    run = cli(*arguments)
    assert run.code == 2
    assert message in run.err
    assert run.err.startswith("error: ")
    assert run.err.count("\n") == 1
    assert [path.name for path in workdir.iterdir()] == ["photo.png"]
