"""Content that image libraries leave out or misread: transparent greys, TGA attributes, pages and bands of TIFF."""

import struct
import zlib

import numpy as np
import pytest
import tifffile

from resizekit.pictures.io.read import read_picture

RGB = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)


def grey_png(depth, transparent):
    """Build a PNG of all grey values of a depth, one of which is transparent."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    count, per_byte = 1 << depth, 8 // depth
    row = bytes(
        sum(value << depth * (per_byte - 1 - i) for i, value in enumerate(range(start, start + per_byte)))
        for start in range(0, count, per_byte)
    )
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", count, 2, depth, 0, 0, 0, 0),
        b"tRNS": struct.pack(">H", transparent),
        b"IDAT": zlib.compress((b"\0" + row) * 2),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, data) for name, data in chunks.items())


@pytest.mark.parametrize(("depth", "transparent"), [(2, 0), (2, 3), (4, 8), (4, 15), (8, 200)])
def test_transparent_grey_of_every_depth(tmp_path, depth, transparent):
    (tmp_path / "x.png").write_bytes(grey_png(depth, transparent))
    picture = read_picture(tmp_path / "x.png")
    values = np.arange(1 << depth)
    assert picture.pixels[0, :, 0].tolist() == (values * (255 // values[-1])).tolist()
    assert picture.alpha.tolist() == [np.where(values == transparent, 0, 255).tolist()] * 2


@pytest.mark.parametrize("attribute_bits", [0, 8])
def test_tga_without_attribute_bits_is_opaque(tmp_path, attribute_bits):
    alpha = np.arange(RGB[:, :, 0].size, dtype=np.uint8).reshape(RGB.shape[:2])
    head = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 32, 24, 32, 0x20 | attribute_bits)
    (tmp_path / "x.tga").write_bytes(head + np.dstack((RGB[:, :, ::-1], alpha)).tobytes())
    picture = read_picture(tmp_path / "x.tga")
    assert np.array_equal(picture.pixels, RGB)
    assert picture.alpha is None if attribute_bits == 0 else np.array_equal(picture.alpha, alpha)


@pytest.mark.parametrize("thumbnail_first", [False, True])
def test_tiff_with_a_thumbnail_is_read_in_full_size(tmp_path, thumbnail_first):
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        for is_thumbnail in (thumbnail_first, not thumbnail_first):
            pixels = RGB[::4, ::4] if is_thumbnail else RGB
            file.write(pixels, photometric="rgb", subfiletype=int(is_thumbnail), metadata=None)
    assert np.array_equal(read_picture(tmp_path / "x.tif").pixels, RGB)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_in_which_white_is_0_is_inverted(tmp_path, dtype):
    values = np.random.default_rng(1).integers(0, np.iinfo(dtype).max + 1, (9, 7), dtype)
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="miniswhite", metadata=None)
    picture = read_picture(tmp_path / "x.tif")
    assert picture.pixels.dtype == dtype
    assert np.array_equal(picture.pixels[:, :, 0], np.iinfo(dtype).max - values)


@pytest.mark.parametrize("bands", [4, 5])
def test_tiff_keeps_bands_beyond_rgb(tmp_path, bands):
    values = np.random.default_rng(2).integers(0, 256, (9, 7, bands), np.uint8)
    extra = ["unspecified"] * (bands - 3)
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="rgb", extrasamples=extra, metadata=None)
    picture = read_picture(tmp_path / "x.tif")
    assert (picture.mode, picture.alpha) == ("CUBE", None)
    assert np.array_equal(picture.pixels, values)
