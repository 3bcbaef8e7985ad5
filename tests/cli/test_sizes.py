"""Target sizes on the command line."""

import json

import pytest
from PIL import Image

from resizekit.pictures.manifest import LIMIT


def size(name):
    with Image.open(name) as image:
        return image.size


@pytest.mark.parametrize(
    ("options", "small"),
    [
        (["--size", "17x30"], (17, 30)),
        (["--scale", "3"], (18, 14)),
        (["--scale", "5/2"], (21, 16)),
        (["--scale", "2.5"], (21, 16)),
        (["--scale", "2x3/2"], (26, 27)),
        (["--max-side", "33"], (33, 25)),
    ],
    ids=str,
)
def test_size_options_go_down_and_up(cli, weights, picture, options, small):
    source = picture()
    assert cli("down", source, "small.png", "--weights", weights, *options) == (0, "small.png\n", "")
    assert size("small.png") == small
    with Image.open("small.png") as image:
        assert len(image.text["resizekit"]) < LIMIT
    assert cli("up", "small.png", "back.png", "--weights", weights) == (0, "back.png\n", "")
    assert size("back.png") == (52, 40)


def test_scale_option_as_a_program(program, weights, picture):
    run = program("down", picture(c=1), "small.png", "--weights", weights, "--scale", "3")
    assert (run.code, run.out, run.err) == (0, "small.png\n", "")
    assert program("up", "small.png", "back.png", "--weights", weights).code == 0
    with Image.open("back.png") as image:
        assert (image.size, image.mode) == ((52, 40), "L")


def test_plan_is_printed_without_writing_files(cli, weights, picture, workdir):
    for name in ("in/a.png", "in/b.png"):
        picture(name)
    before = sorted(workdir.rglob("*"))
    run = cli("down", "in/a.png", "o.png", "--weights", weights, "--scale", "3", "--plan")
    assert run.out.splitlines() == [
        "in/a.png: 52x40 -> 18x14",
        "  bicubic shrinks 52x40 to 36x28",
        "  tiny takes 36x28 to 18x14 by one step of s=2 r=2",
    ]
    run = cli("down", "in", "out", "--weights", weights, "--size", "52x10", "--plan", "--json")
    result = json.loads(run.out)
    assert [row["in"] for row in result] == ["in/a.png", "in/b.png"]
    assert result[0] == {
        "in": "in/a.png",
        "weights": "tiny",
        "times": 1,
        "step": {"s": 2, "r": 2, "t": 1},
        "high": [52, 40],
        "intermediate_size": [104, 20],
        "low": [52, 10],
    }
    assert sorted(workdir.rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "tiny takes 52x40 to 26x20 by one step"),
        (["--scale", "5/4"], "bicubic enlarges 52x40 to 84x64"),
        (["--scale", "5"], "tiny takes 44x32 to 11x8 by 2 steps of s=2 r=2"),
        (["--scale", "3x1"], "bicubic resizes 52x40 to 36x80"),
        (["--max-side", "99"], "the size stays: no network is applied, and no detail is lost"),
    ],
    ids=str,
)
def test_plan_describes_bicubic_and_steps(cli, weights, picture, options, words):
    assert words in cli("down", picture(), "o.png", "--weights", weights, *options, "--plan").out


def test_plan_without_networks_warns(cli, picture, workdir):
    from resizekit import build, save

    save(build("sr", spec={"r": 2}, network={"width": 8, "blocks": 1}), workdir / "wide.safetensors")
    run = cli("down", picture(), "o.png", "--weights", "wide.safetensors", "--scale", "1x3/2", "--plan")
    assert run.out.splitlines()[1:] == [
        "  bicubic shrinks 52x40 to 52x27; no network is applied, and lost detail cannot be restored"
    ]


def test_roundtrip_compares_with_bicubic_of_the_same_size(cli, weights, picture, workdir):
    run = cli("roundtrip", picture(), "--weights", weights, "--scale", "5/2", "--out", "rt", "--json")
    result = json.loads(run.out)
    assert size("rt/small.png") == (21, 16)
    assert size("rt/restored.png") == (52, 40)
    assert result["bicubic_rgb"] > 10


BAD = [
    (["--scale", "100"], "scale 100 is too large for a width of 52: the largest factor that works is 52"),
    (["--scale", "0"], "a factor is positive"),
    (["--scale", "-2"], "a factor is positive"),
    (["--scale", "0.5"], "at least 1"),
    (["--scale", "1.50001"], "write 2 or '3/2'"),
    (["--scale", "1/2"], "at least 1"),
    (["--scale", "2y"], "write 2 or '3/2'"),
    (["--scale", ""], "write 2 or '3/2'"),
    (["--size", "53x40"], "53x40 is larger than the picture of 52x40"),
    (["--size", "0x4"], "WIDTHxHEIGHT"),
    (["--size", "big"], "WIDTHxHEIGHT"),
    (["--max-side", "0"], "a number of pixels"),
    (["--max-side", "1.5"], "a number of pixels"),
    (["--size", "3x3", "--scale", "2"], "--size and --scale contradict one another"),
    (["--scale", "2", "--max-side", "3"], "--scale and --max-side contradict one another"),
    (["--size", "3x3", "--times", "2"], "--size and --times contradict one another"),
]


@pytest.mark.parametrize(("options", "words"), BAD, ids=str)
@pytest.mark.parametrize("verb", ["down", "roundtrip"])
def test_invalid_sizes_are_refused_in_one_line(cli, weights, picture, workdir, verb, options, words):
    rest = ["small.png"] if verb == "down" else []
    run = cli(verb, picture(), *rest, "--weights", weights, *options)
    assert (run.code, run.out) == (2, "")
    assert run.err.count("\n") == 1
    assert run.err.startswith("error: ")
    assert words in run.err
    assert [path.name for path in workdir.iterdir()] == ["a.png"]


def test_plan_refuses_what_down_refuses(cli, weights, picture):
    runs = [cli("down", picture(), "o.png", "--weights", weights, "--times", "15", *plan) for plan in ([], ["--plan"])]
    assert [run.code for run in runs] == [1, 1]
    assert "take fewer steps, at most 5 (x32)" in runs[0].err
    assert runs[0].err == runs[1].err
