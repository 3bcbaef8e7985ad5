"""What the colours of a file mean is read from every place that says it, and comes through the small file."""

import io
import struct
import zlib

import numpy as np
import PIL.Image
import pytest
from PIL import ImageCms
from PIL.PngImagePlugin import PngInfo

import resizekit
from resizekit import RunOptions, down_file, up_file
from resizekit.errors import ImageError
from resizekit.pictures.io.colours import h273_profile
from resizekit.pictures.io.icc import SRGB_CURVE, SRGB_PRIMARIES, fitting_profile, gamma, make_profile
from resizekit.pictures.io.read import read_picture

RGB = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
P3_CHROMATICITIES = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


def png(pixels, *chunks, **options):
    """Write a PNG with further chunks in front of its pixels."""
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "PNG", **options)
    data = file.getvalue()
    more = b"".join(struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in chunks)
    return data[:33] + more + data[33:]


def read(tmp_path, data, name="x.png"):
    (tmp_path / name).write_bytes(data)
    return read_picture(tmp_path / name)


def to_srgb(pixels, profile):
    """Convert with LittleCMS: what a program with colour management shows."""
    image = PIL.Image.fromarray(pixels.squeeze())
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    shown = ImageCms.profileToProfile(
        image, source, ImageCms.createProfile("sRGB"), renderingIntent=1, outputMode="RGB"
    )
    return np.asarray(shown).astype(int)


def assert_light(grey, profile, expected):
    """Compare what LittleCMS shows of grey, except for the darkest values, which it rounds in between."""
    difference = np.abs(to_srgb(grey, profile) - expected)
    assert difference[grey[:, :, 0] > 30].max() <= 1.5


def encode_srgb(light):
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clip(0) ** (1 / 2.4) - 0.055).clip(0, 1) * 255


def test_profile_of_srgb_changes_no_colour():
    profile = make_profile("x", SRGB_CURVE, SRGB_PRIMARIES)
    assert np.array_equal(to_srgb(RGB, profile), RGB)
    assert profile == make_profile("x", SRGB_CURVE, SRGB_PRIMARIES)


@pytest.mark.parametrize("exponent", [1.0, 1.8, 2.4])
def test_gamma_chunk_becomes_a_curve(tmp_path, exponent):
    picture = read(tmp_path, png(RGB, (b"gAMA", struct.pack(">I", round(100_000 / exponent)))))
    expected = encode_srgb((RGB / 255) ** exponent)
    assert np.abs(to_srgb(RGB, picture.icc) - expected).max() <= 1.01
    grey = read(tmp_path, png(RGB[:, :, 0], (b"gAMA", struct.pack(">I", round(100_000 / exponent)))))
    assert grey.icc[16:20] == b"GRAY"
    assert_light(RGB[:, :, :1], grey.icc, expected[:, :, :1])


def test_chromaticities_and_code_points_of_p3_agree(tmp_path):
    chunks = (b"gAMA", struct.pack(">I", 45455)), (b"cHRM", P3_CHROMATICITIES)
    by_points = to_srgb(RGB, read(tmp_path, png(RGB, *chunks)).icc)
    by_code = to_srgb(RGB, read(tmp_path, png(RGB, (b"cICP", bytes((12, 13, 0, 1))))).icc)
    assert np.quantile(np.abs(by_points - by_code), 0.9) <= 3  # gamma 2.2 and sRGB differ in the shadows
    red = np.full((2, 2, 3), (200, 0, 0), np.uint8)
    assert to_srgb(red, h273_profile(12, 13))[0, 0, 0] > 210  # P3's red is more vivid than that of sRGB
    # IEC 61966-2-1 of linear P3 (0.2, 0.5, 0.3), by the matrix of CSS Color 4
    p3 = np.rint(encode_srgb(np.full((2, 2, 3), (0.2, 0.5, 0.3)))).astype(np.uint8)
    assert np.abs(to_srgb(p3, h273_profile(12, 13)) - encode_srgb(np.array([0.1325, 0.5126, 0.2862]))).max() < 2


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 45455)), (b"cHRM", P3_CHROMATICITIES)],
        [(b"gAMA", struct.pack(">I", 45455))],
        [(b"cICP", bytes((1, 13, 0, 1))), (b"gAMA", struct.pack(">I", 100_000))],
        [(b"gAMA", bytes(4))],
        [(b"gAMA", b"\0")],
        [(b"cHRM", bytes(32))],
        [(b"iCCP", b"x\0\0broken")],
    ],
    ids=["none", "srgb", "gamma", "cicp", "zero", "short", "no triangle", "broken"],
)
def test_srgb_and_broken_chunks_need_no_profile(tmp_path, chunks):
    assert read(tmp_path, png(RGB, *chunks)).icc is None


def test_code_points_without_a_meaning_are_refused(tmp_path):
    with pytest.raises(ImageError, match=r"/x\.png: its colours are those of .* code points 12/17: convert it to sRGB"):
        read(tmp_path, png(RGB, (b"cICP", bytes((12, 17, 0, 1)))))
    with pytest.raises(ImageError, match=r"/x\.png: its cICP chunk declares video levels"):
        read(tmp_path, png(RGB, (b"cICP", bytes((12, 13, 0, 0)))))


def test_hdr_curves_reach_their_known_light():
    # BT.2100: 58 % of PQ are 203 cd/m2 of 10000; 75 % of HLG are 0.26496 of the scene
    for code, value, light in ((16, 0.5806888810416109, 0.0203), (18, 0.75, 0.26496)):
        profile = h273_profile(9, code)
        table = np.frombuffer(profile[profile.index(b"curv") + 12 :][: 2 * 1024], ">u2") / 65535
        assert np.interp(value, np.linspace(0, 1, 1024), table) == pytest.approx(light, rel=2e-3)
        assert profile[profile.index(b"cicp\0\0\0\0") + 8 :][:4] == bytes((9, code, 0, 1))


def test_grey_with_an_rgb_profile_gets_a_grey_profile_of_its_curve(tmp_path):
    picture = read(tmp_path, png(RGB[:, :, 0], icc_profile=make_profile("x", gamma(1.0), SRGB_PRIMARIES)))
    assert picture.icc[16:20] == b"GRAY"
    expected = encode_srgb(RGB[:, :, :1] / 255)
    assert_light(RGB[:, :, :1], picture.icc, expected)
    back = fitting_profile(picture.icc, 3)
    assert np.abs(to_srgb(RGB, back) - encode_srgb(RGB / 255)).max() <= 1.01
    assert fitting_profile(b"junk", 3) is None
    assert fitting_profile(b"\0" * 16 + b"RGB " + b"\xff" * 200, 1) is None


def test_avif_code_points_become_a_profile(tmp_path):
    file = io.BytesIO()
    PIL.Image.fromarray(RGB).save(file, "AVIF")
    data = file.getvalue()
    assert read(tmp_path, data, "x.avif").icc is None
    at = data.index(b"colrnclx") + 8
    wide = data[:at] + struct.pack(">HH", 12, 13) + data[at + 4 :]
    assert read(tmp_path, wide, "x.avif").icc == h273_profile(12, 13)


def test_camera_files_in_adobe_rgb_get_its_profile(tmp_path):
    exif = PIL.Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    file = io.BytesIO()
    PIL.Image.fromarray(RGB).save(file, "JPEG", exif=exif)
    picture = read(tmp_path, file.getvalue(), "x.jpg")
    assert picture.icc is not None
    green = to_srgb(np.full((2, 2, 3), (0, 200, 0), np.uint8), picture.icc)[0, 0]
    assert green[1] > 195


def test_cmyk_is_converted_by_its_profile(tmp_path):
    ink = PIL.Image.fromarray(RGB).convert("CMYK")
    ink.save(tmp_path / "x.tif", icc_profile=SRGB)
    with pytest.raises(ImageError, match="CMYK profile that cannot be used"):
        read_picture(tmp_path / "x.tif")
    ink.save(tmp_path / "y.tif")
    with pytest.raises(ImageError, match="CMYK colours without a profile: convert it to RGB first"):
        read_picture(tmp_path / "y.tif")


def test_large_profiles_come_through(tmp_path):
    large = SRGB[:-4] + np.random.default_rng(0).bytes(1_500_000)
    PIL.Image.fromarray(RGB).save(tmp_path / "x.jpg", icc_profile=large)
    down_file(tmp_path / "x.jpg", tmp_path / "small.png", weights="sr-x2-fast")
    up_file(tmp_path / "small.png", tmp_path / "back.png")
    assert read_picture(tmp_path / "back.png").icc == large


def test_profiles_above_the_limit_are_refused(tmp_path):
    bomb = b"x\0\0" + zlib.compress(bytes(2**25 + 1), 9)
    with pytest.raises(ImageError, match=r"/x\.png: its colour profile has more than 32 MiB"):
        read(tmp_path, png(RGB, (b"iCCP", bomb)))


@pytest.mark.parametrize("channels", [1, 3])
def test_meaning_of_colours_survives_both_directions(tmp_path, channels):
    pixels = np.ascontiguousarray(RGB[:, :, :channels]).squeeze()
    (tmp_path / "x.png").write_bytes(png(pixels, (b"gAMA", struct.pack(">I", 100_000))))
    expected = read_picture(tmp_path / "x.png").icc
    down_file(tmp_path / "x.png", tmp_path / "small.png", task="sr")
    up_file(tmp_path / "small.png", tmp_path / "back.png", options=RunOptions())
    with PIL.Image.open(tmp_path / "small.png") as small, PIL.Image.open(tmp_path / "back.png") as back:
        assert small.info["icc_profile"] == back.info["icc_profile"] == expected


def test_broken_and_large_texts_do_not_refuse_a_picture(tmp_path):
    note = PngInfo()
    note.add_text("Comment", "x" * 2_000_000, zip=True)
    assert np.array_equal(read(tmp_path, png(RGB, pnginfo=note)).pixels, RGB)
    data = bytearray(png(RGB, (b"tEXt", b"Comment\0text")))
    data[data.index(b"Comment") + 9] ^= 1
    assert np.array_equal(read(tmp_path, bytes(data)).pixels, RGB)
    manifest = PngInfo()
    manifest.add_itxt("resizekit", "x" * 2_000_000, zip=True)
    assert read(tmp_path, png(RGB, pnginfo=manifest)).embedded_manifest is None


def test_critical_chunks_are_still_checked(tmp_path):
    data = bytearray(png(RGB))
    data[data.index(b"IDAT") + 8] ^= 1
    with pytest.raises(ImageError, match="cannot be read"):
        read(tmp_path, bytes(data))
    many = [(b"tEXt", b"k%d\0v" % i) for i in range(1001)]
    with pytest.raises(ImageError, match=r"/x\.png: it has more than 1000 chunks"):
        read(tmp_path, png(RGB, *many))


def test_pil_images_keep_orientation_and_profile():
    codec = resizekit.load("sr-x2-fast")
    upright = PIL.Image.fromarray(RGB)
    turned = upright.transpose(PIL.Image.Transpose.ROTATE_90)
    turned.getexif()[0x0112] = 6
    turned.info["icc_profile"] = SRGB
    low = codec.down(turned)
    assert np.array_equal(np.asarray(low), np.asarray(codec.down(upright)))
    assert low.info["icc_profile"] == SRGB
    assert codec.up(low).info["icc_profile"] == SRGB
    assert "icc_profile" not in codec.down(upright).info
