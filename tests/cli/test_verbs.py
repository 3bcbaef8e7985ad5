"""The verbs with valid input."""

import json
import warnings

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from resizekit.images.files import down_file


def strict(text):
    """Parse JSON without NaN and Infinity."""

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def pixels(name):
    with Image.open(name) as image:
        return np.array(image)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_down_and_up_of_one_picture(cli, weights, picture, workdir):
    source = picture()
    assert cli("down", source, "small.png", "--weights", weights) == (0, "small.png\n", "")
    assert cli("up", "small.png", "back.png", "--weights", weights) == (0, "back.png\n", "")
    assert [pixels(name).shape for name in ("small.png", "back.png")] == [(20, 26, 3), (40, 52, 3)]
    down_file(source, "again.png", weights=weights)
    assert (workdir / "again.png").read_bytes() == (workdir / "small.png").read_bytes()


def test_tiles_do_not_change_the_pixels(cli, weights, picture):
    source = picture(h=150, w=140)
    for tile in ("off", "64", "auto", "99999999999"):
        run = cli("down", source, f"{tile}.png", "--weights", weights, "--tile", tile, "--precision", "float32")
        assert run.code == 0
    assert len({pixels(f"{tile}.png").tobytes() for tile in ("off", "64", "auto", "99999999999")}) == 1


def test_folder_keeps_its_structure(cli, weights, picture, workdir):
    for name in ("in/one.png", "in/deep/er/two.jpg", "in/deep/one.bmp"):
        picture(name)
    (workdir / "in" / "notes.txt").write_text("no picture")
    run = cli("down", "in", "out", "--weights", weights)
    assert run.code == 0
    ignored, advice, summary = run.err.splitlines()
    assert advice.startswith("note: 1 with more bytes than the source")
    assert ignored == "ignored 1 file that is not a picture: in/notes.txt"
    assert summary.startswith("3 done, 0 skipped, 0 failed, ")
    assert files(workdir / "out") == ["deep/er/two.png", "deep/one.png", "one.png"]
    assert run.out.splitlines() == [f"out/{name}" for name in ("deep/er/two.png", "deep/one.png", "one.png")]
    assert cli("up", "out", "back", "--weights", weights).code == 0
    assert files(workdir / "back") == files(workdir / "out")


def test_folder_of_one_picture_goes_into_a_folder(cli, weights, picture, workdir):
    picture("in/deep/one.png")
    assert cli("down", "in", "new/out", "--weights", weights) == (0, "new/out/deep/one.png\n", "")


def test_patterns_and_several_files_go_into_a_folder(cli, weights, picture, workdir):
    for name in ("a1.png", "a2.png", "b.png"):
        picture(name)
    assert cli("down", "a?.png", "out", "--weights", weights).code == 0
    assert cli("down", "b.png", "out", "--weights", weights).code == 0  # it exists by now
    assert cli("down", "b.png", "a1.png", "more", "--weights", weights).code == 0
    assert files(workdir / "out") == ["a1.png", "a2.png", "b.png"]
    assert files(workdir / "more") == ["a1.png", "b.png"]


@pytest.mark.parametrize("name", ["with space.png", "ünï-漢字.png", "[b]old.png", "-dash.png", "what?.png", "n\nl.png"])
def test_unusual_file_names(cli, weights, picture, workdir, name):
    picture(name)
    run = cli("down", "--weights", weights, "--", name, "out.png")
    assert (run.code, run.err) == (0, "")
    assert (workdir / "out.png").is_file()


def test_down_and_up_print_json(cli, weights, picture):
    run = cli("down", picture(), "small.png", "--weights", weights, "--json")
    (row,) = strict(run.out)
    assert (row["in"], row["out"]) == ("a.png", "small.png")
    assert (row["manifest"]["size"], row["manifest"]["precision"]) == ([52, 40], "float32")
    assert row["manifest"] == strict(cli("info", "small.png", "--json").out)
    run = cli("up", "small.png", "back.png", "--weights", weights, "--json")
    assert strict(run.out) == [{"in": "small.png", "out": "back.png", "size": [52, 40], "precision": "float32"}]


def test_overwrite_replaces_the_output(cli, weights, picture, workdir):
    (workdir / "small.png").write_text("old")
    assert cli("down", picture(), "small.png", "--weights", weights, "--overwrite").code == 0
    assert pixels("small.png").shape == (20, 26, 3)


def test_info_of_small_images_and_weights(cli, weights, picture):
    cli("down", picture(), "small.png", "--weights", weights)
    small, header = cli("info", "small.png"), cli("info", weights)
    assert "weights      tiny\n" in small.out
    assert "task       sr\n" in header.out
    result = strict(cli("info", weights, "--json").out)
    assert result["recipe"]["network"] == {"width": 8, "blocks": 1}
    assert result["digest"] in small.out


def test_roundtrip_writes_pictures_and_metrics(cli, weights, picture, workdir):
    source = picture("in/a.png")
    run = cli("roundtrip", source, "--weights", weights)
    assert (run.code, run.err) == (0, "")
    assert files(workdir / "in" / "a-roundtrip") == ["metrics.json", "restored.png", "side-by-side.png", "small.png"]
    assert "restored, PSNR RGB" in run.out
    assert "pictures: in/a-roundtrip" in run.out
    result = strict(cli("roundtrip", source, "--weights", weights, "--out", "rt", "--json").out)
    assert f"{result['restored_rgb']:.2f} dB" in run.out
    assert f"{result['bicubic_y']:.2f} dB" in run.out
    # a search of the folder leaves out the files of the roundtrip
    assert cli("down", "in", "again", "--weights", weights).code == 0
    assert files(workdir / "again") == ["a.png"]


def test_infinite_metrics_are_null_in_json(cli, weights, workdir):
    Image.new("RGB", (40, 40), (128, 128, 128)).save("flat.png")
    assert strict(cli("roundtrip", "flat.png", "--weights", weights, "--json").out)["bicubic_rgb"] is None
    result = strict(cli("evaluate", "flat.png", "--weights", weights, "--json").out)
    assert result["sets"][0]["mean"]["bicubic_rgb"] is None


def test_evaluate_prints_means(cli, weights, grey_weights, picture, workdir):
    for name in ("[b]set/a.png", "[b]set/deep/a.png", "two/c.png"):
        picture(name)
    (workdir / "two" / "broken.png").write_bytes(b"no picture")
    run = cli("evaluate", "[b]set", "two", "--weights", weights)
    assert run.code == 0
    assert run.err.startswith("warning: left out: two/broken.png")
    assert run.err.count("\n") == 1
    rows = [line.split() for line in run.out.splitlines()]
    assert rows[0][:2] == ["set", "pictures"]
    assert [row[:2] for row in rows[1:3]] == [["[b]set", "2"], ["two", "1"]]
    result = strict(cli("evaluate", "[b]set", "--weights", weights, "--json").out)
    assert set(result["sets"][0]["each"]) == {"a.png", "deep/a.png"}
    assert rows[1][2] == f"{result['sets'][0]['mean']['high_rgb']:.2f}"
    assert "RGB" not in cli("evaluate", "two", "--weights", grey_weights).out.splitlines()[0]


def test_evaluate_at_several_depths(cli, weights, picture, workdir):
    picture("set/a.png")
    picture("set/speck.png", 5, 6)
    run = cli("evaluate", "set", "--weights", weights, "--times", "1,3", "--json")
    assert run.code == 0
    assert run.err.count("\n") == 1, "the speck is too small at x8 only"
    assert "speck.png is too small to be measured" in run.err
    once, thrice = strict(run.out)["sets"]
    assert [(row["name"], row["times"], row["factor"], row["pictures"]) for row in (once, thrice)] == [
        ("set", 1, "x2", 2),
        ("set", 3, "x8", 1),
    ]
    assert once["gain_rgb"] == once["mean"]["high_rgb"] - once["mean"]["bicubic_rgb"]
    plain = strict(cli("evaluate", "set", "--weights", weights, "--json").out)["sets"][0]
    assert plain == {key: once[key] for key in plain}, "equal to the result without --times"
    assert set(once) - set(plain) == {"times", "factor", "gain_rgb", "gain_y"}
    rows = [line.split() for line in cli("evaluate", "set", "--weights", weights, "--times", "3").out.splitlines()]
    assert rows[2][:3] == ["set", "x8", "1"]
    assert rows[2][3] == f"{thrice['mean']['high_rgb']:.2f}"
    assert rows[2][-1] == f"{thrice['gain_y']:.2f}"


def test_evaluate_leaves_out_depths_that_no_picture_reaches(cli, weights, picture, workdir):
    picture("set/a.png")
    run = cli("evaluate", "set", "--weights", weights, "--times", "9,1", "--json")
    assert (run.code, run.err.count("\n")) == (0, 1)
    assert run.err.startswith("warning: left out: x512: no usable picture in set; the first: set/a.png is too small")
    assert [row["times"] for row in strict(run.out)["sets"]] == [1]


def test_down_and_roundtrip_repeat_the_networks(cli, weights, picture, workdir):
    source = picture(h=45)
    (row,) = strict(cli("down", source, "small.png", "--weights", weights, "--times", "3", "--json").out)
    assert (row["manifest"]["times"], row["manifest"]["spec"]["s"]) == (3, 8)
    assert pixels("small.png").shape == (6, 7, 3)
    assert cli("up", "small.png", "back.png", "--weights", weights).code == 0
    assert pixels("back.png").shape == (45, 52, 3)
    assert cli("roundtrip", source, "--weights", weights, "--times", "3", "--out", "rt").code == 0
    assert np.array_equal(pixels("rt/small.png"), pixels("small.png"))
    assert np.array_equal(pixels("rt/restored.png"), pixels("back.png"))


def test_pyramid_writes_every_depth(cli, weights, picture, workdir):
    source = picture(h=45)
    run = cli("pyramid", source, "out", "--weights", weights)
    assert (run.code, run.err) == (0, "")
    names = [f"{what}-x{2**n}.png" for what in ("restored", "small") for n in range(1, 6)]
    assert files(workdir / "out") == sorted([*names, "metrics.json", "pyramid.png"])
    assert [line.split()[0] for line in run.out.splitlines()[1:6]] == ["x2", "x4", "x8", "x16", "x32"]
    assert "the largest that works for 52x45 pixels: x32 (--times 5)\n" in run.out
    result = strict(cli("pyramid", source, "two", "--weights", weights, "--times", "2", "--json").out)
    assert (result["largest"], [depth["size"] for depth in result["depths"]]) == (5, [[26, 23], [13, 12]])
    assert f"{result['depths'][1]['metrics']['restored_rgb']:.2f}" in run.out.splitlines()[2]
    assert cli("up", result["depths"][1]["small"], "back.png", "--weights", weights).code == 0
    assert np.array_equal(pixels("back.png"), pixels("two/restored-x4.png"))


def test_self_ensemble_changes_the_restored_picture_only(cli, weights, picture):
    picture("set/a.png")
    run = cli("evaluate", "set", "--weights", weights, "--self-ensemble")
    assert "PSNR in dB of tiny+, computed in float32:" in " ".join(run.out.split())
    single, averaged = (
        strict(cli("evaluate", "set", "--weights", weights, "--json", *flag).out) for flag in ([], ["--self-ensemble"])
    )
    assert (single["self_ensemble"], averaged["self_ensemble"]) == (False, True)
    figures = [
        result["sets"][0]["mean"]
        for result in (single, averaged, strict(cli("evaluate", "set", "--weights", weights, "--json").out))
    ]
    assert figures[0]["low_rgb"] == figures[1]["low_rgb"]
    assert figures[0]["high_rgb"] != figures[1]["high_rgb"]
    assert figures[2] == figures[0], "the flag does not affect later calls"


def test_tasks_and_schema(cli):
    result = strict(cli("tasks", "--json").out)
    assert "sr" in [row["task"] for row in result["tasks"]]
    assert {"uint8", "round", "none"} <= set(result["compressions"])
    assert result["networks"]["tad"].startswith("resizekit")
    assert "sr" in cli("tasks").out
    schema = strict(cli("schema", "sr").out)
    assert schema["properties"]["task"]["const"] == "sr"
    assert "width" in schema["properties"]["network"]["properties"]
    assert "steps" in schema["properties"]["train"]["properties"]


def test_tasks_describes_one_task(cli):
    run = cli("tasks", "--describe", "sr", "--json")
    assert (run.code, run.err) == (0, "")
    assert strict(run.out)["shapes"] == "b c (2 h) (2 w) -> b c h w"
    run = cli("tasks", "--describe", "sr")
    assert "b c (2 h) (2 w) -> b c h w" in run.out
    assert " sr-x2  " in run.out
    run = cli("tasks", "--describe", "nothing")
    assert (run.code, run.out, len(run.err.splitlines())) == (2, "", 1)


def test_train_writes_weights(cli, picture, workdir):
    picture("data/a.png")
    (workdir / "data" / "broken.png").write_bytes(b"no")
    (workdir / "run.toml").write_text(
        'task = "sr"\n[network]\nwidth = 8\nblocks = 1\n'
        '[train]\ndata = ["data"]\nvalidation = ["data"]\nbatch = 2\npatch = 16\nsteps = 9\n'
    )
    run = cli("train", "run.toml", "--steps", "2", "--device", "cpu")
    assert run.code == 0
    assert run.out.startswith("runs/run/weights.safetensors  high_rgb ")
    assert "skipped: data/broken.png is not a picture" in run.err
    assert strict(cli("info", "runs/run/weights.safetensors", "--json").out)["training"]["steps"] == 2
    assert cli("down", "data/a.png", "s.png", "--weights", "runs/run/weights.safetensors").code == 0
    timed = cli("train", "run.toml", "--budget", "2 s", "--out", "timed", "--device", "cpu")
    assert timed.code == 0
    assert strict(cli("info", "timed/weights.safetensors", "--json").out)["training"]["steps"] != 9
    both = cli("train", "run.toml", "--budget", "2 s", "--steps", "3", "--out", "both")
    assert (both.code, "--steps and --budget cannot be combined" in both.err) == (2, True)
    assert "step 1/2 " in run.err


def test_train_with_own_data_skips_missing_validation_data(cli, picture, workdir):
    picture("mine/a.png")
    (workdir / "run.toml").write_text(
        'task = "sr"\n[network]\nwidth = 8\nblocks = 1\n'
        '[train]\ndata = ["data/train"]\nvalidation = ["data/validation"]\nbatch = 2\npatch = 16\nsteps = 1\n'
    )
    run = cli("train", "run.toml", "--data", "mine", "--device", "cpu")
    assert (run.code, run.out) == (0, "runs/run/weights.safetensors\n")
    assert "no validation: data/validation does not exist; pass a folder with --validation" in run.err
    missing = cli("train", "run.toml", "--data", "mine", "--validation", "others", "--out", "other")
    assert (missing.code, "no file or folder others" in missing.err) == (1, True)


def test_version_and_help_of_every_verb(cli):
    from importlib.metadata import version

    assert cli("--version").out == f"resizekit {version('resizekit')}\n"
    for verb in ("tasks", "down", "up", "roundtrip", "pyramid", "info", "evaluate", "train", "schema"):
        assert cli(verb, "--help").code == 0
        assert verb in cli("-h").out


def test_up_without_manifest_trusts_the_named_weights(cli, picture, weights, workdir):
    picture()
    assert cli("down", "a.png", "small.png", "--weights", weights, "--metadata", "none", "--sidecar").code == 0
    (workdir / "small.png.json").rename("moved.json")
    with Image.open("small.png") as image:
        image.copy().save("small.png", pnginfo=PngInfo())
    assert cli("up", "small.png", "o.png").code == 1
    with Image.open("a.png") as image:
        wide, high = image.size
    with warnings.catch_warnings():
        warnings.simplefilter("always")  # as for a user: printed, not raised
        run = cli("up", "small.png", "o.webp", "--weights", weights, "--size", f"{wide}x{high}", "--quality", "80")
    assert run.code == 0
    assert "carries no manifest: trusting --weights" in run.err
    (workdir / "moved.json").rename("small.png.json")
    assert cli("up", "small.png", "p.png", "--weights", weights).err == ""
    with Image.open("p.png") as back:
        assert back.size == (wide, high)
    assert cli("up", "small.png", "q.png", "--size", "wide").code == 2
