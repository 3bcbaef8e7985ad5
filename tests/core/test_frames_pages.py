"""`read_picture(frame=)`: files that libraries write: pages of a TIFF, AVIF, and single pictures."""

import io

import numpy as np
import PIL.Image
import pytest
import tifffile

from resizekit.errors import ImageError
from resizekit.pictures.io.read import read_picture

RNG = np.random.default_rng(7)
PAGES = [RNG.integers(0, 256, (6 + i, 9, 3), np.uint8) for i in range(3)]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_tiff_frame_is_a_page_without_thumbnails(tmp_path, big, order):
    with tifffile.TiffWriter(tmp_path / "x.tif", bigtiff=big, byteorder=order) as writer:
        for page in PAGES:
            writer.write(page, photometric="rgb", metadata=None)
            writer.write(page[::2, ::2], photometric="rgb", metadata=None, subfiletype=1)
    for number, page in enumerate(PAGES, 1):
        assert np.array_equal(read_picture(tmp_path / "x.tif", frame=number).pixels, page)
    with pytest.raises(ImageError, match="has no frame 4: it has 3 frames"):
        read_picture(tmp_path / "x.tif", frame=4)
    with pytest.raises(ImageError, match="several frames or pages: choose one with --frame"):
        read_picture(tmp_path / "x.tif")


def test_tiff_frame_of_sixteen_bits_and_of_a_cube(tmp_path):
    bands = RNG.integers(0, 65536, (3, 5, 7)).astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / "x.tif") as writer:
        for band in bands:
            writer.write(band, photometric="minisblack", metadata=None, contiguous=False)
    assert read_picture(tmp_path / "x.tif").pixels.shape == (5, 7, 3)
    assert np.array_equal(read_picture(tmp_path / "x.tif", frame=2).pixels[:, :, 0], bands[1])


def test_tiff_page_does_not_inherit_the_profile_of_the_first(tmp_path):
    with tifffile.TiffWriter(tmp_path / "x.tif") as writer:
        writer.write(PAGES[0], photometric="rgb", metadata=None, iccprofile=b"profile" * 30, resolution=(300, 300))
        writer.write(PAGES[1], photometric="rgb", metadata=None, resolution=(72, 72))
    picture = read_picture(tmp_path / "x.tif", frame=2)
    assert picture.icc is None
    assert picture.metadata.dpi == (72, 72)


@pytest.fixture
def read(tmp_path):
    """Write data to a file, and read a frame of it."""

    def read(data, frame=None):
        (tmp_path / "x").write_bytes(data)
        return read_picture(tmp_path / "x", frame=frame)

    return read


@pytest.mark.parametrize("form", ["PNG", "GIF", "JPEG", "WEBP", "AVIF", "TIFF", "BMP"])
def test_plain_picture_is_frame_one(read, form):
    file = io.BytesIO()
    PIL.Image.fromarray(PAGES[0]).save(file, form)
    plain = read(file.getvalue())
    assert np.array_equal(read(file.getvalue(), 1).pixels, plain.pixels)
    with pytest.raises(ImageError, match="has no frame 2: it is read as a single frame, number 1"):
        read(file.getvalue(), 2)


def test_array_is_frame_one(tmp_path):
    np.save(tmp_path / "x.npy", PAGES[0])
    assert np.array_equal(read_picture(tmp_path / "x.npy", frame=1).pixels, PAGES[0])
    with pytest.raises(ImageError, match="has no frame 2"):
        read_picture(tmp_path / "x.npy", frame=2)


def test_avif_frame_is_that_of_its_number(read):
    images = [PIL.Image.new("RGB", (32, 24), colour) for colour in ("red", "lime", "blue")]
    file = io.BytesIO()
    images[0].save(file, "AVIF", save_all=True, append_images=images[1:], quality=95)
    for number, image in enumerate(images, 1):
        difference = read(file.getvalue(), number).pixels.astype(int) - np.asarray(image)
        assert np.abs(difference).max() < 12, f"frame {number}"
    with pytest.raises(ImageError, match="has no frame 4: it has 3 frames, so choose 1 to 3"):
        read(file.getvalue(), 4)


def test_gif_frame_of_grey_palette_and_interlacing(read):
    rows, columns = np.mgrid[:12, :16]
    grey = [PIL.Image.fromarray((rows * 9 + columns * i).astype(np.uint8)) for i in (1, 5)]
    file = io.BytesIO()
    grey[0].save(file, "GIF", save_all=True, append_images=grey[1:], interlace=1)
    assert np.array_equal(read(file.getvalue(), 2).pixels[:, :, 0], np.asarray(grey[1]))


def test_frame_keeps_exif_and_orientation(read):
    exif = PIL.Image.Exif()
    exif.update({0x13B: "me", 0x112: 6})
    images = [PIL.Image.new("RGB", (16, 12), colour) for colour in ("red", "lime")]
    file = io.BytesIO()
    images[0].save(file, "WEBP", save_all=True, append_images=images[1:], exif=exif)
    picture = read(file.getvalue(), 2)
    assert picture.hw == (16, 12)
    kept = PIL.Image.Exif()
    kept.load(picture.metadata.exif)
    assert kept[0x13B] == "me"
