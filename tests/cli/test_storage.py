"""Weights that store JPEG on the command line: names, folders, metrics and refusals."""

import json

from PIL import Image

USAGE = 2


def test_down_and_up_through_jpeg(cli, jpeg_weights, picture, workdir):
    source = picture()
    run = cli("down", source, "small.jpg", "--weights", jpeg_weights)
    assert (run.code, run.out, run.err) == (0, "small.jpg\n", "")
    with Image.open("small.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (26, 20))
    result = json.loads(cli("info", "small.jpg", "--json").out)
    assert (result["compression"], result["size"]) == ("jpeg", [52, 40])
    assert cli("up", "small.jpg", "again.png", "--weights", jpeg_weights).code == 0
    with Image.open("again.png") as image:
        assert image.size == (52, 40)


def test_folder_outputs_have_the_suffix_of_the_storage(cli, jpeg_weights, picture, workdir):
    for name in ("in/a.png", "in/deep/b.png"):
        picture(name)
    assert cli("down", "in", "small", "--weights", jpeg_weights).out.split() == ["small/a.jpg", "small/deep/b.jpg"]
    assert cli("up", "small", "out", "--weights", jpeg_weights).out.split() == ["out/a.png", "out/deep/b.png"]


def test_roundtrip_and_evaluate_measure_the_jpeg(cli, jpeg_weights, picture, workdir):
    source = picture("in/a.png")
    run = cli("roundtrip", source, "--weights", jpeg_weights, "--json", "--precision", "float32")
    result = json.loads(run.out)
    assert sorted(path.name for path in (workdir / "in/a-roundtrip").iterdir()) == [
        "metrics.json", "restored.png", "side-by-side.png", "small.jpg",
    ]  # fmt: skip
    whole = (workdir / "in/a-roundtrip/small.jpg").stat().st_size
    assert result["small_format"] == "JPEG"
    assert whole - 1000 < result["small_bytes"] < whole
    assert "small JPEG" in cli("roundtrip", source, "--weights", jpeg_weights, "--overwrite").out
    mean = json.loads(cli("evaluate", source, "--weights", jpeg_weights, "--json").out)["sets"][0]["mean"]
    assert abs(mean["high_rgb"] - result["restored_rgb"]) < 1e-9
    assert abs(mean["low_rgb"] - result["small_rgb"]) < 1e-9


def test_refusals_of_jpeg_weights(cli, jpeg_weights, weights, picture, workdir):
    source = picture()
    Image.new("RGBA", (20, 20), (9, 9, 9, 9)).save("clear.png")
    before = sorted(workdir.iterdir())
    for argv, words in {
        (source, "small.png", "--weights", jpeg_weights): "is a JPEG: name it .jpg or .jpeg, not small.png",
        (source, "small.jpg", "--weights", weights): "is a PNG: name it .png, not small.jpg",
        ("clear.png", "small.jpg", "--weights", jpeg_weights): "cannot hold transparency",
    }.items():
        run = cli("down", *argv)
        assert (run.code, run.out, run.err.count("\n")) == (USAGE, "", 1)
        assert words in run.err
    assert sorted(workdir.iterdir()) == before
