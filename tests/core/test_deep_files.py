"""Files of 16 bits per channel: read, write, and refused content."""

import io
import struct
import zlib

import numpy as np
import PIL.Image
import pytest
import tifffile

from resizekit.codec.convert import convert_bits
from resizekit.errors import ImageError, UsageError
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.write import write_picture
from resizekit.pictures.picture import Picture
from resizekit.storage.png16 import PNG16

PROFILE = bytes(16) + b"RGB " + bytes(8)


def photo(height=45, width=38, channels=3, alpha=False, **more):
    y, x = np.mgrid[:height, :width] / 3
    layers = [32000 + 30000 * np.sin(x + 2 * k) * np.cos(y * (1 + k)) for k in range(channels)]
    opacity = (np.hypot(x, y) * 6000).clip(0, 65535).astype(np.uint16) if alpha else None
    return Picture(pixels=np.stack(layers, 2).astype(np.uint16), alpha=opacity, **more)


@pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "alpha"])
@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_picture_survives_its_file(tmp_path, suffix, channels, alpha):
    icc = PROFILE if channels == 3 else None
    before, path = photo(7, 9, channels, alpha, icc=icc), tmp_path / f"x{suffix}"
    write_picture(path, before)
    after = read_picture(path)
    assert (after.bits, after.mode, after.icc) == (16, before.mode, icc)
    assert after.digest == before.digest != Picture(pixels=convert_bits(before.pixels, 8)).digest


@pytest.mark.parametrize("suffix", [".webp", ".bmp", ".jpg"])
def test_write_refuses_formats_of_8_bits(tmp_path, suffix):
    with pytest.raises(UsageError, match=r"cannot keep 16 bits a channel: use one of the suffixes \.png"):
        write_picture(tmp_path / f"x{suffix}", photo())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_read_applies_every_orientation(tmp_path, orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    pixels = photo(3, 5, 1).pixels
    PIL.Image.fromarray(pixels[:, :, 0]).save(tmp_path / "x.png", exif=exif)
    tags = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(tmp_path / "x.tif", pixels[:, :, 0], extratags=tags, metadata=None)
    PIL.Image.fromarray(convert_bits(pixels, 8)[:, :, 0]).save(tmp_path / "eight.png", exif=exif)
    expected = read_picture(tmp_path / "eight.png").pixels
    for name in ("x.png", "x.tif"):
        assert np.array_equal(convert_bits(read_picture(tmp_path / name).pixels, 8), expected)


@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("more", [{}, {"tile": (16, 16)}, {"compression": "lzw"}, {"byteorder": ">"}], ids=str)
def test_read_tiff_of_every_layout(tmp_path, planes, more):
    expected = photo(20, 30).pixels
    data = expected if planes == "contig" else np.moveaxis(expected, 2, 0)
    tifffile.imwrite(tmp_path / "x.tif", data, photometric="rgb", planarconfig=planes, **more)
    assert np.array_equal(read_picture(tmp_path / "x.tif").pixels, expected)


def test_read_png_turns_a_transparent_colour_into_alpha(tmp_path):
    rows = b"".join(b"\0" + struct.pack(">2H", *row) for row in ((9, 60000), (5, 9)))
    (tmp_path / "x.png").write_bytes(png(2, 2, 0, rows, (b"tRNS", struct.pack(">H", 9))))
    picture = read_picture(tmp_path / "x.png")
    assert picture.pixels[:, :, 0].tolist() == [[9, 60000], [5, 9]]
    assert picture.alpha.tolist() == [[0, 65535], [65535, 0]]


def png(width, height, colour, body, *chunks):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))
    chunks_data = b"".join(chunk(*given) for given in (*chunks, (b"IDAT", zlib.compress(body))))
    return b"\x89PNG\r\n\x1a\n" + head + chunks_data + chunk(b"IEND", b"")


def tiff(array, **more):
    file = io.BytesIO()
    tifffile.imwrite(file, array, metadata=None, **more)
    return file.getvalue()


def whole_png():
    file = io.BytesIO()
    PNG16.save(file, np.random.default_rng(0).integers(0, 65536, (30, 30, 3), np.uint16))
    return file.getvalue()


DEEP = np.zeros((4, 5), np.uint16)
PREMULTIPLIED = {"photometric": "rgb", "extrasamples": ["assocalpha"]}
HOSTILE = {
    "truncated": (whole_png()[:-900], "cannot be read"),
    "one bit off": (bytes(b ^ (i == 700) for i, b in enumerate(whole_png())), "cannot be read"),
    "2^31 wide": (png(2**31 - 1, 2**31 - 1, 2, bytes(9)), "too many pixels"),
    "larger than Pillow's warning": (png(10_000, 9_000, 2, bytes(9)), "too many pixels"),
    "larger than its data": (png(900, 900, 2, bytes(9)), "cannot be read"),
    "truncated tiff": (tiff(photo().pixels, photometric="rgb")[:-900], "cannot be read"),
    "head of a tiff": (tiff(DEEP)[:20], "cannot be read"),
    "tiff without pages": (b"II*\0\0\0\0\0", "no page"),
    "tiff in circles": (b"II*\0\x08\0\0\0\0\0\x08\0\0\0", ""),
    "signed": (tiff(DEEP.astype(np.int16)), "int16"),
    "32 bits": (tiff(DEEP.astype(np.uint32)), "values of 32 bits (uint32)"),
    "twelve bits": (
        tiff(DEEP).replace(struct.pack("<HHII", 258, 3, 1, 16), struct.pack("<HHII", 258, 3, 1, 12)),
        "12 bits",
    ),
    "white is 0, in floats": (tiff(DEEP.astype(np.float32), photometric="miniswhite"), "other colours"),
    "cmyk": (tiff(np.zeros((4, 5, 4), np.uint16), photometric="separated"), "other colours"),
    "premultiplied": (tiff(np.zeros((4, 5, 4), np.uint16), **PREMULTIPLIED), "premultiplied alpha"),
    "pages in colours": (tiff(np.zeros((2, 4, 5, 3), np.uint16), photometric="rgb"), "several frames"),
}


@pytest.mark.parametrize(("data", "message"), HOSTILE.values(), ids=HOSTILE)
def test_read_refuses_unsupported_files_in_one_line(tmp_path, capfd, data, message):
    path = tmp_path / "x.png"
    path.write_bytes(data)
    with pytest.raises(ImageError) as refusal:
        read_picture(path)
    assert message in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert capfd.readouterr() == ("", "")


def test_read_tiff_refuses_a_false_size(tmp_path):
    data = bytearray(tiff(DEEP))
    for tag in (256, 257):  # ImageWidth and ImageLength, as shorts or longs
        at = data.index(struct.pack("<H", tag), 8)
        data[at + 2 : at + 12] = struct.pack("<HII", 4, 1, 2**31 - 1)
    (tmp_path / "x.tif").write_bytes(data)
    with pytest.raises(ImageError, match="too many"):
        read_picture(tmp_path / "x.tif")
