"""EXIF, XMP and resolution come through the small file, by the policy that was asked for."""

import io

import numpy as np
import PIL.Image
import pytest

from resizekit import RunOptions, Storage, down_file, up_file
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.write import write_picture
from resizekit.pictures.metadata import NO_METADATA, Metadata, filter_metadata
from resizekit.pictures.picture import Picture

RGB = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
AUTHOR, MODEL, ORIENTATION, WIDTH = 0x13B, 0x110, 0x112, 0x100
EXIF, GPS, DATE, MAKER_NOTE, EXPOSURE = 0x8769, 0x8825, 0x9003, 0x927C, 0x829A
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


def exif():
    tags = PIL.Image.Exif()
    tags.update({AUTHOR: "me", MODEL: "a camera", ORIENTATION: 6, WIDTH: 12})
    tags.get_ifd(EXIF).update({DATE: "2024:05:06 07:08:09", MAKER_NOTE: b"secret", EXPOSURE: 0.5, 0xA002: 12})
    tags.get_ifd(GPS).update({1: "N"})
    return tags


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    PIL.Image.fromarray(RGB).save(path, exif=exif(), dpi=(300, 300), xmp=XMP)
    return path


def tags_of(path):
    with PIL.Image.open(path) as image:
        tags = image.getexif()
        return dict(tags), tags.get_ifd(EXIF), tags.get_ifd(GPS), image.info


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        ("keep", {"author", "model", "date", "exposure", "dpi", "xmp"}),
        ("all", {"author", "model", "date", "exposure", "dpi", "xmp", "location", "notes"}),
        ("minimal", {"author", "date", "dpi"}),
        ("none", set()),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_policy_decides_what_small_and_restored_files_keep(tmp_path, photo, policy, kept, suffix):
    small, back = tmp_path / f"small{suffix}", tmp_path / "back.png"
    down_file(photo, small, weights="sr-x2-fast", options=RunOptions(metadata=policy))
    up_file(small, back)
    for path in (small, back):
        main, inner, location, info = tags_of(path)
        found = {
            "author": main.get(AUTHOR) == "me",
            "model": main.get(MODEL) == "a camera",
            "date": inner.get(DATE) == "2024:05:06 07:08:09",
            "exposure": inner.get(EXPOSURE) == 0.5,
            "notes": MAKER_NOTE in inner,
            "location": location.get(1) == "N",
            "dpi": "dpi" in info and round(info["dpi"][0]) == 300,
            "xmp": b"adobe:ns:meta" in str(info.get("xmp", "")).encode(),
        }
        assert {name for name, is_kept in found.items() if is_kept} == kept - ({"dpi"} if suffix == ".webp" else set())
        assert ORIENTATION not in main
        assert WIDTH not in main
        assert 0xA002 not in inner
    assert np.array_equal(read_picture(back).pixels.shape, (12, 8, 3))  # turned upright


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".webp", ".png"])
def test_restored_files_of_every_format_hold_metadata(tmp_path, photo, suffix):
    down_file(photo, tmp_path / "small.png", weights="sr-x2-fast")
    up_file(tmp_path / "small.png", tmp_path / f"back{suffix}")
    kept = read_picture(tmp_path / f"back{suffix}").metadata
    tags = PIL.Image.Exif()
    tags.load(kept.exif)
    assert (tags[AUTHOR], tags[MODEL]) == ("me", "a camera")
    assert suffix == ".tif" or tags.get_ifd(EXIF)[DATE] == "2024:05:06 07:08:09"
    assert kept.xmp == XMP
    assert suffix == ".webp" or round(kept.dpi[0]) == 300


def test_deep_files_keep_metadata(tmp_path, photo):
    metadata = read_picture(photo).metadata
    deep = Picture(pixels=RGB.astype(np.uint16) * 257, metadata=metadata)
    write_picture(tmp_path / "deep.png", deep)
    found = read_picture(tmp_path / "deep.png").metadata
    assert (found.exif, found.xmp) == (metadata.exif, metadata.xmp)
    assert round(found.dpi[0]) == 300


def test_lossy_small_files_hold_manifest_and_metadata(tmp_path, photo):
    down_file(photo, tmp_path / "small.jpg", weights="sr-x2-jpeg75")
    small = read_picture(tmp_path / "small.jpg")
    assert small.embedded_manifest is not None
    tags = PIL.Image.Exif()
    tags.load(small.metadata.exif)
    assert (tags[AUTHOR], 0x9286 in tags.get_ifd(EXIF)) == ("me", False)
    up_file(tmp_path / "small.jpg", tmp_path / "back.png")
    assert tags_of(tmp_path / "back.png")[0][AUTHOR] == "me"


def test_pictures_without_metadata_get_none(tmp_path):
    PIL.Image.fromarray(RGB).save(tmp_path / "x.png")
    assert not read_picture(tmp_path / "x.png").metadata
    PIL.Image.fromarray(RGB).save(tmp_path / "y.jpg", exif=b"Exif\0\0nonsense")
    assert read_picture(tmp_path / "y.jpg").metadata.exif is None


def test_location_in_xmp_needs_all():
    located = Metadata(xmp=b'<x exif:GPSLatitude="52,31N"/>')
    assert filter_metadata(located, "keep") == NO_METADATA
    assert filter_metadata(located, "all") == located


def test_metadata_too_large_for_a_jpeg_are_left_out(tmp_path):
    tags = exif()
    tags[0x10E] = "x" * 40_000
    file = io.BytesIO()
    PIL.Image.fromarray(RGB).save(file, "PNG", exif=tags)
    (tmp_path / "x.png").write_bytes(file.getvalue())
    kept = read_picture(tmp_path / "x.png").metadata
    assert len(kept.exif) < 1000
    down_file(tmp_path / "x.png", tmp_path / "small.jpg", weights="sr-x2-jpeg75")
    assert tags_of(tmp_path / "small.jpg")[0][AUTHOR] == "me"


def test_small_tiff_of_a_plugin_holds_manifest_and_metadata(tmp_path, photo):
    tiff = Storage(format="TIFF", suffixes=(".tif",), exact=True)
    small = Picture(pixels=RGB, metadata=read_picture(photo).metadata, embedded_manifest="a manifest")
    write_picture(tmp_path / "small.tif", small, storage=tiff)
    found = read_picture(tmp_path / "small.tif")
    assert found.embedded_manifest == "a manifest"
    tags = PIL.Image.Exif()
    tags.load(found.metadata.exif)
    assert tags[AUTHOR] == "me"
