"""The pyramid of one picture: files and metrics at every depth, and a sheet of all."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from resizekit.errors import ImageError, UsageError
from resizekit.images.files import down_file, up_file
from resizekit.images.planning import max_steps
from resizekit.images.run_options import RunOptions
from resizekit.images.target_size import TargetSize
from resizekit.showcase.pyramid import pyramid_file
from resizekit.showcase.roundtrip import roundtrip_file
from resizekit.spec import HW

CPU = RunOptions(device="cpu")


@pytest.fixture
def source(tmp_path, picture):
    path = tmp_path / "source.png"
    Image.fromarray(picture(41, 66)).save(path)
    return path


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_pyramid_depths_equal_single_roundtrips(source, weights, tmp_path):
    out = tmp_path / "deep" / "out"
    pyramid = pyramid_file(source, out, weights=weights[3], options=CPU)
    assert (pyramid.size, pyramid.largest, pyramid.largest_factor) == ((66, 41), 5, "x32")
    assert [(depth.times, depth.factor, depth.size) for depth in pyramid.depths] == [
        (1, "x2", (33, 21)),
        (2, "x4", (17, 11)),
        (3, "x8", (9, 6)),
        (4, "x16", (5, 3)),
        (5, "x32", (3, 2)),
    ]
    files = [path for depth in pyramid.depths for path in (depth.small, depth.restored)]
    assert {str(path) for path in out.iterdir()} == {*files, pyramid.sheet, str(out / "metrics.json")}
    single, overwrite = tmp_path / "single", replace(CPU, overwrite=True)
    for depth in pyramid.depths:
        target = TargetSize(times=depth.times)
        assert depth.metrics == roundtrip_file(source, single, weights=weights[3], target=target, options=overwrite)
        assert np.array_equal(pixels(depth.small), pixels(single / "small.png"))
        up_file(depth.small, tmp_path / "up.png", weights=weights[3], options=overwrite)
        assert np.array_equal(pixels(depth.restored), pixels(tmp_path / "up.png"))
    assert json.loads(json.dumps(pyramid.as_dict()))["depths"][2]["factor"] == "x8"


@pytest.mark.parametrize(("channels", "of_weights"), [(1, 1), (2, 3), (4, 3)])
def test_pyramid_of_grey_and_alpha(picture, weights, tmp_path, channels, of_weights):
    array = picture(20, 37, channels)
    Image.fromarray(array[:, :, 0] if channels == 1 else array).save(tmp_path / "source.png")
    pyramid = pyramid_file(tmp_path / "source.png", tmp_path / "out", weights=weights[of_weights], times=3)
    assert [pixels(depth.restored).shape for depth in pyramid.depths] == [pixels(tmp_path / "source.png").shape] * 3


def test_pyramid_progress_runs_once_from_start_to_end(source, weights, tmp_path):
    seen = []
    pyramid_file(
        source,
        tmp_path / "out",
        weights=weights[3],
        times=2,
        options=RunOptions(progress=lambda done, of: seen.append(done / of)),
    )
    assert seen == sorted(seen)
    assert (len(seen), seen[-1]) == (6, 1)


def test_pyramid_keeps_existing_files(source, weights, tmp_path):
    pyramid_file(source, tmp_path / "out", weights=weights[3], times=1)
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(UsageError, match=r"small-x2\.png exists"):
        pyramid_file(source, tmp_path / "out", weights=weights[3], times=2)
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize(
    ("size", "most"), [((1, 9), 0), ((2, 2), 1), ((128, 500), 7), ((300, 500), 8), ((127, 4000), 6)]
)
def test_max_steps_keeps_a_pixel_on_each_side(codecs, size, most):
    assert max_steps(codecs[3], HW(*size)) == most


def test_max_steps_ends_where_padding_exceeds_the_limit(codecs, weights, monkeypatch, source, tmp_path):
    assert max_steps(codecs[3], HW(6000, 8000)) == 9  # by 1024 a margin of 16384x16384 would be needed
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 64 * 66)
    assert max_steps(codecs[3], HW(41, 66)) == 2
    with pytest.raises(ImageError, match="padded to 128x128 pixels to be made x8 smaller"):
        down_file(source, tmp_path / "small.png", weights=weights[3], target=TargetSize(times=3))
    monkeypatch.undo()
    down_file(source, tmp_path / "small.png", weights=weights[3], target=TargetSize(times=3))
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 64 * 66)
    with pytest.raises(ImageError, match="padded to 128x128"):
        up_file(tmp_path / "small.png", tmp_path / "up.png", weights=weights[3])
