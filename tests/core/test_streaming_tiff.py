"""Large TIFF files, written strip by strip: the pixels and metadata of files that are written in one piece."""

import errno
import itertools

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from resizekit.errors import ImageError
from resizekit.pictures.io import tiff_strips
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.write import write_picture
from resizekit.pictures.metadata import Metadata
from resizekit.pictures.picture import Picture
from resizekit.system.scratch import Scratch, empty, is_on_disk, scratch

SIZE = (131, 150)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif():
    tags = Image.Exif()
    tags[0x010F], tags[0x010E], tags[0x0131], tags[0x0132] = "maker", "a description", "program", "2020:01:02 03:04:05"
    tags[0x011A] = 3.5
    return tags.tobytes()


METADATA = Metadata(exif=exif(), xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>", dpi=(300.0, 200.0))


def noise(*shape, bits):
    array = empty(shape, np.uint16 if bits == 16 else np.uint8)
    array[:] = np.random.default_rng(0).integers(0, 2**bits, shape)
    return array


def picture(channels, alpha, bits, metadata=METADATA, icc=None):
    return Picture(
        pixels=noise(*SIZE, channels, bits=bits),
        alpha=noise(*SIZE, bits=bits) if alpha else None,
        metadata=metadata,
        icc=icc,
    )


@pytest.fixture
def on_disk(tmp_path):
    """Arrays above 4 kB go to files."""
    (tmp_path / "scratch").mkdir()
    with scratch(Scratch(tmp_path / "scratch", 4000)):
        yield


@pytest.mark.parametrize(("channels", "alpha", "bits"), list(itertools.product((1, 3), (False, True), (8, 16))))
def test_tiff_in_strips_reads_as_one_in_one_piece(channels, alpha, bits, tmp_path, on_disk, monkeypatch):
    monkeypatch.setattr(tiff_strips, "_STRIP", 5000)
    like = picture(channels, alpha, bits)
    assert is_on_disk(like.pixels)
    write_picture(tmp_path / "strips.tif", like)
    with scratch(Scratch(tmp_path, 10**9)):
        write_picture(tmp_path / "whole.tif", picture(channels, alpha, bits))
        strips, whole = (read_picture(tmp_path / f"{name}.tif") for name in ("strips", "whole"))
    assert strips.digest == like.digest == whole.digest
    assert (strips.mode, strips.icc, strips.metadata) == (whole.mode, whole.icc, whole.metadata)
    with tifffile.TiffFile(tmp_path / "strips.tif") as file:
        assert len(file.pages[0].dataoffsets) > 3
        assert not file.is_bigtiff


@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_in_strips_keeps_profile_and_tags(bits, tmp_path, on_disk):
    write_picture(tmp_path / "a.tif", picture(3, False, bits, icc=SRGB))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        tags = {tag.name: tag.value for tag in file.pages[0].tags}
    assert (tags["Make"], tags["ImageDescription"], tags["Software"]) == ("maker", "a description", "program")
    assert tags["DateTime"] == "2020:01:02 03:04:05"
    assert (tags["XResolution"], tags["YResolution"], tags["ResolutionUnit"]) == ((300, 1), (200, 1), 2)
    assert tags["XMP"] == METADATA.xmp


def test_large_tiff_has_offsets_of_64_bits(tmp_path, on_disk, monkeypatch):
    monkeypatch.setattr(tiff_strips, "_LARGEST", 1000)
    like = picture(3, False, 8)
    write_picture(tmp_path / "a.tif", like)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_bigtiff
        assert np.array_equal(file.asarray(), like.pixels)


def test_full_disk_while_writing_a_tiff_leaves_nothing(tmp_path, on_disk, monkeypatch):
    strips = tiff_strips._strips

    def full(*args):
        yield next(strips(*args))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tiff_strips, "_STRIP", 5000)
    monkeypatch.setattr(tiff_strips, "_strips", full)
    with pytest.raises(ImageError, match=r"cannot write .*a\.tif \(.*No space left.*\): free space"):
        write_picture(tmp_path / "a.tif", picture(3, False, 8))
    assert [path.name for path in tmp_path.iterdir()] == ["scratch"]
