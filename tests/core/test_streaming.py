"""Pictures larger than the memory: read, computed and written in parts, with the same values."""

import errno
import os
import struct
import subprocess
import sys
import zlib
from functools import partial

import numpy as np
import pytest
from PIL import Image

import resizekit
from resizekit.errors import ImageError, MissingExtraError
from resizekit.images.pipeline import down_picture, up_picture
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.write import write_picture
from resizekit.pictures.picture import Picture
from resizekit.storage.formats import Storage
from resizekit.storage.png16 import PNG16
from resizekit.system.scratch import Scratch, is_on_disk, scratch

pytest.importorskip("pyvips", reason="needs the extra large")

SIZE = (131, 150)
COLOURS = np.random.default_rng(0).integers(0, 256, (*SIZE, 4), np.uint8)
COLOURS[:, :, 3] = COLOURS[:, :, 3] // 2 + 100
RGB = Image.fromarray(COLOURS[:, :, :3])


def rotated():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


SOURCES = {
    "rgb.jpg": partial(RGB.save, quality=90),
    "4-2-0.jpg": partial(RGB.save, quality=60, subsampling=2),
    "progressive.jpg": partial(RGB.save, progressive=True),
    "grey.jpg": RGB.convert("L").save,
    "rotated.jpg": partial(RGB.save, exif=rotated()),
    "rgb.png": partial(RGB.save, icc_profile=None, dpi=(300, 300)),
    "grey.png": RGB.convert("L").save,
    "alpha.png": Image.fromarray(COLOURS).save,
    "grey-alpha.png": Image.fromarray(COLOURS).convert("LA").save,
    "palette.png": RGB.convert("P").save,
    "16 bits.png": lambda path: PNG16.save(path, COLOURS[:, :, :3].astype(np.uint16) * 251),
    "rgb.tif": partial(RGB.save, dpi=(300, 300)),
    "lzw.tif": partial(RGB.save, compression="tiff_lzw"),
    "grey.tif": RGB.convert("L").save,
    "rotated.tif": partial(RGB.save, exif=rotated()),
    "jpeg.tif": partial(RGB.save, compression="jpeg"),
    "16 bits.tif": lambda path: write_picture(path, Picture(pixels=COLOURS[:, :, :3].astype(np.uint16) * 251)),
    "rgb.webp": partial(RGB.save, lossless=True),
}


@pytest.fixture
def on_disk(tmp_path):
    """Arrays above 4 kB go to files."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    with scratch(Scratch(folder, 4000)):
        yield folder
    assert not list(folder.iterdir()), "temporary files have no name"


@pytest.fixture(scope="module")
def codec():
    return resizekit.load("sr-x2-fast")


@pytest.mark.parametrize("name", SOURCES)
def test_pictures_in_files_give_the_bits_of_pictures_in_memory(name, codec, tmp_path):
    SOURCES[name](tmp_path / name)
    picture = read_picture(tmp_path / name)
    codec = codec.with_compression("uint16") if picture.bits == 16 else codec
    small, manifest = down_picture(codec, picture, tile=64)
    restored = up_picture(codec, small, manifest, tile=64)
    with scratch(Scratch(tmp_path, 4000)):
        from_file = read_picture(tmp_path / name)
        small2, manifest2 = down_picture(codec, from_file, tile=64)
        write_picture(tmp_path / "small.png", small2, storage=codec.storage)
        restored2 = up_picture(codec, read_picture(tmp_path / "small.png", as_stored=True), manifest2, tile=64)
        write_picture(tmp_path / "restored.png", restored2)
    assert is_on_disk(restored2.pixels)
    assert from_file.digest == picture.digest
    assert (from_file.icc, from_file.metadata) == (picture.icc, picture.metadata)
    assert (manifest2, small2.digest, restored2.digest) == (manifest, small.digest, restored.digest)
    assert read_picture(tmp_path / "small.png", as_stored=True).embedded_manifest == manifest.to_text()
    assert read_picture(tmp_path / "restored.png").digest == restored.digest
    write_picture(tmp_path / "plain.png", restored)
    assert read_picture(tmp_path / "restored.png").metadata == read_picture(tmp_path / "plain.png").metadata


@pytest.mark.parametrize("size", ["64x48", "100x131"])
def test_any_size_works_on_files(size, codec, tmp_path, on_disk):
    target = resizekit.TargetSize(size=size)
    RGB.save(tmp_path / "a.png")
    small, manifest = down_picture(codec, read_picture(tmp_path / "a.png"), target=target)
    restored = up_picture(codec, small, manifest)
    with scratch(Scratch(tmp_path, 10**9)):
        picture = read_picture(tmp_path / "a.png")
        expected, _ = down_picture(codec, picture, target=target)
        assert small.digest == expected.digest
        assert restored.digest == up_picture(codec, expected, manifest).digest


def test_repeated_steps_work_on_files(tmp_path, on_disk):
    extreme = resizekit.load("extreme", times=3)
    RGB.save(tmp_path / "a.png")
    small, manifest = down_picture(extreme, read_picture(tmp_path / "a.png"), tile=64)
    with scratch(Scratch(tmp_path, 10**9)):
        expected, _ = down_picture(extreme, read_picture(tmp_path / "a.png"), tile=64)
    assert small.digest == expected.digest == manifest.pixels


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


@pytest.mark.parametrize("name", ["rgb.jpg", "rgb.png", "16 bits.png"])
def test_broken_file_is_named_with_its_row(name, tmp_path, monkeypatch, on_disk):
    monkeypatch.setattr("resizekit.pictures.io.strips._STRIP", 10_000)
    SOURCES[name](tmp_path / name)
    cut(tmp_path / name, 0.6)
    with pytest.raises(ImageError, match=rf"{name} is broken near row \d+ \(.*\): fetch or export it again"):
        read_picture(tmp_path / name)


@pytest.mark.parametrize(
    ("compression", "damage"),
    [("raw", "cut"), ("tiff_lzw", "cut"), ("tiff_adobe_deflate", "cut"), ("tiff_adobe_deflate", "overwritten")],
)
def test_damaged_tiff_is_refused(compression, damage, tmp_path, on_disk):
    """libvips would return other pixels for a damaged strip."""
    path = tmp_path / "a.tif"
    RGB.save(path, compression=compression, strip_size=4000)
    with Image.open(path) as image:
        offsets = image.tag_v2[273]
    data, middle = path.read_bytes(), offsets[len(offsets) // 2]
    if damage == "cut":  # the directory stays, and the strips at the end are missing
        path.write_bytes(data[:middle] if offsets[0] > 200 else data[:-2000])
    else:
        path.write_bytes(data[:middle] + b"\xff" * 1500 + data[middle + 1500 :])
    with pytest.raises(ImageError, match=r"a\.tif"):
        read_picture(path)


def test_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    RGB.save(tmp_path / "a.png")
    monkeypatch.setattr("resizekit.system.scratch._reserve", full)
    with scratch(Scratch(tmp_path, 4000)), pytest.raises(ImageError, match=r"cannot keep 0\.0 GB of temporary data in"):
        read_picture(tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_full_disk_while_writing_is_one_line_and_leaves_nothing(tmp_path, on_disk, monkeypatch):
    from resizekit.pictures.io import png_strips, write

    RGB.save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")

    class Full:
        def write(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def on_full_disk(file, *args, **options):
        png_strips.write_png_strips(Full(), *args, **options)

    monkeypatch.setitem(write._IN_STRIPS, (Storage, "PNG"), on_full_disk)
    with pytest.raises(ImageError, match="No space left on device"):
        write_picture(tmp_path / "b.png", picture)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "scratch"]


def test_missing_libvips_names_the_extra(tmp_path, monkeypatch, on_disk):
    RGB.save(tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "pyvips", None)
    with pytest.raises(MissingExtraError, match=r"resizekit\[large\]"):
        read_picture(tmp_path / "a.png")


# --- the law: 200 megapixels in one gibibyte -----------------------------------------------------------------


def write_sparse_png(path, width, height):
    """Write a picture of smooth steps with few lines, without having it in memory."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    machine = zlib.compressobj(1)
    column = (np.arange(width) // 64 % 256).astype(np.uint8)
    with path.open("wb") as file:
        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header))
        for top in range(0, height, 100):
            rows = np.zeros((min(100, height - top), 1 + 3 * width), np.uint8)
            for channel in range(3):
                rows[:, 1 + channel :: 3] = column + np.uint8(top // 100 * (channel + 1) % 256)
            file.write(chunk(b"IDAT", machine.compress(rows.tobytes())))
        file.write(chunk(b"IDAT", machine.flush()) + chunk(b"IEND", b""))


PEAK = """
import sys
from resizekit.cli import main
try:
    main()
finally:  # ru_maxrss would include the peak of the process that started this one
    with open("/proc/self/status") as file:
        peak = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    print(peak, file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory in other units")
def test_200_megapixels_need_less_than_a_gibibyte(tmp_path, small_weights, monkeypatch):
    small_weights(tmp_path / "tiny.safetensors")
    write_sparse_png(tmp_path / "large.png", 20_000, 10_000)
    for command in (["down", "large.png", "small.png"], ["up", "small.png", "up.png"]):
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *command, "--weights", "tiny.safetensors", "--memory", "1000MB", "-q"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        assert int(done.stderr.split()[-1]) < 2**30
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with Image.open(tmp_path / "up.png") as image:
        assert image.size == (20_000, 10_000)


READ = """
import sys
import pyvips
from resizekit.images.small_files import inspect_small
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.picture import Picture

def used(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))

read_picture(sys.argv[1])  # what libvips keeps
before = used("VmRSS")
open("/proc/self/clear_refs", "w").write("5")  # the peak starts anew
picture = read_picture(sys.argv[2])
decoded = picture.pixels.nbytes + (0 if picture.alpha is None else picture.alpha.nbytes)
print((used("VmHWM") - before) / decoded)
"""


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the peak cannot be measured here")
@pytest.mark.parametrize("name", ["rgb.jpg", "rgb.png", "alpha.png", "16 bits.png"])
def test_reading_needs_little_more_than_the_decoded_picture(name, tmp_path):
    colours = np.tile(COLOURS, (40, 40, 1))  # 31 megapixels
    rgb = Image.fromarray(colours[:, :, :3])
    write = {
        "rgb.jpg": rgb.save,
        "rgb.png": partial(rgb.save, compress_level=1),
        "alpha.png": partial(Image.fromarray(colours).save, compress_level=1),
        "16 bits.png": lambda path: PNG16.save(path, colours.astype(np.uint16) * 257),
    }
    write[name](tmp_path / name)
    Image.fromarray(COLOURS[:20, :20, :3]).resize((2100, 2100)).save(tmp_path / "other.png")
    command = [sys.executable, "-c", READ, str(tmp_path / "other.png"), str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert float(done.stdout) < 1.3
