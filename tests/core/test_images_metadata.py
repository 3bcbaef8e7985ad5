"""EXIF, XMP and resolution come through the small file, by the policy that was asked for."""

import io
import time

import numpy as np
import PIL.Image
import pytest
from PIL import TiffTags
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from resizekit import RunOptions, Storage, down_file, up_file
from resizekit.pictures.io.pil import picture_from_pil
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.write import write_picture
from resizekit.pictures.metadata import NO_METADATA, Metadata, describing_metadata, filter_metadata
from resizekit.pictures.picture import Picture

RGB = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
AUTHOR, MODEL, ORIENTATION, WIDTH = 0x13B, 0x110, 0x112, 0x100
EXIF, GPS, DATE, MAKER_NOTE, EXPOSURE = 0x8769, 0x8825, 0x9003, 0x927C, 0x829A
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


def exif():
    tags = PIL.Image.Exif()
    tags.update({AUTHOR: "me", MODEL: "a camera", ORIENTATION: 6, WIDTH: 12})
    tags.get_ifd(EXIF).update({DATE: "2024:05:06 07:08:09", MAKER_NOTE: b"secret", EXPOSURE: 0.5, 0xA002: 12})
    tags.get_ifd(GPS).update({1: "N"})
    return tags


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    PIL.Image.fromarray(RGB).save(path, exif=exif(), dpi=(300, 300), xmp=XMP)
    return path


def tags_of(path):
    with PIL.Image.open(path) as image:
        tags = image.getexif()
        return dict(tags), tags.get_ifd(EXIF), tags.get_ifd(GPS), image.info


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        ("keep", {"author", "model", "date", "exposure", "dpi", "xmp"}),
        ("all", {"author", "model", "date", "exposure", "dpi", "xmp", "location", "notes"}),
        ("minimal", {"author", "date", "dpi"}),
        ("none", set()),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_policy_decides_what_small_and_restored_files_keep(tmp_path, photo, policy, kept, suffix):
    small, back = tmp_path / f"small{suffix}", tmp_path / "back.png"
    down_file(photo, small, weights="sr-x2-fast", options=RunOptions(metadata=policy))
    up_file(small, back)
    for path in (small, back):
        main, inner, location, info = tags_of(path)
        found = {
            "author": main.get(AUTHOR) == "me",
            "model": main.get(MODEL) == "a camera",
            "date": inner.get(DATE) == "2024:05:06 07:08:09",
            "exposure": inner.get(EXPOSURE) == 0.5,
            "notes": MAKER_NOTE in inner,
            "location": location.get(1) == "N",
            "dpi": "dpi" in info and round(info["dpi"][0]) == 300,
            "xmp": b"adobe:ns:meta" in str(info.get("xmp", "")).encode(),
        }
        assert {name for name, is_kept in found.items() if is_kept} == kept - ({"dpi"} if suffix == ".webp" else set())
        assert ORIENTATION not in main
        assert WIDTH not in main
        assert 0xA002 not in inner
    assert np.array_equal(read_picture(back).pixels.shape, (12, 8, 3))  # turned upright


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".webp", ".png"])
def test_restored_files_of_every_format_hold_metadata(tmp_path, photo, suffix):
    down_file(photo, tmp_path / "small.png", weights="sr-x2-fast")
    up_file(tmp_path / "small.png", tmp_path / f"back{suffix}")
    kept = read_picture(tmp_path / f"back{suffix}").metadata
    tags = PIL.Image.Exif()
    tags.load(kept.exif)
    assert (tags[AUTHOR], tags[MODEL]) == ("me", "a camera")
    assert suffix == ".tif" or tags.get_ifd(EXIF)[DATE] == "2024:05:06 07:08:09"
    assert kept.xmp == XMP
    assert suffix == ".webp" or round(kept.dpi[0]) == 300


def test_deep_files_keep_metadata(tmp_path, photo):
    metadata = read_picture(photo).metadata
    deep = Picture(pixels=RGB.astype(np.uint16) * 257, metadata=metadata)
    write_picture(tmp_path / "deep.png", deep)
    found = read_picture(tmp_path / "deep.png").metadata
    assert (found.exif, found.xmp) == (metadata.exif, metadata.xmp)
    assert round(found.dpi[0]) == 300


def test_lossy_small_files_hold_manifest_and_metadata(tmp_path, photo):
    down_file(photo, tmp_path / "small.jpg", weights="sr-x2-jpeg75")
    small = read_picture(tmp_path / "small.jpg")
    assert small.embedded_manifest is not None
    tags = PIL.Image.Exif()
    tags.load(small.metadata.exif)
    assert (tags[AUTHOR], 0x9286 in tags.get_ifd(EXIF)) == ("me", False)
    up_file(tmp_path / "small.jpg", tmp_path / "back.png")
    assert tags_of(tmp_path / "back.png")[0][AUTHOR] == "me"


def test_pictures_without_metadata_get_none(tmp_path):
    PIL.Image.fromarray(RGB).save(tmp_path / "x.png")
    assert not read_picture(tmp_path / "x.png").metadata
    PIL.Image.fromarray(RGB).save(tmp_path / "y.jpg", exif=b"Exif\0\0nonsense")
    assert read_picture(tmp_path / "y.jpg").metadata.exif is None


def test_location_in_xmp_needs_all():
    located = Metadata(xmp=b'<x exif:GPSLatitude="52,31N"/>')
    assert filter_metadata(located, "keep") == NO_METADATA
    assert filter_metadata(located, "all") == located


RDF = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description dc:rights="me"{}>{}</rdf:Description></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize(
    "location",
    [
        RDF.format(' exif:GPSLatitude="52,31N"', "").encode("utf-16"),
        RDF.format(' exif:GPSLatitude="52,31N"', "").encode("utf-16-be"),
        RDF.format(' exif:GPSLatitude="52,31N"', "").encode("utf-32"),
        RDF.format(' drone-dji:GpsLatitude="52.5"', "").encode(),
        RDF.format(' geo:lat="52.5" geo:long="13.4"', "").encode(),
        RDF.format(' xmlns:p="http://www.w3.org/2003/01/geo/wgs84_pos#"', "<p:Point/>").encode(),
        RDF.format(' photoshop:City = "Bonn"', "").encode(),
        RDF.format("", "<photoshop:State>Hesse</photoshop:State>").encode(),
        RDF.format("", "<photoshop:Country>Germany</photoshop:Country>").encode(),
        RDF.format(' Iptc4xmpCore:Location="Main Street"', "").encode(),
        RDF.format("", '<Iptc4xmpExt:LocationCreated rdf:parseType="Resource"/>').encode(),
        RDF.format("", "<Iptc4xmpExt:LocationShown><rdf:Bag/></Iptc4xmpExt:LocationShown>").encode(),
        RDF.format(' exif:GPSLatitude="52,31N"', "").encode("utf-16").decode("latin-1").encode(),
    ],
)
def test_xmp_with_a_location_is_left_out(location):
    assert filter_metadata(Metadata(xmp=location), "keep") == NO_METADATA
    assert filter_metadata(Metadata(xmp=location), "all").xmp == location


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_xmp_without_a_location_is_kept_as_utf_8(encoding):
    plain = RDF.format(
        ' xmlns:Iptc4xmpCore="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/" xmp:Rating="5" exif:SubjectLocation="3 4"',
        "<dc:creator>Jörg, State of the City, latitude</dc:creator>"
        '<Iptc4xmpCore:CreatorContactInfo Iptc4xmpCore:CiAdrCity="Bonn"/>',
    )
    kept = describing_metadata(PIL.Image.Exif(), plain.encode(encoding), None, user_comment=True)
    assert kept.xmp == plain.encode()
    assert filter_metadata(kept, "keep") == kept


TIFF = ' xmlns:t="http://ns.adobe.com/tiff/1.0/"'
ORIENTATIONS = {
    "attribute": (' tiff:Orientation="6" xmp:Rating="5"', "", ' xmp:Rating="5"', ""),
    "single quotes": (" tiff:Orientation = '6'", "", "", ""),
    "element": ("", "<tiff:Orientation>6</tiff:Orientation><a/>", "", "<a/>"),
    "element with attributes": ("", "<tiff:Orientation rdf:value='6'/><a/>", "", "<a/>"),
    "other prefix": (f"{TIFF} t:Orientation='6'", "", TIFF, ""),
    "other namespace": (' other:Orientation="6"', "", ' other:Orientation="6"', ""),
}


@pytest.mark.parametrize(("attributes", "elements", "kept", "inside"), ORIENTATIONS.values(), ids=ORIENTATIONS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_orientation_in_xmp_is_left_out(encoding, attributes, elements, kept, inside):
    packet = RDF.format(attributes, elements).encode(encoding)
    found = describing_metadata(PIL.Image.Exif(), packet, None, user_comment=True)
    assert found.xmp == RDF.format(kept, inside).encode()


def test_unusual_orientation_in_xmp_leaves_it_out_entirely():
    nested = RDF.format("", "<tiff:Orientation><rdf:value>6</rdf:value></tiff:Orientation>")
    assert not describing_metadata(PIL.Image.Exif(), nested, None, user_comment=True)


@pytest.mark.parametrize("hostile", [" " * 50_000, "<a:gps" * 9000, "<tiff:Orientation " * 3000, "a" * 50_000])
def test_search_of_xmp_takes_linear_time(hostile):
    began = time.process_time()
    filter_metadata(describing_metadata(PIL.Image.Exif(), hostile, None, user_comment=True), "keep")
    assert time.process_time() - began < 1


def save_turned(path, xmp_orientation, exif_orientation=None):
    """Write a picture whose EXIF and XMP have an orientation."""
    xmp = RDF.format(f' tiff:Orientation="{xmp_orientation}"', "")
    tags = PIL.Image.Exif()
    if exif_orientation is not None:
        tags[ORIENTATION] = exif_orientation
    options = {"exif": tags} if tags else {}
    if path.suffix == ".png":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp)
    elif path.suffix == ".tif":
        options = {"tiffinfo": ImageFileDirectory_v2()}
        options["tiffinfo"][700] = xmp.encode()
        options["tiffinfo"].tagtype[700] = TiffTags.BYTE
        if exif_orientation is not None:
            options["tiffinfo"][ORIENTATION] = exif_orientation
    else:
        options["xmp"] = xmp.encode()
    PIL.Image.fromarray(RGB).save(path, **options)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif", ".tif"])
def test_orientation_is_that_of_exif(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    save_turned(path, 6)
    assert read_picture(path).hw == (8, 12)
    ignored = read_picture(path).pixels
    save_turned(path, 3, exif_orientation=6)
    assert np.array_equal(read_picture(path).pixels, np.rot90(ignored, -1))
    assert b'dc:rights="me"' in read_picture(path).metadata.xmp


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif"])
def test_pil_image_ignores_orientation_in_xmp(tmp_path, suffix):
    for exif_orientation, size in ((None, (8, 12)), (6, (12, 8))):
        save_turned(tmp_path / f"x{suffix}", 6, exif_orientation)
        with PIL.Image.open(tmp_path / f"x{suffix}") as image:
            assert picture_from_pil(image).hw == size


@pytest.mark.parametrize(
    ("weights", "suffix"),
    [("sr-x2-fast", ".png"), ("sr-x2-fast", ".webp"), ("sr-x2-jpeg75", ".jpg"), ("sr-x2-avif", ".avif")],
)
@pytest.mark.parametrize("exif_orientation", [None, 6])
def test_small_and_restored_files_are_turned_once(tmp_path, weights, suffix, exif_orientation):
    save_turned(tmp_path / "photo.jpg", 6, exif_orientation)
    upright = (12, 8) if exif_orientation is None else (8, 12)
    small = tmp_path / f"small{suffix}"
    down_file(tmp_path / "photo.jpg", small, weights=weights)
    for name in ("back.jpg", "back.png", "back.tif"):
        up_file(small, tmp_path / name)
        with PIL.Image.open(tmp_path / name) as image:
            assert image.size == upright
            assert ORIENTATION not in image.getexif()
    with PIL.Image.open(small) as image:
        assert ORIENTATION not in image.getexif()


@pytest.mark.parametrize(("weights", "suffix"), [("sr-x2-fast", ".webp"), ("sr-x2-jpeg75", ".jpg")])
def test_small_file_with_an_orientation_in_xmp_is_restored(tmp_path, weights, suffix, monkeypatch):
    """Early versions kept it."""
    monkeypatch.setattr("resizekit.pictures.metadata.normalize_xmp", lambda data: data)
    save_turned(tmp_path / "photo.jpg", 6)
    down_file(tmp_path / "photo.jpg", tmp_path / f"small{suffix}", weights=weights)
    monkeypatch.undo()
    with PIL.Image.open(tmp_path / f"small{suffix}") as image:
        assert b"tiff:Orientation" in image.info["xmp"]
    up_file(tmp_path / f"small{suffix}", tmp_path / "back.png")
    with PIL.Image.open(tmp_path / "back.png") as image:
        assert image.size == (12, 8)


def test_metadata_too_large_for_a_jpeg_are_left_out(tmp_path):
    tags = exif()
    tags[0x10E] = "x" * 40_000
    file = io.BytesIO()
    PIL.Image.fromarray(RGB).save(file, "PNG", exif=tags)
    (tmp_path / "x.png").write_bytes(file.getvalue())
    kept = read_picture(tmp_path / "x.png").metadata
    assert len(kept.exif) < 1000
    down_file(tmp_path / "x.png", tmp_path / "small.jpg", weights="sr-x2-jpeg75")
    assert tags_of(tmp_path / "small.jpg")[0][AUTHOR] == "me"


def test_small_tiff_of_a_plugin_holds_manifest_and_metadata(tmp_path, photo):
    tiff = Storage(format="TIFF", suffixes=(".tif",), exact=True)
    small = Picture(pixels=RGB, metadata=read_picture(photo).metadata, embedded_manifest="a manifest")
    write_picture(tmp_path / "small.tif", small, storage=tiff)
    found = read_picture(tmp_path / "small.tif")
    assert found.embedded_manifest == "a manifest"
    tags = PIL.Image.Exif()
    tags.load(found.metadata.exif)
    assert tags[AUTHOR] == "me"
