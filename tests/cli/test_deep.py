"""Pictures of 16 bits per channel on the command line."""

import json

import numpy as np
import PIL.Image
import pytest
import tifffile

from resizekit.evaluation.metrics import psnr
from resizekit.pictures.io.read import read_picture

DATA, USAGE = 1, 2
OPTION = ("--compression", "uint16", "--precision", "float32")


@pytest.fixture
def deep(workdir):
    """Write a smooth picture of 16 bits."""
    y, x = np.mgrid[:40, :52] / 9
    pixels = np.stack([32000 + 30000 * np.sin(x + k) * np.cos(y) for k in range(3)], 2).astype(np.uint16)
    tifffile.imwrite("deep.tif", pixels, photometric="rgb", metadata=None)
    return pixels


def test_down_and_up_keep_16_bits_as_a_program(program, weights, deep):
    run = program("down", "deep.tif", "small.png", "--weights", weights, *OPTION)
    assert (run.code, run.out, run.err) == (0, "small.png\n", "")
    result = json.loads(program("info", "small.png", "--json").out)
    assert (result["format"], result["compression"], result["bits"]) == (3, "uint16", 16)
    with PIL.Image.open("small.png") as image:
        assert image.size == (26, 20)  # an ordinary PNG
    run = program("up", "small.png", "again.png", "--weights", weights, "--precision", "float32")
    assert (run.code, run.err) == (0, "")
    again = read_picture("again.png")
    assert again.pixels.shape == deep.shape
    assert again.bits == 16


def test_roundtrip_and_evaluate_measure_16_bits(cli, weights, deep, workdir):
    run = cli("roundtrip", "deep.tif", "--weights", weights, *OPTION, "--json")
    assert run.code == 0, run.err
    result = json.loads(run.out)
    restored = read_picture(workdir / "deep-roundtrip/restored.png")
    assert result["restored_rgb"] == psnr(restored.pixels, deep)
    assert read_picture(workdir / "deep-roundtrip/small.png").bits == 16
    assert read_picture(workdir / "deep-roundtrip/side-by-side.png").bits == 8
    mean = json.loads(cli("evaluate", "deep.tif", "--weights", weights, *OPTION, "--json").out)["sets"][0]["mean"]
    assert abs(mean["high_rgb"] - result["restored_rgb"]) < 1e-9
    assert abs(mean["low_rgb"] - result["small_rgb"]) < 1e-9


def test_pyramid_and_pairs_of_16_bits(cli, weights, deep, workdir):
    run = cli("pyramid", "deep.tif", "ladder", "--times", "2", "--weights", weights, *OPTION, "--json")
    assert run.code == 0, run.err
    for depth in json.loads(run.out)["depths"]:
        assert read_picture(depth["small"]).bits == read_picture(depth["restored"]).bits == 16
    (workdir / "in").mkdir()
    (workdir / "deep.tif").rename(workdir / "in" / "deep.tif")
    run = cli("export-pairs", "in", "pairs", "--weights", weights, *OPTION)
    assert run.code == 0, run.err
    assert read_picture("pairs/low/deep.png").bits == 16


@pytest.mark.parametrize("verb", ["down", "down --plan", "roundtrip", "evaluate", "pyramid"])
def test_refusal_of_16_bits_names_the_option(cli, weights, deep, workdir, verb):
    before = sorted(workdir.rglob("*"))
    verb, *options = verb.split()
    run = cli(verb, "deep.tif", *["small.png"] * (verb in ("down", "pyramid")), "--weights", weights, *options)
    assert (run.code, run.out) == (DATA, "")
    assert run.err.count("\n") == 1
    assert "deep.tif has more than 8 bits a channel" in run.err
    assert "--compression uint16" in run.err
    assert sorted(workdir.rglob("*")) == before


def test_refusals_of_16_bits(cli, weights, deep, workdir):
    cli("down", "deep.tif", "small.png", "--weights", weights, *OPTION)
    for argv, code, words in (
        (
            ("up", "small.png", "o.jpg", "--weights", weights),
            USAGE,
            "a .jpg cannot keep 16 bits a channel: use one of the suffixes .png",
        ),
        (("down", "deep.tif", "o.tif", "--weights", weights, *OPTION), USAGE, "is a PNG: name it .png"),
        (("down", "deep.tif", "o.png", "--weights", weights, "--compression", "nope"), USAGE, "no compression 'nope'"),
        (("up", "deep.tif", "o.png"), DATA, "carries no manifest"),
    ):
        run = cli(*argv)
        assert (run.code, run.out, run.err.count("\n")) == (code, "", 1), run
        assert words in run.err


def test_training_on_16_bits(cli, deep, workdir):
    (workdir / "run.toml").write_text(
        'task = "sr"\n[config]\ncompression = "uint16"\n[network]\nwidth = 8\nblocks = 1\n'
        '[train]\ndata = ["deep.tif"]\nvalidation = ["deep.tif"]\nsteps = 2\nbatch = 1\npatch = 16\nwarmup = 0\n'
    )
    run = cli("train", "run.toml")
    assert run.code == 0, run.err
    assert cli("down", "deep.tif", "small.png", "--weights", "runs/run/weights.safetensors").code == 0
    assert read_picture(workdir / "small.png").bits == 16
