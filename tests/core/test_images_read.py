import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest
from PIL import ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from resizekit.errors import ImageError
from resizekit.pictures.io.read import read_picture

RGB = np.random.default_rng(0).integers(0, 256, (6, 4, 3), np.uint8)


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def encoded(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def png(width, height, depth, colour, body=b""):
    """Build a PNG by hand: Pillow writes neither 16-bit RGB nor false sizes."""

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
def test_read_expands_every_mode(tmp_path, data, mode, pixels, alpha):
    (tmp_path / "x").write_bytes(data)  # the content decides the format, not the name
    picture = read_picture(tmp_path / "x")
    assert (picture.mode, picture.embedded_manifest, picture.icc) == (mode, None, None)
    assert np.array_equal(picture.pixels, pixels)
    assert (picture.alpha is None) if alpha is None else np.array_equal(picture.alpha, alpha)
    assert picture.hw == picture.pixels.shape[:2]


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_read_applies_every_orientation(tmp_path, form, orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if form == "WEBP" else {}
    (tmp_path / "x").write_bytes(encoded(PIL.Image.fromarray(RGB), form, exif=exif, **options))
    turned = PIL.Image.fromarray(RGB)
    turned.getexif()[0x0112] = orientation
    upright = np.array(ImageOps.exif_transpose(turned))
    assert np.array_equal(read_picture(tmp_path / "x").pixels, upright)
    assert upright.shape[:2] == ((6, 4) if orientation < 5 else (4, 6))


def test_read_ignores_broken_metadata(tmp_path):
    (tmp_path / "x.jpg").write_bytes(encoded(PIL.Image.fromarray(RGB), "JPEG", exif=b"Exif\0\0nonsense"))
    assert read_picture(tmp_path / "x.jpg").hw.wh == (4, 6)


def test_read_returns_profile_and_manifest_text(tmp_path):
    note = PngInfo()
    note.add_itxt("resizekit", "a ✓ text")
    PIL.Image.fromarray(RGB).save(tmp_path / "x.png", icc_profile=SRGB, pnginfo=note)
    picture = read_picture(tmp_path / "x.png")
    assert (picture.icc, picture.embedded_manifest) == (SRGB, "a ✓ text")


def test_read_ignores_the_second_picture_of_an_mpo(tmp_path):
    preview = PIL.Image.fromarray(RGB)
    PIL.Image.fromarray(RGB).save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=[preview])
    with PIL.Image.open(tmp_path / "x.jpg") as image:
        assert image.n_frames == 2
    assert read_picture(tmp_path / "x.jpg").hw.wh == (4, 6)


FRAMES = {"save_all": True, "append_images": [PIL.Image.fromarray(255 - RGB)]}
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
WHOLE = encoded(PIL.Image.fromarray(RGB))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"not a picture at all", "not a picture"),
        (EPS, "not a picture"),  # would run another program
        (WHOLE[:-30], "cannot be read"),
        (WHOLE[:20], "cannot be read"),
        (encoded(PIL.Image.fromarray(RGB), "JPEG")[:-100], "cannot be read"),
        (encoded(PIL.Image.fromarray(RGB), "WEBP")[:60], "cannot be read"),
        (b"P6 1 1 65535\n" + bytes(6), "more than 8 bits"),
        (encoded(PIL.Image.new("CMYK", (2, 2)), "JPEG"), "CMYK colours without a profile"),
        (encoded(PIL.Image.new("LAB", (2, 2)), "TIFF"), "LAB"),
        (encoded(PIL.Image.fromarray(RGB), "GIF", **FRAMES), "several frames"),
        (encoded(PIL.Image.fromarray(RGB), "TIFF", **FRAMES), "several frames"),
        (encoded(PIL.Image.fromarray(RGB), **FRAMES), "several frames"),
        (png(10_000, 9_000, 8, 2), "89478485"),  # Pillow only warns of these
        (png(20_000, 20_000, 8, 2), "89478485"),
    ],
)
def test_read_refuses_unsupported_files_in_one_line(tmp_path, data, message):
    path = tmp_path / "x.png"
    path.write_bytes(data)
    with pytest.raises(ImageError) as refusal:
        read_picture(path)
    assert message in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def corrupt_exif():
    """EXIF with one entry whose data lie beyond the end: Pillow warns about it."""
    entry = struct.pack("<HHII", 0x010F, 2, 100, 5000)
    return b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry + bytes(4)


def test_concurrent_readers_show_no_warning_and_keep_the_filters(tmp_path):
    path = tmp_path / "x.jpg"
    path.write_bytes(encoded(PIL.Image.fromarray(RGB), "JPEG", exif=corrupt_exif()))
    with pytest.warns(UserWarning, match="larger than file|Corrupt EXIF"), PIL.Image.open(path) as image:
        image.getexif()

    def read_often(_):
        for _ in range(30):
            assert read_picture(path).hw == (6, 4)

    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(read_often, range(8)))
        assert warnings.filters == before
    assert shown == []


def test_opener_that_is_registered_later_is_used(tmp_path, monkeypatch):
    """As pillow_heif and other plugins of Pillow do, also after the first picture was read."""
    path = tmp_path / "x.new"
    path.write_bytes(b"new format")
    with pytest.raises(ImageError, match="is not a picture that Pillow can read"):
        read_picture(path)

    class New(PIL.ImageFile.ImageFile):
        format = "NEW"

        def _open(self):
            self._mode, self._size = "RGB", (4, 6)

        def load(self):
            self.im = PIL.Image.fromarray(RGB).im
            return

    for name in ("OPEN", "ID", "MIME", "EXTENSION"):
        monkeypatch.setattr(PIL.Image, name, type(getattr(PIL.Image, name))(getattr(PIL.Image, name)))
    PIL.Image.register_open("NEW", New, lambda head: head.startswith(b"new format"))
    assert np.array_equal(read_picture(path).pixels, RGB)


def test_read_refuses_missing_files_folders_and_devices(tmp_path):
    for path, message in [
        (tmp_path, "folder"),
        (tmp_path / "x", "not exist"),
        ("/dev/zero", "device"),
    ]:
        with pytest.raises(ImageError, match=message):
            read_picture(path)
