"""Views of the folders that `pyramid` and `roundtrip` wrote."""

from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from resizekit.codec.convert import convert_bits
from resizekit.errors import ImageError
from resizekit.images.run_options import RunOptions
from resizekit.report.folders import pyramid_views, roundtrip_view
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


def test_roundtrip_view_shows_the_entire_picture(source, weights_name, tmp_path):
    metrics = roundtrip_file(source, tmp_path / "out", weights=weights_name, options=RunOptions(device="cpu"))
    view = roundtrip_view(tmp_path / "out")
    assert (view.name, view.size, view.record.factor) == ("source.png", (21, 26), "x2")
    assert view.record.restored_rgb == metrics.restored_rgb
    for picture, file in ((view.original, source), (view.restored, tmp_path / "out" / "restored.png")):
        assert np.array_equal(decoded(picture), np.array(Image.open(file)))
    assert np.array_equal(decoded(view.small), np.array(Image.open(tmp_path / "out" / "small.png")))


def test_roundtrip_view_shows_a_detail_of_a_large_picture(source, weights_name, tmp_path, monkeypatch):
    monkeypatch.setattr("resizekit.report.folders._MAX_SIDE", 40)
    monkeypatch.setattr("resizekit.report.folders._DETAIL", 20)
    roundtrip_file(source, tmp_path / "out", weights=weights_name, options=RunOptions(device="cpu"))
    view = roundtrip_view(tmp_path / "out")
    assert (view.original.width, view.restored.height, view.size) == (20, 20, (21, 26))
    assert view.small.width in (10, 11)


def test_pyramid_views_show_every_depth(source, weights_name, tmp_path):
    pyramid_file(source, tmp_path / "out", weights=weights_name, times=3, options=RunOptions(device="cpu"))
    views = pyramid_views(tmp_path / "out")
    assert [view.record.factor for view in views] == ["x2", "x4", "x8"]
    assert [view.size for view in views] == [(21, 26), (11, 13), (6, 7)]
    assert (
        len({(item.width, item.height) for view in views for item in (view.original, view.small, view.restored)}) == 1
    )


def test_views_reject_a_changed_or_missing_original(source, weights_name, tmp_path):
    roundtrip_file(source, tmp_path / "out", weights=weights_name, options=RunOptions(device="cpu"))
    Image.new("RGB", (51, 41)).save(source)
    with pytest.raises(ImageError, match=r"source\.png, which is missing or has changed"):
        roundtrip_view(tmp_path / "out")
    source.unlink()
    with pytest.raises(ImageError, match="make the folder again"):
        pyramid_views(tmp_path / "out")


def test_roundtrip_view_converts_grey_pictures_of_16_bits(weights_name, tmp_path, small_weights):
    grey = np.random.default_rng(1).integers(0, 65536, (24, 28), np.uint16)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    small_weights(tmp_path / "grey.safetensors", 1)
    options = {"compression": "uint16", "options": RunOptions(device="cpu")}
    roundtrip_file(tmp_path / "deep.png", tmp_path / "out", weights=tmp_path / "grey.safetensors", **options)
    view = roundtrip_view(tmp_path / "out")
    pixels = decoded(view.original).reshape(24, 28, -1)
    assert np.array_equal(pixels, convert_bits(grey, 8)[..., None].repeat(pixels.shape[2], 2))
