"""docs/files.md: its tables are what reading and writing do."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PIL import ImageCms
from PIL.PngImagePlugin import PngInfo

from resizekit.errors import ImageError, ResizeKitError
from resizekit.pictures.io.heif import register_heif
from resizekit.pictures.io.icc import SRGB_PRIMARIES, gamma, make_profile
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.write import write_picture
from resizekit.pictures.picture import Picture
from resizekit.storage.jxl import register_jxl

imagecodecs = pytest.importorskip("imagecodecs")
DOCUMENT = Path(__file__).parents[1] / "docs" / "files.md"
ROWS, COLUMNS = np.mgrid[:16, :24]
RGB = np.stack((8 * ROWS, 6 * COLUMNS, 90 + ROWS), 2).astype(np.uint8)
ALPHA = np.where(COLUMNS < 12, 0, 255).astype(np.uint8)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LINEAR = make_profile("linear", gamma(1), SRGB_PRIMARIES)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
YES, NO, REFUSED, CHOSEN = "yes", "–", "refused", "`--frame`"
READ = {
    "PNG": "PNG",
    "JPEG": "JPEG",
    "WebP": "WEBP",
    "AVIF": "AVIF",
    "HEIC": "HEIF",
    "JPEG XL": "JXL",
    "TIFF": "TIFF",
    "GIF": "GIF",
    "BMP": "BMP",
    "TGA": "TGA",
}
"""Names of formats in the document, and those of Pillow."""
WRITTEN = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "WebP": ".webp",
    "AVIF": ".avif",
    "JPEG XL": ".jxl",
    "TIFF": ".tif",
    "BMP": ".bmp",
}


def table(title):
    """Return the rows of a table of the document, without its head: name, then cells."""
    text = DOCUMENT.read_text().split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    head, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows[1:]}


def tags():
    exif = PIL.Image.Exif()
    exif[0x13B] = "me"
    return exif


def xmp_option(form):
    """Return the option with which Pillow writes XMP into a format."""
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    return {"PNG": {"pnginfo": info}, "TIFF": {"tiffinfo": {700: XMP}}}.get(form, {"xmp": XMP})


@pytest.fixture
def probe(tmp_path):
    """Write a file with Pillow, read it, and return what became of one content."""
    register_heif()
    register_jxl()

    def probe(form, image, found, frame=None, convert=bytes, **options):
        path = tmp_path / "x"
        data = io.BytesIO()
        try:
            image.save(data, form, **options)
        except (OSError, ValueError, KeyError):
            return NO  # the format cannot hold it
        path.write_bytes(convert(data.getvalue()))
        try:
            return YES if found(read_picture(path, frame=frame)) else NO
        except ImageError:
            return REFUSED

    return probe


def author(picture):
    exif = PIL.Image.Exif()
    if picture.metadata.exif is not None:
        exif.load(picture.metadata.exif)
    return exif.get(0x13B) == "me"


@pytest.mark.parametrize("name", READ)
def test_table_of_formats_that_are_read(name, probe):
    form, image = READ[name], PIL.Image.fromarray(RGB)
    turned = tags()
    turned[0x112] = 6
    frames = {"save_all": True, "append_images": [PIL.Image.fromarray(255 - RGB)]}
    transparent = PIL.Image.fromarray(np.dstack((RGB, ALPHA)))

    def animated():
        """Return what becomes of a file with a second frame, which is the negative of the first."""
        if probe(form, image, lambda picture: picture.hw == (16, 24), **frames) != REFUSED:
            is_first = probe(form, image, lambda picture: np.abs(picture.pixels - RGB.astype(int)).mean() < 9, **frames)
            return "first" if is_first == YES else NO
        chosen = [
            probe(form, image, lambda picture, source=source: np.abs(picture.pixels - source).mean() < 9, n, **frames)
            for n, source in enumerate((RGB.astype(int), 255 - RGB.astype(int)), 1)
        ]
        return CHOSEN if chosen == [YES, YES] else REFUSED

    # Pillow's plugin writes no profile into a JPEG XL
    with_profile = {"form": "JPEG", "convert": imagecodecs.jpegxl_encode_jpeg} if form == "JXL" else {"form": form}
    assert table("Formats that are read")[name] == {
        "transparency": probe(form, transparent, lambda picture: picture.alpha is not None),
        "colour profile": probe(
            image=image, found=lambda picture: picture.icc == SRGB, icc_profile=SRGB, **with_profile
        ),
        "EXIF": probe(form, image, author, exif=tags().tobytes()),
        "XMP": probe(form, image, lambda picture: picture.metadata.xmp == XMP, **xmp_option(form)),
        "resolution": probe(form, image, lambda picture: bool(picture.metadata.dpi), dpi=(300, 300)),
        "orientation": probe(form, image, lambda picture: picture.hw == (24, 16), exif=turned.tobytes()),
        "several frames": animated(),
    }


@pytest.mark.parametrize("name", WRITTEN)
def test_table_of_restored_files(name, tmp_path):
    source = io.BytesIO()
    PIL.Image.fromarray(RGB).save(source, "JPEG", exif=tags(), xmp=XMP, dpi=(300, 300))
    (tmp_path / "source.jpg").write_bytes(source.getvalue())
    metadata = read_picture(tmp_path / "source.jpg").metadata

    def write(picture):
        path = tmp_path / f"x{WRITTEN[name]}"
        try:
            write_picture(path, picture, overwrite=True)
        except ResizeKitError:
            return None
        return read_picture(path)

    def cell(picture, found):
        written = write(picture)
        return REFUSED if written is None else YES if found(written) else NO

    plain = write(Picture(pixels=RGB, metadata=metadata))
    assert table("Restored files")[name] == {
        "exact": YES if np.array_equal(plain.pixels, RGB) else NO,
        "16 bits": cell(Picture(pixels=RGB.astype(np.uint16) * 257), lambda written: written.bits == 16),
        "transparency": cell(Picture(pixels=RGB, alpha=ALPHA), lambda written: written.alpha is not None),
        "colour profile": cell(Picture(pixels=RGB, icc=LINEAR), lambda written: written.icc is not None),
        "EXIF": YES if author(plain) else NO,
        "XMP": YES if plain.metadata.xmp == XMP else NO,
        "resolution": YES if plain.metadata.dpi else NO,
    }
