"""Profiles that mean sRGB, and formats without profiles."""

import PIL.Image
import pytest
from PIL import ImageCms

import resizekit
from resizekit.errors import UsageError
from resizekit.pictures.io.icc import SRGB_CURVE, SRGB_PRIMARIES, gamma, make_profile
from resizekit.pictures.io.srgb import is_srgb

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (SRGB, True),
        (make_profile("sRGB again", SRGB_CURVE, SRGB_PRIMARIES), True),
        (make_profile("linear", gamma(1), SRGB_PRIMARIES), False),
        (make_profile("gamma of 2.2", gamma(2.2), SRGB_PRIMARIES), False),
        (ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(), False),
        (b"", False),
        (b"\0" * 200, False),
    ],
    ids=["LittleCMS", "own", "linear", "2.2", "LAB", "empty", "broken"],
)
def test_profile_is_recognized_by_its_colours(profile, expected):
    assert is_srgb(profile) is expected


@pytest.mark.parametrize("suffix", [".jxl", ".bmp"])
def test_srgb_profile_is_left_out_of_formats_without_profiles(tmp_path, suffix):
    pytest.importorskip("pillow_jxl")
    for name, profile in (("srgb", SRGB), ("linear", make_profile("linear", gamma(1), SRGB_PRIMARIES))):
        PIL.Image.new("RGB", (32, 32), "teal").save(tmp_path / f"{name}.png", icc_profile=profile)
        resizekit.down_file(tmp_path / f"{name}.png", tmp_path / f"{name}-small.png", weights="sr-x2-fast")
    resizekit.up_file(tmp_path / "srgb-small.png", tmp_path / f"srgb{suffix}")
    with PIL.Image.open(tmp_path / f"srgb{suffix}") as image:
        assert image.size == (32, 32)
    with pytest.raises(UsageError, match="would lose the colour profile"):
        resizekit.up_file(tmp_path / "linear-small.png", tmp_path / f"linear{suffix}")


def test_small_jpeg_xl_of_a_picture_with_an_srgb_profile_restores(tmp_path):
    pytest.importorskip("pillow_jxl")
    PIL.Image.new("RGB", (32, 32), "teal").save(tmp_path / "in.png", icc_profile=SRGB)
    resizekit.down_file(tmp_path / "in.png", tmp_path / "small.jxl", weights="sr-x2-fast")
    assert resizekit.up_file(tmp_path / "small.jxl", tmp_path / "out.png").size == (32, 32)
