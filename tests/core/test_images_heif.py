"""HEIC pictures, as phones write them."""

import sys

import numpy as np
import PIL.Image
import pytest

from resizekit.errors import ImageError, MissingExtraError
from resizekit.pictures.io.colours import h273_profile
from resizekit.pictures.io.heif import is_heif, register_heif
from resizekit.pictures.io.read import read_picture

pillow_heif = pytest.importorskip("pillow_heif")

ROWS, COLUMNS = np.mgrid[:32, :48]
RGB = np.stack((4 * ROWS, 3 * COLUMNS, 90 + ROWS), 2).astype(np.uint8)


@pytest.fixture
def write(tmp_path):
    def write(image, name="x.heic", **options):
        register_heif()
        image.save(tmp_path / name, quality=95, chroma=444, **options)
        return tmp_path / name

    return write


def test_heic_is_read_upright_with_its_metadata(write):
    image = PIL.Image.fromarray(RGB)
    tags = image.getexif()
    tags.update({0x13B: "me", 0x112: 6})
    picture = read_picture(write(image, exif=tags.tobytes()))
    upright = RGB[::-1].swapaxes(0, 1)
    assert picture.hw == upright.shape[:2]
    assert np.abs(picture.pixels.astype(int) - upright).mean() < 3
    kept = PIL.Image.Exif()
    kept.load(picture.metadata.exif)
    assert dict(kept) == {0x13B: "me"}


def test_heic_code_points_become_a_profile(write):
    path = write(PIL.Image.fromarray(RGB), color_primaries=12, transfer_characteristics=13)
    assert read_picture(path).icc == h273_profile(12, 13)


def test_heic_keeps_alpha(write):
    alpha = np.where(COLUMNS < 24, 0, 255).astype(np.uint8)
    picture = read_picture(write(PIL.Image.fromarray(np.dstack((RGB, alpha)))))
    assert picture.mode == "RGBA"
    assert (picture.alpha[:, 30:] > 250).all()


def test_heic_of_ten_bits_is_refused(tmp_path):
    deep = (RGB.astype(np.uint16) * 257).tobytes()
    pillow_heif.from_bytes(mode="RGB;16", size=(48, 32), data=deep).save(tmp_path / "x.heic", bit_depth=10)
    with pytest.raises(ImageError, match="more than 8 bits a channel"):
        read_picture(tmp_path / "x.heic")


def test_heic_without_the_extra_names_it(write, monkeypatch):
    path = write(PIL.Image.fromarray(RGB))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingExtraError, match=r'pip install "resizekit\[heif\]"'):
        read_picture(path)


def test_avif_is_not_taken_for_heic(tmp_path):
    PIL.Image.fromarray(RGB).save(tmp_path / "x.avif")
    assert not is_heif((tmp_path / "x.avif").read_bytes())
    assert not is_heif(b"")
    (tmp_path / "y.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    with pytest.raises(ImageError, match="not a picture"):
        read_picture(tmp_path / "y.heic")
