"""JPEG XL: small files and pictures, the header that is read before the decoder runs, and refusals."""

import io
import struct
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageCms

import resizekit
from resizekit.errors import ImageError, MissingExtraError, UsageError
from resizekit.images.files import down_file, up_file
from resizekit.pictures import limits
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.write import write_picture
from resizekit.pictures.picture import Picture
from resizekit.spec import HW
from resizekit.storage.jxl import JXL
from resizekit.storage.jxl_header import is_jxl, read_jxl_header

imagecodecs = pytest.importorskip("imagecodecs")
pytest.importorskip("pillow_jxl")


def noise(height, width, channels=3, dtype=np.uint8):
    top = np.iinfo(dtype).max
    return np.random.default_rng(0).integers(0, top + 1, (height, width, channels), dtype)


def header_of(data):
    return read_jxl_header(io.BytesIO(data))


@pytest.mark.parametrize(("weights", "channels"), [("sr-x2-fast", 3), ("sr-x4-y", 1)])
def test_small_jxl_restores_as_the_png_does(tmp_path, weights, channels):
    write_picture(tmp_path / "in.png", Picture(pixels=noise(41, 53, channels), alpha=noise(41, 53, 1)[:, :, 0]))
    for suffix in ("png", "jxl"):
        manifest = down_file(tmp_path / "in.png", tmp_path / f"small.{suffix}", weights=weights)
        up_file(tmp_path / f"small.{suffix}", tmp_path / f"from-{suffix}.png")
    assert manifest.compression == "jxl"
    small, restored = (
        [read_picture(tmp_path / name) for name in names]
        for names in (("small.png", "small.jxl"), ("from-png.png", "from-jxl.png"))
    )
    assert small[0].digest == small[1].digest
    assert restored[0].digest == restored[1].digest
    assert restored[1].icc is None


def test_jxl_is_smaller_than_webp_and_png(tmp_path):
    photo = Path(__file__).parents[2] / "examples" / "astronaut.png"
    sizes = []
    for suffix in ("jxl", "webp", "png"):
        down_file(photo, tmp_path / f"small.{suffix}", weights="sr-x2-fast")
        sizes.append((tmp_path / f"small.{suffix}").stat().st_size)
    assert sizes == sorted(sizes)


@given(height=st.integers(1, 300), width=st.integers(1, 300), container=st.booleans())
def test_header_has_the_size_of_the_picture(height, width, container):
    pixels = np.zeros((height, width, 3), np.uint8)
    data = imagecodecs.jpegxl_encode(pixels, lossless=True, effort=1, usecontainer=container)
    assert is_jxl(data)
    assert header_of(data)[:4] == (HW(height, width), False, False, False)


@pytest.mark.parametrize("size", [(8, 16), (256, 256), (64, 48), (100, 150), (90, 160), (3000, 2), (1, 9000)], ids=str)
def test_header_has_sizes_of_every_coding(size):
    data = imagecodecs.jpegxl_encode(np.zeros((*size, 1), np.uint8), lossless=True, effort=1)
    assert header_of(data).size == HW(*size)


def test_header_knows_deep_pictures_and_animations():
    assert header_of(imagecodecs.jpegxl_encode(noise(9, 7, 3, np.uint16), lossless=True)).is_deep
    assert header_of(imagecodecs.jpegxl_encode(noise(9, 7) / np.float32(255), lossless=True)).is_deep
    frames = imagecodecs.jpegxl_encode(np.stack([noise(9, 7)] * 3), lossless=True)
    assert header_of(frames).is_animated


def in_parts(codestream, *lengths):
    """Put a codestream into a container, divided into parts of these lengths and the rest, with other boxes between."""

    def box(kind, data):
        return struct.pack(">I", 8 + len(data)) + kind + data

    data, parts, at = b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"ftyp", b"jxl \0\0\0\0jxl "), [], 0
    for length in lengths:
        parts.append(codestream[at : at + length])
        at += length
    parts.append(codestream[at:])
    for number, part in enumerate(parts):
        last = 0x80000000 if number == len(parts) - 1 else 0
        data += box(b"free", b"\xff" * 100) + box(b"jxlp", struct.pack(">I", number | last) + part)
    return data


@pytest.mark.parametrize("lengths", [(0,), (1,), (2,), (4,), (1, 1, 2), (60,)], ids=str)
def test_header_is_read_across_the_parts_of_a_container(lengths):
    for pixels in (noise(250, 250), np.stack([noise(9, 7)] * 3)):
        data = imagecodecs.jpegxl_encode(pixels, lossless=True, effort=1, usecontainer=False)
        assert header_of(in_parts(data, *lengths)) == header_of(data)


def test_boxes_that_never_end_are_one_line(tmp_path):
    (tmp_path / "in.jxl").write_bytes(b"\0\0\0\x0cJXL \r\n\x87\n" + struct.pack(">I", 8) * 2 * 30_000)
    with pytest.raises(ImageError):
        read_picture(tmp_path / "in.jxl")


def test_channels_that_the_plugin_drops_are_refused(tmp_path):
    planes = np.moveaxis(noise(20, 30, 4), 2, 0)
    data = imagecodecs.jpegxl_encode(planes, lossless=True, planar=True, photometric="GRAY")
    (tmp_path / "in.jxl").write_bytes(data)
    with pytest.raises(ImageError, match="channels besides colour and transparency"):
        read_picture(tmp_path / "in.jxl")


def test_stored_jpeg_keeps_its_orientation(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(noise(90, 140)).save(tmp_path / "in.jpg", exif=exif)
    (tmp_path / "in.jxl").write_bytes(imagecodecs.jpegxl_encode_jpeg((tmp_path / "in.jpg").read_bytes()))
    assert read_picture(tmp_path / "in.jxl").hw == read_picture(tmp_path / "in.jpg").hw == HW(140, 90)


@pytest.mark.parametrize("channels", [1, 3])
def test_picture_without_a_profile_gets_none(tmp_path, channels):
    write_picture(tmp_path / "in.jxl", Picture(pixels=noise(41, 53, channels)))
    assert read_picture(tmp_path / "in.jxl").icc is None
    small = down_file(tmp_path / "in.jxl", tmp_path / "small.jxl", task="sr")
    assert small.compression == "jxl"


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (noise(9, 7, 3, np.uint16), "more than 8 bits a channel"),
        (np.stack([noise(9, 7)] * 3), "several frames"),
    ],
    ids=["deep", "animated"],
)
def test_pictures_that_the_plugin_would_reduce_are_refused(tmp_path, pixels, words):
    (tmp_path / "in.jxl").write_bytes(imagecodecs.jpegxl_encode(pixels, lossless=True))
    with pytest.raises(ImageError, match=words):
        read_picture(tmp_path / "in.jxl")


def test_size_is_checked_before_the_decoder_runs(tmp_path, monkeypatch):
    (tmp_path / "in.jxl").write_bytes(imagecodecs.jpegxl_encode(noise(40, 50), lossless=True))
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 1999)
    monkeypatch.setattr(PIL.Image, "open", lambda *_, **__: pytest.fail("the decoder ran"))
    assert limits.exceeds_limit(HW(40, 50))
    with pytest.raises(ImageError, match="50x40 pixels, too many"):
        read_picture(tmp_path / "in.jxl")


@pytest.mark.parametrize("end", [2, 3, 12, 20, 40, 60])
def test_truncated_files_are_one_line(tmp_path, end):
    data = io.BytesIO()
    JXL.save(data, noise(20, 20))
    (tmp_path / "in.jxl").write_bytes(data.getvalue()[:end])
    with pytest.raises(ImageError) as refusal:
        read_picture(tmp_path / "in.jxl")
    assert "\n" not in str(refusal.value)


def test_picture_keeps_its_orientation_once(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(noise(10, 20)).save(tmp_path / "in.jxl", lossless=True, exif=exif.tobytes())
    assert read_picture(tmp_path / "in.jxl").hw == HW(10, 20)


def test_profile_that_would_be_lost_is_refused(tmp_path):
    profile = bytes(16) + b"RGB " + bytes(8)
    write_picture(tmp_path / "in.png", Picture(pixels=noise(20, 20), icc=profile))
    with pytest.raises(UsageError, match=r"a \.jxl would lose the colour profile: write another format"):
        down_file(tmp_path / "in.png", tmp_path / "small.jxl", weights="sr-x2-fast")
    down_file(tmp_path / "in.png", tmp_path / "small.png", weights="sr-x2-fast")
    with pytest.raises(UsageError, match=r"\.jxl would lose the colour profile: write a \.png"):
        up_file(tmp_path / "small.png", tmp_path / "restored.jxl")
    assert not list(tmp_path.glob("*.jxl"))


def test_profile_of_a_file_reaches_the_restored_picture(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = io.BytesIO()
    PIL.Image.fromarray(noise(40, 40)).save(data, "JPEG", icc_profile=profile)
    stored = imagecodecs.jpegxl_encode_jpeg(data.getvalue())
    # without the box from which decoders rebuild the JPEG, the profile comes from the codestream
    for name, content in {"jpeg": stored, "codestream": stored.replace(b"jbrd", b"free", 1)}.items():
        (tmp_path / f"{name}.jxl").write_bytes(content)
        down_file(tmp_path / f"{name}.jxl", tmp_path / f"{name}.png", weights="sr-x2-fast")
        up_file(tmp_path / f"{name}.png", tmp_path / f"{name}.tif")
        assert read_picture(tmp_path / f"{name}.tif").icc == profile, name


def test_missing_plugin_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "in.jxl").write_bytes(imagecodecs.jpegxl_encode(noise(9, 7), lossless=True))
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    with pytest.raises(MissingExtraError, match=r'pip install "resizekit\[jxl\]"'):
        read_picture(tmp_path / "in.jxl")
    with pytest.raises(MissingExtraError):
        JXL.read_back(noise(4, 4, 3))
    monkeypatch.setattr(PIL.Image.Image, "save", lambda *_, **__: pytest.fail("the work began"))
    with pytest.raises(MissingExtraError):
        resizekit.load("sr-x2-fast").with_compression("jxl")
