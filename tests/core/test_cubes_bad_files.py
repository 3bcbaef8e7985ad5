"""Unsupported and hostile files of arrays and cubes are refused in one line."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
import tifffile

from resizekit.errors import ImageError
from resizekit.pictures.io.read import read_picture


def npy(array, **header):
    """Make an .npy whose header contradicts its data."""
    file = io.BytesIO()
    fields = {
        "descr": np.lib.format.dtype_to_descr(array.dtype),
        "fortran_order": False,
        "shape": array.shape,
    } | header
    np.lib.format.write_array_header_1_0(file, fields)
    return file.getvalue() + array.tobytes()


def npz(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


def pickled():
    file = io.BytesIO()
    np.save(file, np.array([[[{"rm": 1}]]], object), allow_pickle=True)
    return file.getvalue()


def pages(*arrays):
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as tiff:
        for array in arrays:
            tiff.write(array, photometric="minisblack", metadata=None, contiguous=False)
    return file.getvalue()


def floats_with_alpha():
    file = io.BytesIO()
    values = np.full((4, 5, 4), 0.5, np.float32)
    tifffile.imwrite(file, values, photometric="rgb", extrasamples=["unassalpha"], metadata=None)
    return file.getvalue()


SOUND = np.zeros((4, 5, 6), np.uint8)
WIDE = b"\x93NUMPY\x02\0" + struct.pack("<I", 2**32 - 1) + b"{" * 20_000
HOSTILE = {
    "pickle": (pickled(), "Python objects"),
    "pickle in a zip": (npz(x=pickled()), "Python objects"),
    "two arrays": (npz(x=npy(SOUND), y=npy(SOUND)), "holds 2 arrays"),
    "no array": (npz(), "not a picture"),
    "text in a zip": (npz(x=b"hello"), "does not hold a NumPy array"),
    "two axes": (npy(SOUND[0]), "three axes"),
    "four axes": (npy(SOUND[None]), "three axes"),
    "nothing": (npy(SOUND[:0]), "holds an empty array"),
    "less than nothing": (npy(SOUND, shape=(-4, 5, 6)), "holds an empty array"),
    "doubles": (npy(SOUND.astype(np.float64)), "float64"),
    "signed": (npy(SOUND.astype(np.int16)), "int16"),
    "a record": (npy(np.zeros((1, 1, 1), [("a", "u1")])), "type"),
    "4097 channels": (npy(np.zeros((1, 1, 4097), np.uint8)), "more than 4096"),
    "truncated": (npy(SOUND)[:-1], "holds less than the 120 bytes"),
    "too long": (npy(SOUND) + b"x", "holds more than the 120 bytes"),
    "larger than it is": (npy(SOUND, shape=(2**31, 2**31, 31)), "too many"),
    "larger than it may be": (npy(SOUND, shape=(9000, 9000, 31)), "too many"),
    "a bomb": (npz(x=npy(SOUND) + bytes(10_000_000)), "holds more than"),
    "a header of 4 GB": (WIDE, "does not hold a NumPy array"),
    "half a header": (npy(SOUND)[:20], "cannot be read"),
    "NaN": (npy(np.full((1, 1, 2), np.nan, np.float32)), "NaN or infinity"),
    "infinity": (npy(np.full((1, 1, 2), np.inf, np.float32)), "NaN or infinity"),
    "floats of no range": (npy(np.full((1, 1, 2), 0.5, np.float32)), "--value-range LOW,HIGH"),
    "pages of two sizes": (pages(SOUND[0], SOUND[1, 1:]), "different sizes or types"),
    "pages of two types": (pages(SOUND[0], SOUND[1].astype(np.uint16)), "different sizes or types"),
    "floats with alpha": (floats_with_alpha(), "alpha of float32: export it without, or with 16 bits a channel"),
    "pages of doubles": (pages(*np.zeros((2, 4, 5))), "float64"),
}


@pytest.mark.parametrize(("data", "message"), HOSTILE.values(), ids=HOSTILE)
def test_read_array_refuses_unsupported_files_in_one_line(tmp_path, data, message):
    path = tmp_path / "x.npy"
    path.write_bytes(data)
    with pytest.raises(ImageError) as refusal:
        read_picture(path)
    assert message in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_read_array_allocates_nothing_for_a_zip_bomb(tmp_path):
    """The header declares 120 bytes, and half a gigabyte follows, of which almost nothing is unpacked."""
    (tmp_path / "x.npz").write_bytes(npz(x=npy(SOUND) + bytes(500_000_000)))
    tracemalloc.start()
    with pytest.raises(ImageError, match="holds more than"):
        read_picture(tmp_path / "x.npz")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
