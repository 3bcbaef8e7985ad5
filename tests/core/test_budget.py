"""Limits on memory and on the size of pictures: what they choose and what they refuse."""

from functools import partial

import numpy as np
import pytest
from PIL import Image

import resizekit
from resizekit.errors import ImageError, UsageError
from resizekit.images.budget import Budget, memory_of_tiles, parse_bytes
from resizekit.images.files import down_file, up_file
from resizekit.images.run_options import RunOptions
from resizekit.images.small_files import inspect_small

pytest.importorskip("pyvips", reason="needs the extra large")

COLOURS = np.random.default_rng(0).integers(0, 256, (131, 150, 4), np.uint8)
COLOURS[:, :, 3] = COLOURS[:, :, 3] // 2 + 100
RGB = Image.fromarray(COLOURS[:, :, :3])


@pytest.fixture(scope="module")
def codec():
    return resizekit.load("sr-x2-fast")


def test_memory_that_is_too_small_names_the_least(tmp_path):
    RGB.save(tmp_path / "a.png")
    options = RunOptions(budget=Budget(memory="20MB"))
    with pytest.raises(UsageError, match=r"a memory of 20 MB is too little: allow at least (\d+) MB"):
        down_file(tmp_path / "a.png", tmp_path / "b.png", weights="sr-x2-fast", options=options)
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "invalid size ''"), ("-1", "invalid size '-1'"), ("0", "invalid size '0'"), ("1TB", "invalid size '1TB'")],
)
def test_invalid_memory_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        Budget(memory=text)


@pytest.mark.parametrize("values", [{"memory": 0}, {"memory": 1.5}, {"max_pixels": -1}, {"max_pixels": True}])
def test_invalid_budget_is_refused(values):
    with pytest.raises(UsageError, match="expected a whole number above 0"):
        Budget(**values)


def test_size_of_memory_is_read_in_both_conventions():
    assert parse_bytes("1k") == parse_bytes("1 KB") == 1000
    assert parse_bytes("1KiB") == 1024


def test_tile_fits_the_memory(codec):
    large, small = (Budget(memory=10**10).tile(codec, "auto"), Budget(memory=10**10).tile(codec, 128))
    assert (large, small) == (1024, 128)
    needed = list(memory_of_tiles(codec, (64, 256, 1024)).values())
    assert needed == sorted(needed)
    assert needed[2] < 400e6


def test_limit_of_pixels_can_be_raised_and_lowered(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    RGB.save(tmp_path / "a.png")
    RGB.save(tmp_path / "a.jpg")
    for source in (tmp_path / "a.png", tmp_path / "a.jpg"):
        with pytest.raises(ImageError, match="the limit is 5000"):
            down_file(source, tmp_path / "b.png", weights="sr-x2-fast")
        for budget in (Budget(max_pixels=20_000), Budget(memory=10**10)):
            options = RunOptions(budget=budget, overwrite=True)
            down_file(source, tmp_path / "b.png", weights="sr-x2-fast", options=options)
            up_file(tmp_path / "b.png", tmp_path / "c.png", options=options)
        with pytest.raises(ImageError, match="the limit is 19000"):
            down_file(
                source, tmp_path / "b.png", weights="sr-x2-fast", options=RunOptions(budget=Budget(max_pixels=19_000))
            )
    assert Image.MAX_IMAGE_PIXELS == 5000


def test_what_needs_the_whole_picture_is_refused_within_a_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("resizekit.images.budget._SMALLEST_ARRAY", 4000)
    monkeypatch.setattr("resizekit.system.scratch.resident_bytes", lambda: 900_000_000)
    monkeypatch.setattr("resizekit.images.budget.resident_bytes", lambda: 100_000_000)
    monkeypatch.setattr("resizekit.images.budget._ARRAYS", 200_000)
    options = RunOptions(budget=Budget(memory=900_000_000), overwrite=True)
    run = partial(down_file, weights="sr-x2-fast", options=options)
    RGB.save(tmp_path / "a.png")
    RGB.save(tmp_path / "a.bmp")
    hidden = COLOURS.copy()
    hidden[:, :70, 3] = 0
    Image.fromarray(hidden).save(tmp_path / "hidden.png")
    with pytest.raises(UsageError, match="effort 1 needs all 150x131 pixels in memory"):
        run(tmp_path / "a.png", tmp_path / "b.png", effort=1)
    with pytest.raises(ImageError, match=r"a\.bmp is decoded in one piece: make a plain PNG"):
        run(tmp_path / "a.bmp", tmp_path / "b.png")
    with pytest.raises(ImageError, match="transparent pixels are filled in one piece"):
        run(tmp_path / "hidden.png", tmp_path / "b.png")
    run(tmp_path / "a.png", tmp_path / "b.png")
    with pytest.raises(ImageError, match=r"a JPEG is encoded in one piece: write a \.png"):
        up_file(tmp_path / "b.png", tmp_path / "c.jpg", options=options)
    up_file(tmp_path / "b.png", tmp_path / "c.png", options=options)


def test_manifest_of_a_large_small_file_is_read_without_its_pixels(tmp_path, monkeypatch):
    RGB.save(tmp_path / "a.png")
    manifest = down_file(tmp_path / "a.png", tmp_path / "b.png", weights="sr-x2-fast")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    monkeypatch.setattr("resizekit.images.small_files._CHECKED", 1000)
    assert inspect_small(tmp_path / "b.png") == (manifest, False)


def test_plan_with_a_memory_estimates_what_it_takes(tmp_path, cli):
    RGB.save(tmp_path / "a.png")
    done = cli("down", tmp_path / "a.png", tmp_path / "b.png", "--plan", "--memory", "2GB", "--weights", "sr-x2-fast")
    assert "memory" in done.out
    assert "temporary files" in done.out
    assert not (tmp_path / "b.png").exists()
