"""Refinement of entire pictures: tiles, padding, alpha, grey, any size, cubes, files."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from resizekit import RunOptions, TargetSize, down_file, load, up_file
from resizekit.codec.refine import Effort, refine_pixels, tiles
from resizekit.codec.refine.pixels import squared_error
from resizekit.codec.refine.tiles import TiledRefinement
from resizekit.codec.tiling import tiled_encode
from resizekit.errors import ResizeShapeError
from resizekit.images.pipeline import down_picture, up_picture
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.manifest import Manifest
from resizekit.pictures.picture import Picture

ASTRONAUT = Path(__file__).parents[2] / "examples" / "astronaut.png"


def astronaut(height, width, mode="RGB"):
    picture = PIL.Image.open(ASTRONAUT).convert(mode).crop((180, 40, 180 + width, 40 + height))
    return np.ascontiguousarray(np.array(picture).reshape(height, width, -1))


def restored_mse(codec, high, low):
    return squared_error(codec.up_pixels(low, high.dtype), high) / high.size


@pytest.mark.parametrize("name", ["sr-x2-fast", "colorize"])
def test_tiles_gain_as_much_as_the_entire_picture(name):
    codec, high = load(name), astronaut(160, 208)
    first = codec.down_pixels(high)
    before, whole, tiled = (
        restored_mse(codec, high, low)
        for low in (
            first,
            *(refine_pixels(codec, high, tiled_encode(codec, high), Effort(1), tile=tile) for tile in ("off", 64)),
        )
    )
    gain = 10 * np.log10([before / whole, before / tiled])
    assert gain[0] > 0.2
    assert gain[1] > gain[0] - 0.05


def test_tiles_leave_no_seam():
    codec, high = load("sr-x4-fast"), astronaut(256, 256)
    errors = []
    for tile in ("off", 64):
        low = refine_pixels(codec, high, tiled_encode(codec, high), Effort(2), tile=tile)
        errors.append(np.square(codec.up_pixels(low, np.uint8).astype(float) - high).mean(2))
    near = (np.arange(256) + 4) % 64 < 8  # four pixels to each side of the borders between tiles
    near[:8] = near[-8:] = False
    whole, tiled = (error[near].mean() / error[~near].mean() for error in errors)
    assert tiled < 1.03 * whole


def test_large_tiles_leave_no_seam():
    high = np.concatenate([astronaut(48, 240), astronaut(48, 240)[:, ::-1]] * 5, axis=1)
    codec, near = load("sr-x2-fast"), slice(2048 - 8, 2048 + 8)
    whole, tiled = (
        codec.up_pixels(refine_pixels(codec, high, tiled_encode(codec, high), Effort(1), tile=tile), np.uint8)
        for tile in ("off", 2048)
    )
    errors = [np.square(x[:, near].astype(float) - high[:, near]).mean() for x in (whole, tiled)]
    assert errors[1] < 1.05 * errors[0]


def test_tiles_see_a_bounded_window(monkeypatch):
    codec, high, seen = load("sr-x2-fast"), astronaut(256, 320), []
    build = tiles.Objective
    monkeypatch.setattr(
        tiles, "Objective", lambda c, high, *a, **k: seen.append(high.shape[2:]) or build(c, high, *a, **k)
    )
    refinement = TiledRefinement(codec, high, tiled_encode(codec, high), Effort(1), tile=64)
    steps = []
    refinement.run(tiled_encode(codec, high), 1, lambda: steps.append(1))
    assert max(max(shape) for shape in seen) <= 64 + 2 * 12 * 2
    assert len(steps) == refinement.steps == 5 * 20


def test_tile_off_means_one_window_however_large():
    codec, high = load("sr-x2-fast"), astronaut(128, 128)
    assert TiledRefinement(codec, high, tiled_encode(codec, high), Effort(1), tile="off").steps == 5
    with pytest.raises(Exception, match="at least 64"):
        TiledRefinement(codec, high, tiled_encode(codec, high), Effort(1), tile=7)


def with_alpha():
    alpha = np.full((50, 61), 255, np.uint8)
    alpha[:, 30:] = 0
    pixels = astronaut(50, 61)
    pixels[:, 30:] = (255, 0, 255)
    return Picture(pixels=pixels, alpha=alpha)


PICTURES = {
    "odd": ("sr-x4-fast", Picture(pixels=astronaut(53, 70)), None),
    "tiny": ("sr-x2-fast", Picture(pixels=astronaut(5, 7)), None),
    "a pixel high": ("sr-x2-fast", Picture(pixels=astronaut(1, 40)), None),
    "alpha": ("sr-x2-fast", with_alpha(), None),
    "grey through colour weights": ("sr-x2-fast", Picture(pixels=astronaut(40, 44, "L")), None),
    "any size": ("sr-x2-fast", Picture(pixels=astronaut(60, 71)), TargetSize(size="25x22")),
    "deep": ("extreme", Picture(pixels=astronaut(90, 130)), TargetSize(times=4)),
    "jpeg": ("sr-x2-jpeg75", Picture(pixels=astronaut(45, 64)), None),
    "floats": (
        "sr-x2-fast",
        Picture(pixels=astronaut(40, 44).astype(np.float32) / 4, value_range=(-10.0, 100.0)),
        None,
    ),
}


@pytest.mark.parametrize("case", PICTURES)
def test_refined_pictures_restore_better(case):
    name, picture, target = PICTURES[case]
    codec = load(name)
    visible = None if picture.alpha is None else picture.alpha > 0
    errors = []
    for effort in (0, 1, 2):
        small, manifest = down_picture(codec, picture, target=target, effort=effort)
        errors.append(squared_error(up_picture(codec, small, manifest).pixels, picture.pixels, visible))
        assert manifest.effort == (effort or None)
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < errors[0]


def test_levels_that_harm_the_entire_picture_are_dropped(monkeypatch):
    codec, high = load("sr-x2-fast"), astronaut(64, 64)
    first = codec.down_pixels(high)
    monkeypatch.setattr(TiledRefinement, "run", lambda self, low, level, step: 1 - low)
    gains = []
    assert np.array_equal(refine_pixels(codec, high, tiled_encode(codec, high), Effort(2), on_gain=gains.append), first)
    assert gains == [0, 0]


def test_down_file_notes_the_effort_and_reports_progress(tmp_path):
    parts, gains = [], []
    options = RunOptions(progress=lambda done, total: parts.append(done / total), on_gain=gains.append)
    PIL.Image.fromarray(astronaut(61, 80)).save(tmp_path / "in.png")
    manifest = down_file(tmp_path / "in.png", tmp_path / "small.png", weights="sr-x2-fast", effort=2, options=options)
    assert manifest.effort == 2
    assert Manifest.from_text(read_picture(tmp_path / "small.png").embedded_manifest, "small.png") == manifest
    assert parts == sorted(parts)
    assert parts[-1] == 1
    assert 0 < gains[0] < gains[1]
    assert up_file(tmp_path / "small.png", tmp_path / "restored.png") == manifest


def test_effort_0_writes_the_file_without_a_note(tmp_path):
    PIL.Image.fromarray(astronaut(32, 32)).save(tmp_path / "in.png")
    down_file(tmp_path / "in.png", tmp_path / "a.png", weights="sr-x2-fast")
    down_file(tmp_path / "in.png", tmp_path / "b.png", weights="sr-x2-fast", effort=0)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert b"effort" not in (tmp_path / "a.png").read_bytes()


def test_cubes_of_16_bits_are_refined():
    codec = load("sr-x2-fast").with_compression("uint16")
    picture = Picture(pixels=astronaut(40, 48).astype(np.uint16) * 257)
    errors = []
    for effort in (0, 2):
        small, manifest = down_picture(codec, picture, effort=effort)
        errors.append(squared_error(up_picture(codec, small, manifest).pixels, picture.pixels))
    assert errors[1] < 0.95 * errors[0]


def test_interrupted_refinement_writes_nothing(tmp_path):
    def interrupt(done, total):
        if done > 0.7 * total:
            raise KeyboardInterrupt

    PIL.Image.fromarray(astronaut(32, 32)).save(tmp_path / "in.png")
    options = RunOptions(progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        down_file(tmp_path / "in.png", tmp_path / "out.png", weights="sr-x2-fast", effort=2, options=options)
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


@pytest.mark.parametrize("name", ["sr-x2-fast", "sr-x2-jpeg75", "uint16"])
@pytest.mark.parametrize("size", [(70, 90), (150, 134)])
def test_tiles_that_do_not_divide_the_picture_gain_at_every_level(name, size):
    codec = load("sr-x2-fast").with_compression("uint16") if name == "uint16" else load(name)
    high, gains = astronaut(*size), []
    if name == "uint16":
        high = high.astype(np.uint16) * 257
    refine_pixels(codec, high, tiled_encode(codec, high), Effort(2), tile=64, on_gain=gains.append)
    assert 0 < gains[0] <= gains[1]
    assert gains[1] > (0.05 if name == "sr-x2-jpeg75" else 0.3)


def test_guides_that_see_the_entire_picture_need_no_tiles():
    codec = load("sr-x2-fast")
    bicubic = codec.guide
    codec.guide = lambda high: 0.9 * bicubic(high) + 0.1 * high.mean((2, 3), keepdim=True)
    codec.receptive_fields = {}
    high = astronaut(96, 96)
    with pytest.raises(ResizeShapeError, match="tile='off'"):
        TiledRefinement(codec, high, tiled_encode(codec, high, "off"), Effort(1), tile=64)
