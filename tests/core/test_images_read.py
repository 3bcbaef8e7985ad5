import io
import struct
import zlib

import numpy as np
import PIL.Image
import pytest
from PIL import ImageOps
from PIL.PngImagePlugin import PngInfo

from resizekit.errors import ImageError
from resizekit.images.io.read import read_picture

RGB = np.random.default_rng(0).integers(0, 256, (6, 4, 3), np.uint8)


def encoded(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def png(width, height, depth, colour, body=b""):
    """A PNG by hand: Pillow writes no 16-bit RGB and no false sizes."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def palette(alpha):
    image = PIL.Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    if alpha:
        image.info["transparency"] = bytes([255, 7])
    return image


def keyed_grey():
    image = PIL.Image.fromarray(np.array([[9, 200]], np.uint8))
    return encoded(image, transparency=9)


@pytest.mark.parametrize(
    ("data", "mode", "pixels", "alpha"),
    [
        (encoded(PIL.Image.fromarray(RGB)), "RGB", RGB, None),
        (encoded(PIL.Image.fromarray(RGB), "BMP"), "RGB", RGB, None),
        (encoded(PIL.Image.fromarray(RGB), "TIFF"), "RGB", RGB, None),
        (encoded(PIL.Image.fromarray(RGB), "WEBP", lossless=True), "RGB", RGB, None),
        (encoded(PIL.Image.fromarray(RGB), "JPEG2000"), "RGB", RGB, None),
        (encoded(PIL.Image.fromarray(RGB[:, :, 0])), "L", RGB[:, :, :1], None),
        (encoded(PIL.Image.new("1", (1, 1), 1)), "L", [[[255]]], None),
        (encoded(PIL.Image.new("LA", (1, 1), (9, 8))), "LA", [[[9]]], [[8]]),
        (encoded(PIL.Image.new("RGBA", (1, 1), (9, 8, 7, 6))), "RGBA", [[[9, 8, 7]]], [[6]]),
        (encoded(palette(False)), "RGB", [[[255, 0, 0], [0, 0, 255]]], None),
        (encoded(palette(True)), "RGBA", [[[255, 0, 0], [0, 0, 255]]], [[255, 7]]),
        (keyed_grey(), "LA", [[[9], [200]]], [[0, 255]]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_mode_is_spelt_out(tmp_path, data, mode, pixels, alpha):
    (tmp_path / "x").write_bytes(data)  # what counts is the content, not the name
    picture = read_picture(tmp_path / "x")
    assert (picture.mode, picture.note, picture.icc) == (mode, None, None)
    assert np.array_equal(picture.pixels, pixels)
    assert (picture.alpha is None) if alpha is None else np.array_equal(picture.alpha, alpha)
    assert picture.size == (picture.pixels.shape[1], picture.pixels.shape[0])


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(tmp_path, form, orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if form == "WEBP" else {}
    (tmp_path / "x").write_bytes(encoded(PIL.Image.fromarray(RGB), form, exif=exif, **options))
    turned = PIL.Image.fromarray(RGB)
    turned.getexif()[0x0112] = orientation
    upright = np.array(ImageOps.exif_transpose(turned))
    assert np.array_equal(read_picture(tmp_path / "x").pixels, upright)
    assert upright.shape[:2] == ((6, 4) if orientation < 5 else (4, 6))


def test_broken_metadata_does_not_cost_the_picture(tmp_path):
    (tmp_path / "x.jpg").write_bytes(encoded(PIL.Image.fromarray(RGB), "JPEG", exif=b"Exif\0\0nonsense"))
    assert read_picture(tmp_path / "x.jpg").size == (4, 6)


def test_the_profile_and_the_note_are_passed_on(tmp_path):
    note = PngInfo()
    note.add_itxt("resizekit", "a ✓ note")
    PIL.Image.fromarray(RGB).save(tmp_path / "x.png", icc_profile=b"profile", pnginfo=note)
    picture = read_picture(tmp_path / "x.png")
    assert (picture.icc, picture.note) == (b"profile", "a ✓ note")


def test_a_phones_second_picture_is_no_second_frame(tmp_path):
    preview = PIL.Image.fromarray(RGB)
    PIL.Image.fromarray(RGB).save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=[preview])
    with PIL.Image.open(tmp_path / "x.jpg") as image:
        assert image.n_frames == 2
    assert read_picture(tmp_path / "x.jpg").size == (4, 6)


FRAMES = {"save_all": True, "append_images": [PIL.Image.fromarray(255 - RGB)]}
BOMB_TEXT = PngInfo()
BOMB_TEXT.add_itxt("resizekit", "x" * 2_000_000, zip=True)
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
WHOLE = encoded(PIL.Image.fromarray(RGB))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"no picture at all", "no picture"),
        (EPS, "no picture"),  # would run another program
        (WHOLE[:-30], "cannot be read"),
        (WHOLE[:20], "cannot be read"),
        (encoded(PIL.Image.fromarray(RGB), "JPEG")[:-100], "cannot be read"),
        (encoded(PIL.Image.fromarray(RGB), "WEBP")[:60], "cannot be read"),
        (b"P6 1 1 65535\n" + bytes(6), "more than 8 bits"),
        (encoded(PIL.Image.new("CMYK", (2, 2)), "JPEG"), "CMYK"),
        (encoded(PIL.Image.new("LAB", (2, 2)), "TIFF"), "LAB"),
        (encoded(PIL.Image.fromarray(RGB), "GIF", **FRAMES), "several frames"),
        (encoded(PIL.Image.fromarray(RGB), "TIFF", **FRAMES), "several frames"),
        (encoded(PIL.Image.fromarray(RGB), **FRAMES), "several frames"),
        (png(10_000, 9_000, 8, 2), "89478485"),  # Pillow only warns of these
        (png(20_000, 20_000, 8, 2), "89478485"),
        (encoded(PIL.Image.fromarray(RGB), pnginfo=BOMB_TEXT), "cannot be read"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_one_line(tmp_path, data, says):
    path = tmp_path / "x.png"
    path.write_bytes(data)
    with pytest.raises(ImageError) as refusal:
        read_picture(path)
    assert says in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_missing_files_folders_and_devices_are_refused(tmp_path):
    for path, says in [
        (tmp_path, "folder"),
        (tmp_path / "x", "not exist"),
        ("/dev/zero", "device"),
    ]:
        with pytest.raises(ImageError, match=says):
            read_picture(path)
