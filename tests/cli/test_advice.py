"""Notes of `down` and `roundtrip` on pictures that gain nothing."""

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def dithered(workdir):
    """Write a dithered picture, whose file of 1 bit per pixel is smaller than its small picture."""
    ramp = np.linspace(60, 190, 96, dtype=np.uint8)[None].repeat(80, 0)
    Image.fromarray(ramp).convert("1").save("dithered.png")
    return "dithered.png"


def test_down_notes_a_dithered_picture_and_more_bytes(cli, weights, dithered):
    run = cli("down", dithered, "small.png", "--weights", weights)
    first, second = run.err.splitlines()
    assert (run.code, run.out) == (0, "small.png\n")
    assert first.startswith("note: dithered.png is dithered or noise")
    assert second.startswith("note: small.png has more bytes than dithered.png: ")


def test_down_lists_the_kinds_of_advice_in_json(cli, weights, dithered):
    run = cli("down", dithered, "small.png", "--weights", weights, "--json")
    assert json.loads(run.out)[0]["advice"] == ["noisy", "larger"]


def test_down_gives_no_advice_on_a_plain_picture(cli, weights, workdir):
    ramp = np.linspace(0, 255, 96)[None, :, None] + np.random.default_rng(0).normal(0, 8, (80, 1, 3))
    Image.fromarray(ramp.clip(0, 255).astype(np.uint8)).save("plain.tif")
    run = cli("down", "plain.tif", "small.png", "--weights", weights, "--json")
    assert "advice" not in json.loads(run.out)[0]
    assert run.err == ""


def test_down_of_a_folder_counts_the_advice_in_one_line(cli, weights, dithered, picture):
    Image.new("RGB", (9, 30)).save("tiny.bmp")
    run = cli("down", dithered, "tiny.bmp", "out", "--weights", weights)
    counts = "1 of less than 16 pixels a side, 1 dithered or noise, 1 with more bytes than the source"
    assert f"note: {counts}: pass --verbose to see which" in run.err.splitlines()
    assert run.err.count("note:") == 1


def test_down_of_a_folder_names_the_pictures_if_verbose(cli, weights, dithered):
    Image.new("RGB", (9, 30)).save("tiny.bmp")
    run = cli("down", dithered, "tiny.bmp", "out", "--weights", weights, "--verbose")
    assert "note: tiny.bmp has only 9x30 pixels: store it at full size" in run.err.splitlines()
    assert run.err.count("note:") == 3


def test_down_gives_no_advice_if_quiet(cli, weights, dithered):
    assert cli("down", dithered, "small.png", "--weights", weights, "--quiet").err == ""


def test_roundtrip_notes_a_dithered_picture(cli, weights, dithered):
    run = cli("roundtrip", dithered, "--weights", weights)
    assert run.err.startswith("note: dithered.png is dithered or noise")


def test_notes_escape_control_characters_of_file_names(cli, weights, workdir):
    Image.new("RGB", (9, 30)).save("n\nl.bmp")
    run = cli("down", "n\nl.bmp", "small.png", "--weights", weights)
    assert "note: n l.bmp has only 9x30 pixels" in run.err.splitlines()[0]
