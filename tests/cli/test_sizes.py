"""Any size from the command line."""

import json

import pytest
from PIL import Image

from resizekit.images.manifest import LIMIT


def size(name):
    with Image.open(name) as image:
        return image.size


@pytest.mark.parametrize(
    ("said", "small"),
    [
        (["--size", "17x30"], (17, 30)),
        (["--scale", "3"], (18, 14)),
        (["--scale", "5/2"], (21, 16)),
        (["--scale", "2x3/2"], (26, 27)),
        (["--max-side", "33"], (33, 25)),
    ],
    ids=str,
)
def test_every_option_goes_down_and_up(cli, weights, picture, said, small):
    source = picture()
    assert cli("down", source, "small.png", "--weights", weights, *said) == (0, "small.png\n", "")
    assert size("small.png") == small
    with Image.open("small.png") as image:
        assert len(image.text["resizekit"]) < LIMIT
    assert cli("up", "small.png", "back.png", "--weights", weights) == (0, "back.png\n", "")
    assert size("back.png") == (52, 40)


def test_a_program_of_its_own(program, weights, picture):
    run = program("down", picture(c=1), "small.png", "--weights", weights, "--scale", "3")
    assert (run.code, run.out, run.err) == (0, "small.png\n", "")
    assert program("up", "small.png", "back.png", "--weights", weights).code == 0
    with Image.open("back.png") as image:
        assert (image.size, image.mode) == ((52, 40), "L")


def test_the_plan_is_told_and_nothing_is_done(cli, weights, picture, room):
    for name in ("in/a.png", "in/b.png"):
        picture(name)
    before = sorted(room.rglob("*"))
    run = cli("down", "in/a.png", "o.png", "--weights", weights, "--scale", "3", "--plan")
    assert run.out.splitlines() == [
        "in/a.png: 52x40 -> 18x14",
        "  bicubic shrinks 52x40 to 36x28",
        "  tiny takes 36x28 to 18x14 by one step of s=2 r=2",
    ]
    run = cli("down", "in", "out", "--weights", weights, "--size", "52x10", "--plan", "--json")
    told = json.loads(run.out)
    assert [row["in"] for row in told] == ["in/a.png", "in/b.png"]
    assert told[0] == {
        "in": "in/a.png",
        "weights": "tiny",
        "times": 1,
        "step": {"s": 2, "r": 2, "t": 1},
        "high": [52, 40],
        "middle": [104, 20],
        "low": [52, 10],
    }
    assert sorted(room.rglob("*")) == before


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([], "tiny takes 52x40 to 26x20 by one step"),
        (["--scale", "5/4"], "bicubic enlarges 52x40 to 84x64"),
        (["--scale", "5"], "tiny takes 44x32 to 11x8 by 2 steps of s=2 r=2"),
        (["--scale", "3x1"], "bicubic resizes 52x40 to 36x80"),
        (["--max-side", "99"], "stays as it is: no network is applied, nothing is lost"),
    ],
    ids=str,
)
def test_what_a_plan_says(cli, weights, picture, said, words):
    assert words in cli("down", picture(), "o.png", "--weights", weights, *said, "--plan").out


def test_a_plan_without_learning_says_so(cli, picture, room):
    from resizekit import build, save

    save(build("sr", spec={"r": 2}, network={"width": 8, "blocks": 1}), room / "wide.safetensors")
    run = cli("down", picture(), "o.png", "--weights", "wide.safetensors", "--scale", "1x3/2", "--plan")
    assert run.out.splitlines()[1:] == [
        "  bicubic shrinks 52x40 to 52x27, which does everything: nothing is learned, and what is lost stays lost"
    ]


def test_roundtrip_measures_beside_bicubic_of_the_same_size(cli, weights, picture, room):
    run = cli("roundtrip", picture(), "--weights", weights, "--scale", "5/2", "--out", "rt", "--json")
    told = json.loads(run.out)
    assert size("rt/small.png") == (21, 16)
    assert size("rt/restored.png") == (52, 40)
    assert told["bicubic_rgb"] > 10


BAD = [
    (["--scale", "100"], "scale 100 is too large for a width of 52: the largest factor that works is 52"),
    (["--scale", "0"], "a factor is positive"),
    (["--scale", "-2"], "a factor is positive"),
    (["--scale", "1.5"], "1.5 is 3/2"),
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
]


@pytest.mark.parametrize(("said", "words"), BAD, ids=str)
@pytest.mark.parametrize("verb", ["down", "roundtrip"])
def test_bad_sizes_in_one_line(cli, weights, picture, room, verb, said, words):
    rest = ["small.png"] if verb == "down" else []
    run = cli(verb, picture(), *rest, "--weights", weights, *said)
    assert (run.code, run.out) == (2, "")
    assert run.err.count("\n") == 1
    assert run.err.startswith("error: ")
    assert words in run.err
    assert [path.name for path in room.iterdir()] == ["a.png"]


def test_a_plan_refuses_what_doing_it_would(cli, weights, picture):
    runs = [cli("down", picture(), "o.png", "--weights", weights, "--times", "15", *plan) for plan in ([], ["--plan"])]
    assert [run.code for run in runs] == [1, 1]
    assert "take fewer steps, at most 5 (x32)" in runs[0].err
    assert runs[0].err == runs[1].err
