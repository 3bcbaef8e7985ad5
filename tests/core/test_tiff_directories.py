"""TIFF directories that loop, overlap or declare too much are refused before they are parsed."""

import io
import struct
import time

import numpy as np
import pytest
import tifffile

from resizekit.errors import ImageError
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.tiff_directories import check_directories

SHORT, LONG = 3, 4
PAGE = [(256, SHORT, 1, 1), (257, SHORT, 1, 1), (258, SHORT, 1, 16), (273, LONG, 1, 8), (277, SHORT, 1, 1)]
"""Tags of a page of one 16-bit pixel: code, type, count, value."""


def directory(tags, following):
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return struct.pack("<H", len(tags)) + entries + struct.pack("<I", following)


def tiff(*directories):
    """Write directories one after the other, each with the index of the next one and the index that EXIF names."""
    positions = [8]
    for tags, _, inner in directories:
        positions.append(positions[-1] + 6 + 12 * (len(tags) + (inner is not None)))
    parts = [struct.pack("<2sHI", b"II", 42, 8)]
    for tags, following, inner in directories:
        pointer = [] if inner is None else [(34665, LONG, 1, positions[inner])]
        parts.append(directory(tags + pointer, 0 if following is None else positions[following]))
    return b"".join(parts)


HOSTILE = {
    "a page that names itself": (tiff((PAGE, 0, None)), "form a loop"),
    "two pages that name each other": (tiff((PAGE, 1, None), (PAGE, 0, None)), "form a loop"),
    "a value larger than the file": (tiff(([*PAGE, (700, 1, 1000, 8)], None, None)), "declare more than"),
    "values that together are larger": (
        tiff(([*PAGE, *[(65000 + i, 1, 100, 8) for i in range(9)]], None, None)),
        "declare more than",
    ),
    "a count of 4 billion doubles": (tiff(([*PAGE, (700, 12, 2**32 - 1, 8)], None, None)), "declare more than"),
    "an inner directory that names itself": (tiff((PAGE, 1, None), (PAGE, None, 1)), "declare more than"),
    "pages with the same inner directory": (
        tiff(*((PAGE, page + 1 if page < 8 else None, 9) for page in range(9)), (PAGE * 8, None, None)),
        "declare more than",
    ),
    "4097 pages": (tiff(*((PAGE, page + 1 if page < 4096 else None, None) for page in range(4097))), "more than 4096"),
}


@pytest.mark.parametrize(("data", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_directories_are_refused_in_one_line(tmp_path, data, message):
    path = tmp_path / "x.tif"
    path.write_bytes(data)
    began = time.process_time()
    with pytest.raises(ImageError, match=message) as refusal:
        read_picture(path)
    assert time.process_time() - began < 2
    assert str(path) in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_pages_of_every_layout_are_accepted(tmp_path, big, order):
    bands = np.arange(5 * 3 * 4, dtype=np.uint16).reshape(5, 3, 4)
    with tifffile.TiffWriter(tmp_path / "x.tif", bigtiff=big, byteorder=order) as writer:
        for band in bands:
            writer.write(band, photometric="minisblack", metadata=None, contiguous=False, description="d" * 200)
    check_directories(tmp_path / "x.tif")
    np.testing.assert_array_equal(read_picture(tmp_path / "x.tif").pixels, bands.transpose(1, 2, 0))


@pytest.mark.parametrize("big", [False, True])
def test_loops_of_every_layout_are_refused(tmp_path, big):
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=big) as writer:
        for _ in range(2):
            writer.write(np.zeros((2, 2), np.uint16), photometric="minisblack", metadata=None, contiguous=False)
    with tifffile.TiffFile(io.BytesIO(file.getvalue())) as written:
        first, second = (page.offset for page in written.pages)
    data = bytearray(file.getvalue())
    kind = "<Q" if big else "<I"
    struct.pack_into(kind, data, _end_of_tags(data, second, big), first)
    (tmp_path / "x.tif").write_bytes(data)
    with pytest.raises(ImageError, match="form a loop"):
        check_directories(tmp_path / "x.tif")


def _end_of_tags(data, offset, big):
    (count,) = struct.unpack_from("<Q" if big else "<H", data, offset)
    return offset + (8 + 20 * count if big else 2 + 12 * count)


@pytest.mark.parametrize("length", range(4, 60, 5))
def test_cut_directories_are_left_to_the_library(tmp_path, length):
    (tmp_path / "x.tif").write_bytes(tiff((PAGE, None, None))[:length])
    with pytest.raises(ImageError, match=r"^[^\n]+$"):
        read_picture(tmp_path / "x.tif")
