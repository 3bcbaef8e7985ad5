"""`inspect_small` and `resizekit info` read the manifest of any file with little memory and time."""

import json
import struct
import subprocess
import sys
import zlib

import numpy as np
import PIL.Image
import pytest
import tifffile
from PIL.PngImagePlugin import PngInfo

from resizekit import RunOptions, down_file
from resizekit.errors import ImageError, ManifestError
from resizekit.images import small_files
from resizekit.images.sidecar import sidecar_of
from resizekit.images.small_files import inspect_small, read_small, restored_suffix
from resizekit.pictures.io.header import read_header
from resizekit.pictures.io.metadata import metadata_options
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.manifest import KEYWORD, Manifest
from resizekit.pictures.metadata import NO_METADATA
from resizekit.pictures.picture import Picture
from resizekit.storage.png16 import PNG16

WEIGHTS = "sr-x2-fast"
LARGE = 9400
"""Side of a picture just under the pixel limit."""
MEGABYTES, SECONDS = 512, 8
"""Most memory of `resizekit info` on a file below 1 MB; the time is 2 s on a machine without other work."""


@pytest.fixture
def photo(tmp_path):
    rows, columns = np.mgrid[:37, :50]
    PIL.Image.fromarray(np.stack((4 * rows, 3 * columns, 90 + rows), 2).astype(np.uint8)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def manifest(photo, tmp_path):
    return down_file(photo, tmp_path / "small.png", weights=WEIGHTS)


@pytest.fixture
def info(measured):
    """Run the command in a new process; return exit code, output, errors, peak memory in MB and CPU time in seconds."""
    return lambda path: measured(sys.executable, "-m", "resizekit", "info", path)


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def large_png(depth, colour, more=b""):
    channels = {2: 3, 6: 4}[colour]
    body = zlib.compress(bytes((LARGE * channels * depth // 8 + 1) * LARGE))
    head = struct.pack(">IIBBBBB", LARGE, LARGE, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def texts(count):
    """Texts of 1 MiB each, of a keyword that counts."""
    text = zlib.compress(b"x" * (2**20 - 1))
    return b"".join(chunk(b"zTXt", f"{KEYWORD}\0\0".encode() + text[:-1] + b"\1") for _ in range(count))


def large_image(suffix, mode="RGB"):
    def write(path):
        options = {".webp": {"lossless": True, "method": 0}, ".tif": {"compression": "tiff_adobe_deflate"}}
        PIL.Image.new(mode, (LARGE, LARGE)).save(path, suffix[1:].replace("tif", "tiff"), **options.get(suffix, {}))

    return write


LARGE_TIFF = {"photometric": "minisblack", "compression": "adobe_deflate", "metadata": None}


def large_cube(path):
    tifffile.imwrite(path, np.zeros((6000, 6000, 5), np.uint16), planarconfig="contig", **LARGE_TIFF)


def large_icon(path):
    data = large_png(8, 6)
    path.write_bytes(struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(data), 22) + data)


HOSTILE = {
    "PNG": lambda path: path.write_bytes(large_png(8, 6)),
    "PNG of 16 bits": lambda path: path.write_bytes(large_png(16, 6)),
    "PNG with many texts": lambda path: path.write_bytes(large_png(8, 2, texts(600))),
    "WebP": large_image(".webp"),
    "TIFF": large_image(".tif"),
    "GIF": large_image(".gif", "L"),
    "TIFF with many channels": large_cube,
    "icon": large_icon,
}


@pytest.mark.parametrize("write", HOSTILE.values(), ids=HOSTILE)
def test_info_of_a_small_file_needs_little_memory(info, tmp_path, write):
    path = tmp_path / "x"
    write(path)
    assert path.stat().st_size < 2e6
    code, out, err, memory, seconds = info(path)
    assert (code, out) == (1, "")
    assert "carries no manifest" in err
    assert len(err.splitlines()) == 1
    assert memory < MEGABYTES
    assert seconds < SECONDS


def test_info_of_the_largest_checked_picture_needs_little_memory(info, tmp_path, manifest):
    pixels = np.zeros((2449, 2449, 4), np.uint16)  # 16 bits and alpha need most memory for a pixel
    note = PngInfo()
    picture = Picture(pixels=pixels[:, :, :3], alpha=pixels[:, :, 3])
    note.add_itxt(KEYWORD, manifest.model_copy(update={"pixels": picture.digest}).to_text())
    PNG16.save(tmp_path / "x.png", pixels, pnginfo=note)
    code, out, err, memory, seconds = info(tmp_path / "x.png")
    assert (code, err) == (0, "")
    assert picture.digest in out
    assert memory < MEGABYTES
    assert seconds < SECONDS


@pytest.mark.parametrize("width", [1, 16])
def test_info_of_a_thin_picture_needs_little_memory(info, tmp_path, manifest, width):
    height = 11_999_999 // width
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    note = chunk(b"iTXt", f"{KEYWORD}\0\0\0\0\0{manifest.to_text()}".encode())
    body = chunk(b"IDAT", zlib.compress(bytes((3 * width + 1) * height)))
    path = tmp_path / "x.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + note + body + chunk(b"IEND", b""))
    *_, err, memory, seconds = info(path)
    assert ("is large" if width == 1 else "was changed") in err
    assert memory < MEGABYTES
    assert seconds < SECONDS


def test_large_pictures_are_not_checked(monkeypatch, tmp_path, manifest):
    assert inspect_small(tmp_path / "small.png") == (manifest, True)
    monkeypatch.setattr(small_files, "_CHECKED", 25 * 19 * 4 - 1)
    monkeypatch.setattr(small_files, "read_small", None)
    assert inspect_small(tmp_path / "small.png") == (manifest, False)


def test_changed_pixels_are_noticed_up_to_the_limit(monkeypatch, tmp_path, manifest):
    note = PngInfo()
    note.add_itxt(KEYWORD, manifest.to_text())
    PIL.Image.new("RGB", (25, 19)).save(tmp_path / "x.png", pnginfo=note)
    with pytest.raises(ManifestError, match="was changed"):
        inspect_small(tmp_path / "x.png")
    monkeypatch.setattr(small_files, "_CHECKED", 25 * 19 * 4 - 1)
    assert inspect_small(tmp_path / "x.png") == (manifest, False)


def test_info_names_a_picture_that_it_does_not_check(cli, monkeypatch, tmp_path, manifest):
    monkeypatch.setattr(small_files, "_CHECKED", 0)
    run = cli("info", tmp_path / "small.png", "--json")
    assert run.code == 0
    assert json.loads(run.out)["weights"] == WEIGHTS
    assert run.err == f"note: {tmp_path / 'small.png'} is large: its pixels are checked by `up` only\n"


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF", "JXL"])
def test_header_has_the_manifest_of_the_file(tmp_path, manifest, form):
    if form == "JXL":
        pytest.importorskip("pillow_jxl")
    options = metadata_options(form, NO_METADATA, manifest.to_text())
    PIL.Image.new("RGB", (25, 19), "teal").save(tmp_path / "x", form, **options)
    read = read_header(tmp_path / "x")
    assert read.manifest == read_picture(tmp_path / "x").embedded_manifest
    assert Manifest.from_text(read.manifest, "x") == manifest
    assert read.decoded_bytes == 25 * 19 * 4


def test_header_reads_exif_of_jxl_behind_its_offset(tmp_path, manifest):
    """The standard puts an offset before the data, which the plugin of Pillow does not write."""
    options = metadata_options("WEBP", NO_METADATA, manifest.to_text())
    body = struct.pack(">I", 3) + b"pad" + options["exif"].removeprefix(b"Exif\0\0")
    code = b"\xff\x0a" + (0b1 | 2 << 1 | 1 << 6 | 1 << 9).to_bytes(8, "little")  # 24x24 pixels, all fields default
    boxes = [(b"ftyp", b"jxl \0\0\0\0jxl "), (b"Exif", body), (b"jxlc", code)]
    parts = [struct.pack(">I", 8 + len(content)) + name + content for name, content in boxes]
    (tmp_path / "x.jxl").write_bytes(b"\0\0\0\x0cJXL \r\n\x87\n" + b"".join(parts))
    assert Manifest.from_text(read_header(tmp_path / "x.jxl").manifest, "x") == manifest


@pytest.mark.parametrize(
    ("name", "write", "size"),
    [
        ("x.npy", lambda path: np.save(path, np.zeros((5, 6, 7), np.float32)), 5 * 6 * 7 * 4),
        ("x.npz", lambda path: np.savez(path, np.zeros((5, 6, 7), np.uint16)), 5 * 6 * 7 * 2),
        ("x.tif", lambda path: tifffile.imwrite(path, np.zeros((3, 5, 6), np.uint16), photometric="minisblack"), 180),
        ("x.tif", lambda path: tifffile.imwrite(path, np.zeros((5, 6, 7), np.float32), metadata=None), 840),
    ],
)
def test_header_counts_the_bytes_of_arrays(tmp_path, name, write, size):
    write(tmp_path / name)
    assert read_header(tmp_path / name) == (None, size)


def test_header_of_an_icon_does_not_trust_its_size(tmp_path):
    PIL.Image.new("RGBA", (32, 32)).save(tmp_path / "x.ico")
    assert read_header(tmp_path / "x.ico") == (None, None)


def test_header_refuses_pictures_beyond_the_limit(tmp_path, monkeypatch):
    PIL.Image.new("RGB", (30, 30)).save(tmp_path / "x.png")
    PIL.Image.new("RGB", (30, 30)).save(tmp_path / "x.bmp")
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 500)
    for name in ("x.png", "x.bmp"):
        with pytest.raises(ImageError, match="too many pixels: the limit is 500"):
            read_header(tmp_path / name)


def test_suffix_of_a_restored_picture_decodes_nothing(tmp_path, manifest, monkeypatch):
    monkeypatch.setattr(small_files, "read_picture", None)
    assert restored_suffix(tmp_path / "small.png") == ".png"
    cube = manifest.model_copy(update={"mode": "CUBE", "channels": 5})
    (tmp_path / "small.png").unlink()
    PIL.Image.new("RGB", (25, 19)).save(tmp_path / "small.png")
    sidecar_of(tmp_path / "small.png").write_text(cube.to_text())
    assert restored_suffix(tmp_path / "small.png") == ".npy"


def test_small_file_with_a_sidecar_is_read_once(tmp_path, photo, monkeypatch):
    manifest = down_file(photo, tmp_path / "s.png", weights=WEIGHTS, options=RunOptions(sidecar=True))
    with PIL.Image.open(tmp_path / "s.png") as image:
        pixels = np.asarray(image)
    PIL.Image.fromarray(pixels).save(tmp_path / "s.png")
    reads = []
    monkeypatch.setattr(small_files, "read_picture", lambda *a, **k: (reads.append(a), read_picture(*a, **k))[1])
    assert read_small(tmp_path / "s.png")[1] == manifest
    assert len(reads) == 1


def test_info_does_not_import_torch(tmp_path, manifest):
    code = (
        "import runpy, sys\nsys.argv = ['resizekit', 'info', sys.argv[1]]\n"
        "try: runpy.run_module('resizekit', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "small.png")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert manifest.pixels in done.stdout
    assert done.stdout.splitlines()[-1] == "False"
