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


def test_max_bytes_keeps_the_limit_and_names_the_full_size_file(cli, jpeg_weights, picture, workdir):
    source = picture(h=160, w=200)
    run = cli("down", source, "small.jpg", "--weights", jpeg_weights, "--max-bytes", "1.6k")
    assert (run.code, run.out) == (0, "small.jpg\n")
    size = (workdir / "small.jpg").stat().st_size
    first, second = run.err.splitlines()
    assert size <= 1600
    assert first.startswith(f"{source}: {size} bytes, restored with ")
    assert second == f"{source}: not even the lowest quality of a full-size JPEG has so few bytes"
    run = cli("down", source, "small.jpg", "--weights", jpeg_weights, "--max-bytes", "0.01M", "--overwrite")
    assert f"{source}: a full-size JPEG of " in run.err
    options = ("--weights", jpeg_weights, "--bpp", "0.5", "--json", "--overwrite")
    row = json.loads(cli("down", source, "small.jpg", *options).out)[0]
    assert row["full_size"]["small_bytes"] == (workdir / "small.jpg").stat().st_size <= 200 * 160 // 16


def test_refusals_of_max_bytes(cli, jpeg_weights, weights, picture, workdir):
    source = picture()
    for argv, words in {
        ("small.jpg", "--max-bytes", "2k", "--bpp", "1"): "--max-bytes and --bpp contradict one another",
        ("small.jpg", "--max-bytes", "-3"): "invalid --max-bytes '-3': expected a number of bytes",
        ("small.jpg", "--max-bytes", "0"): "invalid --max-bytes '0'",
        ("small.jpg", "--bpp", "nan"): "invalid maximum of nan bits per pixel",
        ("small.jpg", "--max-bytes", "100"): "100 bytes are too few for a small JPEG",
        ("small.png", "--max-bytes", "2k"): "is a JPEG: name it .jpg or .jpeg",
    }.items():
        run = cli("down", source, argv[0], "--weights", jpeg_weights, *argv[1:])
        assert (run.code, run.out, run.err.count("\n")) == (USAGE, "", 1)
        assert words in run.err
    run = cli("down", source, "small.png", "--weights", weights, "--max-bytes", "2k")
    assert "stores PNG without loss: use lossy weights" in run.err
