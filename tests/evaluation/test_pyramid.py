"""The ladder of one picture: real files at every depth, each with its own figures, and one sheet of all."""

import json

import numpy as np
import pytest
from PIL import Image

from resizekit.errors import ImageError, UsageError
from resizekit.images.files import down_file, up_file
from resizekit.images.pipeline import max_steps
from resizekit.showcase.pyramid import pyramid_file
from resizekit.showcase.roundtrip import roundtrip_file


@pytest.fixture
def source(tmp_path, picture):
    path = tmp_path / "source.png"
    Image.fromarray(picture(41, 66)).save(path)
    return path


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_every_depth_is_a_roundtrip_of_its_own(source, weights, tmp_path):
    out = tmp_path / "deep" / "out"
    options = {"weights": weights[3], "device": "cpu", "precision": "float32"}
    told = pyramid_file(source, out, **options)
    assert (told.size, told.largest, told.largest_factor) == ((66, 41), 5, "x32")
    assert [(one.times, one.factor, one.size) for one in told.depths] == [
        (1, "x2", (33, 21)),
        (2, "x4", (17, 11)),
        (3, "x8", (9, 6)),
        (4, "x16", (5, 3)),
        (5, "x32", (3, 2)),
    ]
    files = [path for one in told.depths for path in (one.small, one.restored)]
    assert {str(path) for path in out.iterdir()} == {*files, told.sheet, str(out / "figures.json")}
    alone = tmp_path / "alone"
    for one in told.depths:
        figures = roundtrip_file(source, alone, times=one.times, overwrite=True, **options)
        assert one.figures == figures
        assert np.array_equal(pixels(one.small), pixels(alone / "small.png"))
        up_file(one.small, tmp_path / "up.png", overwrite=True, **options)
        assert np.array_equal(pixels(one.restored), pixels(tmp_path / "up.png"))
    assert json.loads(json.dumps(told.as_dict()))["depths"][2]["factor"] == "x8"


@pytest.mark.parametrize(("channels", "of_weights"), [(1, 1), (2, 3), (4, 3)])
def test_grey_and_alpha_go_as_deep(picture, weights, tmp_path, channels, of_weights):
    array = picture(20, 37, channels)
    Image.fromarray(array[:, :, 0] if channels == 1 else array).save(tmp_path / "source.png")
    told = pyramid_file(tmp_path / "source.png", tmp_path / "out", weights=weights[of_weights], times=3)
    assert [pixels(one.restored).shape for one in told.depths] == [pixels(tmp_path / "source.png").shape] * 3


def test_progress_runs_once_from_start_to_end(source, weights, tmp_path):
    seen = []
    pyramid_file(
        source, tmp_path / "out", weights=weights[3], times=2, progress=lambda done, of: seen.append(done / of)
    )
    assert seen == sorted(seen)
    assert (len(seen), seen[-1]) == (6, 1)


def test_a_ladder_begun_twice_keeps_what_is_there(source, weights, tmp_path):
    pyramid_file(source, tmp_path / "out", weights=weights[3], times=1)
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(UsageError, match=r"small-x2\.png exists"):
        pyramid_file(source, tmp_path / "out", weights=weights[3], times=2)
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize(
    ("size", "most"), [((1, 9), 0), ((2, 2), 1), ((128, 500), 7), ((300, 500), 8), ((127, 4000), 6)]
)
def test_a_small_picture_keeps_a_pixel_a_side(codecs, size, most):
    assert max_steps(codecs[3], size) == most


def test_padding_out_of_bounds_ends_the_ladder_and_is_refused(codecs, weights, monkeypatch, source, tmp_path):
    assert max_steps(codecs[3], (6000, 8000)) == 9  # by 1024 a margin of 16384x16384 would be needed
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 64 * 66)
    assert max_steps(codecs[3], (41, 66)) == 2
    with pytest.raises(ImageError, match="padded to 128x128 pixels to be made x8 smaller"):
        down_file(source, tmp_path / "small.png", weights=weights[3], times=3)
    monkeypatch.undo()
    down_file(source, tmp_path / "small.png", weights=weights[3], times=3)
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 64 * 66)
    with pytest.raises(ImageError, match="padded to 128x128"):
        up_file(tmp_path / "small.png", tmp_path / "up.png", weights=weights[3])
