"""Ladders and triptychs from what `pyramid` and `roundtrip` wrote."""

from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from resizekit.codec.convert import with_bits
from resizekit.errors import ImageError
from resizekit.report.folders import ladder, triptych
from resizekit.showcase.pyramid import pyramid_file
from resizekit.showcase.roundtrip import roundtrip_file


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.png"
    pixels = np.random.default_rng(0).integers(0, 256, (11, 13, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    Image.fromarray(pixels[:41, :51]).save(path)
    return path


def decoded(picture):
    return np.array(Image.open(BytesIO(b64decode(picture.uri.partition(",")[2]))))


def test_a_triptych_shows_a_picture_whole(source, weights_name, tmp_path):
    figures = roundtrip_file(source, tmp_path / "out", weights=weights_name, device="cpu")
    shown = triptych(tmp_path / "out")
    assert (shown.name, shown.size, shown.trip.factor) == ("source.png", (26, 21), "x2")
    assert shown.trip.restored_rgb == figures.restored_rgb
    for picture, file in ((shown.original, source), (shown.restored, tmp_path / "out" / "restored.png")):
        assert np.array_equal(decoded(picture), np.array(Image.open(file)))
    assert np.array_equal(decoded(shown.small), np.array(Image.open(tmp_path / "out" / "small.png")))


def test_of_a_large_picture_it_shows_one_place_three_times(source, weights_name, tmp_path, monkeypatch):
    monkeypatch.setattr("resizekit.report.folders._WHOLE", 40)
    monkeypatch.setattr("resizekit.report.folders._DETAIL", 20)
    roundtrip_file(source, tmp_path / "out", weights=weights_name, device="cpu")
    shown = triptych(tmp_path / "out")
    assert (shown.original.width, shown.restored.height, shown.size) == (20, 20, (26, 21))
    assert shown.small.width in (10, 11)


def test_a_ladder_shows_every_depth(source, weights_name, tmp_path):
    pyramid_file(source, tmp_path / "out", weights=weights_name, times=3, device="cpu")
    rungs = ladder(tmp_path / "out")
    assert [rung.trip.factor for rung in rungs] == ["x2", "x4", "x8"]
    assert [rung.size for rung in rungs] == [(26, 21), (13, 11), (7, 6)]
    assert len({(one.width, one.height) for rung in rungs for one in (rung.original, rung.small, rung.restored)}) == 1


def test_a_picture_that_changed_is_not_taken_for_the_original(source, weights_name, tmp_path):
    roundtrip_file(source, tmp_path / "out", weights=weights_name, device="cpu")
    Image.new("RGB", (51, 41)).save(source)
    with pytest.raises(ImageError, match=r"source\.png, which is not there any more or has changed"):
        triptych(tmp_path / "out")
    source.unlink()
    with pytest.raises(ImageError, match="make the folder again"):
        ladder(tmp_path / "out")


def test_grey_and_16_bits_are_shown(weights_name, tmp_path, small_weights):
    grey = np.random.default_rng(1).integers(0, 65536, (24, 28), np.uint16)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    small_weights(tmp_path / "grey.safetensors", 1)
    options = {"compression": "uint16", "device": "cpu"}
    roundtrip_file(tmp_path / "deep.png", tmp_path / "out", weights=tmp_path / "grey.safetensors", **options)
    shown = triptych(tmp_path / "out")
    told = decoded(shown.original).reshape(24, 28, -1)
    assert np.array_equal(told, with_bits(grey, 8)[..., None].repeat(told.shape[2], 2))
