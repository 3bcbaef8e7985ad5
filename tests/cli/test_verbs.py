"""The verbs doing what they are for."""

import json

import numpy as np
import pytest
from PIL import Image

from resizekit.images.files import down_file


def strict(text):
    """Read JSON as a program would that knows no NaN and no Infinity."""

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def pixels(name):
    with Image.open(name) as image:
        return np.array(image)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_picture_goes_down_and_comes_back(cli, weights, picture, room):
    source = picture()
    assert cli("down", source, "small.png", "--weights", weights) == (0, "small.png\n", "")
    assert cli("up", "small.png", "back.png", "--weights", weights) == (0, "back.png\n", "")
    assert [pixels(name).shape for name in ("small.png", "back.png")] == [(20, 26, 3), (40, 52, 3)]
    down_file(source, "again.png", weights=weights)
    assert (room / "again.png").read_bytes() == (room / "small.png").read_bytes()


def test_tiles_make_no_difference(cli, weights, picture):
    source = picture(h=150, w=140)
    for tile in ("off", "64", "auto", "99999999999"):
        run = cli("down", source, f"{tile}.png", "--weights", weights, "--tile", tile, "--precision", "float32")
        assert run.code == 0
    assert len({pixels(f"{tile}.png").tobytes() for tile in ("off", "64", "auto", "99999999999")}) == 1


def test_a_folder_keeps_its_structure(cli, weights, picture, room):
    for name in ("in/one.png", "in/deep/er/two.jpg", "in/deep/one.bmp"):
        picture(name)
    (room / "in" / "notes.txt").write_text("no picture")
    run = cli("down", "in", "out", "--weights", weights)
    assert (run.code, run.err) == (0, "")
    assert files(room / "out") == ["deep/er/two.png", "deep/one.png", "one.png"]
    assert run.out.splitlines() == [f"out/{name}" for name in ("deep/er/two.png", "deep/one.png", "one.png")]
    assert cli("up", "out", "back", "--weights", weights).code == 0
    assert files(room / "back") == files(room / "out")


def test_a_folder_of_one_picture_is_a_folder(cli, weights, picture, room):
    picture("in/deep/one.png")
    assert cli("down", "in", "new/out", "--weights", weights) == (0, "new/out/deep/one.png\n", "")


def test_patterns_and_several_files_go_into_a_folder(cli, weights, picture, room):
    for name in ("a1.png", "a2.png", "b.png"):
        picture(name)
    assert cli("down", "a?.png", "out", "--weights", weights).code == 0
    assert cli("down", "b.png", "out", "--weights", weights).code == 0  # it exists by now
    assert cli("down", "b.png", "a1.png", "more", "--weights", weights).code == 0
    assert files(room / "out") == ["a1.png", "a2.png", "b.png"]
    assert files(room / "more") == ["a1.png", "b.png"]


@pytest.mark.parametrize("name", ["with space.png", "ünï-漢字.png", "[b]old.png", "-dash.png", "what?.png", "n\nl.png"])
def test_odd_names(cli, weights, picture, room, name):
    picture(name)
    run = cli("down", "--weights", weights, "--", name, "out.png")
    assert (run.code, run.err) == (0, "")
    assert (room / "out.png").is_file()


def test_json_of_down_and_up(cli, weights, picture):
    run = cli("down", picture(), "small.png", "--weights", weights, "--json")
    (row,) = strict(run.out)
    assert (row["in"], row["out"]) == ("a.png", "small.png")
    assert row["manifest"]["size"] == [52, 40]
    assert row["manifest"] == strict(cli("info", "small.png", "--json").out)
    run = cli("up", "small.png", "back.png", "--weights", weights, "--json")
    assert strict(run.out) == [{"in": "small.png", "out": "back.png", "size": [52, 40]}]


def test_overwrite(cli, weights, picture, room):
    (room / "small.png").write_text("old")
    assert cli("down", picture(), "small.png", "--weights", weights, "--overwrite").code == 0
    assert pixels("small.png").shape == (20, 26, 3)


def test_info_on_both_kinds(cli, weights, picture):
    cli("down", picture(), "small.png", "--weights", weights)
    small, header = cli("info", "small.png"), cli("info", weights)
    assert "weights      tiny\n" in small.out
    assert "task       sr\n" in header.out
    told = strict(cli("info", weights, "--json").out)
    assert told["recipe"]["network"] == {"width": 8, "blocks": 1}
    assert told["digest"] in small.out


def test_roundtrip(cli, weights, picture, room):
    source = picture("in/a.png")
    run = cli("roundtrip", source, "--weights", weights)
    assert (run.code, run.err) == (0, "")
    assert files(room / "in" / "a-roundtrip") == ["figures.json", "restored.png", "side-by-side.png", "small.png"]
    assert "restored, PSNR RGB" in run.out
    assert "pictures: in/a-roundtrip" in run.out
    told = strict(cli("roundtrip", source, "--weights", weights, "--out", "rt", "--json").out)
    assert f"{told['restored_rgb']:.2f} dB" in run.out
    assert f"{told['bicubic_y']:.2f} dB" in run.out
    # what it made is no picture of the folder's own
    assert cli("down", "in", "again", "--weights", weights).code == 0
    assert files(room / "again") == ["a.png"]


def test_infinite_figures_are_null_in_json(cli, weights, room):
    Image.new("RGB", (40, 40), (128, 128, 128)).save("flat.png")
    assert strict(cli("roundtrip", "flat.png", "--weights", weights, "--json").out)["bicubic_rgb"] is None
    told = strict(cli("evaluate", "flat.png", "--weights", weights, "--json").out)
    assert told["sets"][0]["mean"]["bicubic_rgb"] is None


def test_evaluate_prints_means_and_skips_broken_files(cli, weights, grey_weights, picture, room):
    for name in ("[b]set/a.png", "[b]set/deep/a.png", "two/c.png"):
        picture(name)
    (room / "two" / "broken.png").write_bytes(b"no picture")
    run = cli("evaluate", "[b]set", "two", "--weights", weights)
    assert run.code == 0
    assert run.err.startswith("warning: left out: two/broken.png")
    assert run.err.count("\n") == 1
    rows = [line.split() for line in run.out.splitlines()]
    assert rows[0][:2] == ["set", "pictures"]
    assert [row[:2] for row in rows[1:3]] == [["[b]set", "2"], ["two", "1"]]
    told = strict(cli("evaluate", "[b]set", "--weights", weights, "--json").out)
    assert set(told["sets"][0]["each"]) == {"a.png", "deep/a.png"}
    assert rows[1][2] == f"{told['sets'][0]['mean']['high_rgb']:.2f}"
    assert "RGB" not in cli("evaluate", "two", "--weights", grey_weights).out.splitlines()[0]


def test_evaluate_measures_several_depths(cli, weights, picture, room):
    picture("set/a.png")
    picture("set/speck.png", 5, 6)
    run = cli("evaluate", "set", "--weights", weights, "--times", "1,3", "--json")
    assert run.code == 0
    assert run.err.count("\n") == 1, "the tiny picture is measured at x2"
    assert "speck.png is too small to be measured" in run.err
    once, thrice = strict(run.out)["sets"]
    assert [(row["name"], row["times"], row["factor"], row["pictures"]) for row in (once, thrice)] == [
        ("set", 1, "x2", 2),
        ("set", 3, "x8", 1),
    ]
    assert once["gain_rgb"] == once["mean"]["high_rgb"] - once["mean"]["bicubic_rgb"]
    single = strict(cli("evaluate", "set", "--weights", weights, "--json").out)["sets"][0]
    assert single == {key: once[key] for key in single}, "same as without --times"
    assert set(once) - set(single) == {"times", "factor", "gain_rgb", "gain_y"}
    rows = [line.split() for line in cli("evaluate", "set", "--weights", weights, "--times", "3").out.splitlines()]
    assert rows[2][:3] == ["set", "x8", "1"]
    assert rows[2][3] == f"{thrice['mean']['high_rgb']:.2f}"
    assert rows[2][-1] == f"{thrice['gain_y']:.2f}"


def test_evaluate_leaves_out_a_depth_without_pictures(cli, weights, picture, room):
    picture("set/a.png")
    run = cli("evaluate", "set", "--weights", weights, "--times", "9,1", "--json")
    assert (run.code, run.err.count("\n")) == (0, 1)
    assert run.err.startswith("warning: left out: x512: no usable picture in set; the first: set/a.png is too small")
    assert [row["times"] for row in strict(run.out)["sets"]] == [1]


def test_down_and_roundtrip_repeat_the_networks(cli, weights, picture, room):
    source = picture(h=45)
    (row,) = strict(cli("down", source, "small.png", "--weights", weights, "--times", "3", "--json").out)
    assert (row["manifest"]["times"], row["manifest"]["spec"]["s"]) == (3, 8)
    assert pixels("small.png").shape == (6, 7, 3)
    assert cli("up", "small.png", "back.png", "--weights", weights).code == 0
    assert pixels("back.png").shape == (45, 52, 3)
    assert cli("roundtrip", source, "--weights", weights, "--times", "3", "--out", "rt").code == 0
    assert np.array_equal(pixels("rt/small.png"), pixels("small.png"))
    assert np.array_equal(pixels("rt/restored.png"), pixels("back.png"))


def test_pyramid(cli, weights, picture, room):
    source = picture(h=45)
    run = cli("pyramid", source, "out", "--weights", weights)
    assert (run.code, run.err) == (0, "")
    names = [f"{what}-x{2**n}.png" for what in ("restored", "small") for n in range(1, 6)]
    assert files(room / "out") == sorted([*names, "figures.json", "pyramid.png"])
    assert [line.split()[0] for line in run.out.splitlines()[1:6]] == ["x2", "x4", "x8", "x16", "x32"]
    assert "the largest that works for 52x45 pixels: x32 (--times 5)\n" in run.out
    told = strict(cli("pyramid", source, "two", "--weights", weights, "--times", "2", "--json").out)
    assert (told["largest"], [depth["size"] for depth in told["depths"]]) == (5, [[26, 23], [13, 12]])
    assert f"{told['depths'][1]['figures']['restored_rgb']:.2f}" in run.out.splitlines()[2]
    assert cli("up", told["depths"][1]["small"], "back.png", "--weights", weights).code == 0
    assert np.array_equal(pixels("back.png"), pixels("two/restored-x4.png"))


def test_evaluate_self_ensemble_changes_only_the_restored_picture(cli, weights, picture):
    picture("set/a.png")
    run = cli("evaluate", "set", "--weights", weights, "--self-ensemble")
    assert "PSNR in dB of tiny+:" in run.out
    single, averaged = (
        strict(cli("evaluate", "set", "--weights", weights, "--json", *flag).out) for flag in ([], ["--self-ensemble"])
    )
    assert (single["self_ensemble"], averaged["self_ensemble"]) == (False, True)
    means = [
        output["sets"][0]["mean"]
        for output in (single, averaged, strict(cli("evaluate", "set", "--weights", weights, "--json").out))
    ]
    assert means[0]["low_rgb"] == means[1]["low_rgb"]
    assert means[0]["high_rgb"] != means[1]["high_rgb"]
    assert means[2] == means[0], "the next run does not average"


def test_tasks_and_schema(cli):
    told = strict(cli("tasks", "--json").out)
    assert "sr" in [row["task"] for row in told["tasks"]]
    assert {"uint8", "round", "none"} <= set(told["compressions"])
    assert told["networks"]["tad"].startswith("resizekit")
    assert "sr" in cli("tasks").out
    schema = strict(cli("schema", "sr").out)
    assert schema["properties"]["task"]["const"] == "sr"
    assert "width" in schema["properties"]["network"]["properties"]
    assert "steps" in schema["properties"]["train"]["properties"]


def test_tasks_describe_shows_one_task(cli):
    run = cli("tasks", "--describe", "sr", "--json")
    assert (run.code, run.err) == (0, "")
    assert strict(run.out)["shapes"] == "b c (2 h) (2 w) -> b c h w"
    run = cli("tasks", "--describe", "sr")
    assert "b c (2 h) (2 w) -> b c h w" in run.out
    assert " sr-x2  " in run.out
    run = cli("tasks", "--describe", "nothing")
    assert (run.code, run.out, len(run.err.splitlines())) == (2, "", 1)


def test_train(cli, picture, room):
    picture("data/a.png")
    (room / "data" / "broken.png").write_bytes(b"no")
    (room / "run.toml").write_text(
        'task = "sr"\n[network]\nwidth = 8\nblocks = 1\n'
        '[train]\ndata = ["data"]\nvalidation = ["data"]\nbatch = 2\npatch = 16\nsteps = 9\n'
    )
    run = cli("train", "run.toml", "--steps", "2", "--device", "cpu")
    assert run.code == 0
    assert run.out.startswith("runs/run/weights.safetensors  high_rgb ")
    assert "skipped: data/broken.png is no picture" in run.err
    assert strict(cli("info", "runs/run/weights.safetensors", "--json").out)["training"]["steps"] == 2
    assert cli("down", "data/a.png", "s.png", "--weights", "runs/run/weights.safetensors").code == 0
    timed = cli("train", "run.toml", "--budget", "2 s", "--out", "timed", "--device", "cpu")
    assert timed.code == 0
    assert strict(cli("info", "timed/weights.safetensors", "--json").out)["training"]["steps"] != 9
    both = cli("train", "run.toml", "--budget", "2 s", "--steps", "3", "--out", "both")
    assert (both.code, "--steps and --budget cannot be combined" in both.err) == (2, True)
    assert "step 1/2 " in run.err


def test_who_brings_pictures_need_not_have_those_that_the_config_validates_on(cli, picture, room):
    picture("mine/a.png")
    (room / "run.toml").write_text(
        'task = "sr"\n[network]\nwidth = 8\nblocks = 1\n'
        '[train]\ndata = ["data/train"]\nvalidation = ["data/validation"]\nbatch = 2\npatch = 16\nsteps = 1\n'
    )
    run = cli("train", "run.toml", "--data", "mine", "--device", "cpu")
    assert (run.code, run.out) == (0, "runs/run/weights.safetensors\n")
    assert "no validation: data/validation does not exist; pass a folder with --validation" in run.err
    missing = cli("train", "run.toml", "--data", "mine", "--validation", "others", "--out", "other")
    assert (missing.code, "no file or folder others" in missing.err) == (1, True)


def test_version_and_help(cli):
    from importlib.metadata import version

    assert cli("--version").out == f"resizekit {version('resizekit')}\n"
    for verb in ("tasks", "down", "up", "roundtrip", "pyramid", "info", "evaluate", "train", "schema"):
        assert cli(verb, "--help").code == 0
        assert verb in cli("-h").out
