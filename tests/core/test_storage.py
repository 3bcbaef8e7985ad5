"""Small images in other formats than PNG: JPEG, and two formats of a third-party plugin."""

import dataclasses
import io
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

import resizekit
from resizekit import Compression, NoOptions, Storage, hookimpl, ops
from resizekit.errors import ManifestError, UsageError
from resizekit.evaluation.measure import bicubic_roundtrip, roundtrip
from resizekit.images.files import down_file, up_file
from resizekit.images.pipeline import down_picture, up_picture
from resizekit.images.run_options import RunOptions
from resizekit.images.small_files import read_small
from resizekit.ops import resample_uint8
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.write import write_picture
from resizekit.pictures.manifest import LIMIT
from resizekit.pictures.picture import Picture
from resizekit.plugin.registry import installed
from resizekit.storage.compressions import CompressionModule, Lossy

HALF = Fraction(1, 2)
PROFILE = bytes(16) + b"RGB " + bytes(8)


class Sixteen(CompressionModule):
    """Sixteen levels in a lossless WebP."""

    storage = Storage(
        format="WEBP", suffixes=(".webp",), options={"lossless": True, "exact": True}, exact=True, channels=(3,)
    )

    def forward(self, low):
        return ops.quantize(ops.quantize(low * (15 / 255)) * 17)


class Plugin:
    @hookimpl
    def resizekit_register_compressions(self):
        lossy = Storage(format="WEBP", suffixes=(".webp",), options={"quality": 80}, channels=(3,))
        yield Compression(name="sixteen", options=NoOptions, build=lambda options: Sixteen())
        yield Compression(name="lossy-webp", options=NoOptions, build=lambda options: Lossy(lossy))


@pytest.fixture(scope="module")
def weights_folder(tmp_path_factory):
    """Save a weights file for each compression, under the name of the compression."""
    folder, registry = tmp_path_factory.mktemp("weights"), installed()
    before = dict(registry.compressions)
    registry.add(Plugin(), "third-party", "third-party 1.0")
    for name, options in {
        "jpeg": {"quality": 60},
        "sixteen": {},
        "webp": {},
        "lossy-webp": {},
        "uint8": {},
        "grey": {},
    }.items():
        torch.manual_seed(3)
        grey = name == "grey"
        compression = {"name": "jpeg" if grey else name, **options}
        codec = resizekit.build(
            "sr", compression=compression, channels=1 if grey else 3, network={"width": 8, "blocks": 0}
        )
        with torch.no_grad():
            for parameter in codec.parameters():
                parameter.add_(0.01 * torch.randn_like(parameter))
        resizekit.save(codec, folder / f"{name}.safetensors")
    yield folder
    registry.compressions = before


def photo(height, width, channels=3, **more):
    y, x = np.mgrid[:height, :width] / 3
    layers = [127 + 100 * np.sin(x + 2 * k) * np.cos(y * (1 + k)) for k in range(channels)]
    return Picture(pixels=np.stack(layers, 2).astype(np.uint8), **more)


FORMATS = {
    "jpeg": ("JPEG", ".jpg"),
    "sixteen": ("WEBP", ".webp"),
    "webp": ("WEBP", ".webp"),
    "lossy-webp": ("WEBP", ".webp"),
    "uint8": ("PNG", ".png"),
}


@pytest.mark.parametrize("size", [(1, 1), (45, 38), (64, 80)], ids=str)
@pytest.mark.parametrize("name", FORMATS)
def test_memory_and_file_are_bit_equal(tmp_path, weights_folder, name, size):
    format_name, suffix = FORMATS[name]
    weights, small = weights_folder / f"{name}.safetensors", tmp_path / f"small{suffix}"
    before = photo(*size, icc=PROFILE)
    write_picture(tmp_path / "in.png", before)
    written = down_file(tmp_path / "in.png", small, weights=weights, options=RunOptions(precision="float32"))
    with PIL.Image.open(small) as image:
        assert (image.format, image.size) == (format_name, (-(-size[1] // 2), -(-size[0] // 2)))
        assert image.info["icc_profile"] == PROFILE
    read, manifest = read_small(small)
    assert manifest == written
    assert manifest.compression == name
    assert len(read.embedded_manifest) < LIMIT

    codec = resizekit.load(weights)
    held, same = down_picture(codec, before)
    assert (held.digest, held.embedded_manifest) == (read.digest, read.embedded_manifest)
    if min(size) > 16 and not any(side % 2 for side in size):
        assert np.array_equal(codec.down(before.pixels), read.pixels)
        assert np.array_equal(roundtrip(codec, before.pixels)[0], read.pixels)
        assert np.array_equal(roundtrip(codec, before.pixels)[1], codec.up(read.pixels))
    up_file(small, tmp_path / "out.png", weights=weights, options=RunOptions(precision="float32"))
    after = read_picture(tmp_path / "out.png")
    assert after.digest == up_picture(codec, held, same).digest == up_picture(codec, read, manifest).digest
    assert (after.hw.wh, after.icc) == (before.hw.wh, PROFILE)


def test_bicubic_baseline_goes_through_the_same_jpeg(weights_folder):
    codec, high = resizekit.load(weights_folder / "jpeg.safetensors"), photo(64, 80).pixels
    (low, restored), png = (
        bicubic_roundtrip(resizekit.load(weights_folder / f"{name}.safetensors"), high) for name in ("jpeg", "uint8")
    )
    assert np.array_equal(low, png[0]), "the reference for low is the bicubic image itself"
    assert not np.array_equal(restored, png[1])
    stored = torch.from_numpy(codec.storage.read_back(low)).permute(2, 0, 1)[None]
    again = resample_uint8(stored, (64, 80), scale=(HALF, HALF))
    assert np.array_equal(restored, again[0].permute(1, 2, 0).numpy())


def test_tiled_jpeg_equals_the_untiled_one(weights_folder):
    codec = resizekit.load(weights_folder / "jpeg.safetensors")
    untiled, tiled = (down_picture(codec, photo(150, 140), tile=tile)[0] for tile in ("off", 66))
    assert untiled.digest == tiled.digest


def test_jpeg_has_the_trained_quality_and_subsampling(tmp_path, weights_folder):
    write_picture(tmp_path / "in.png", photo(40, 40))
    down_file(tmp_path / "in.png", tmp_path / "small.jpeg", weights=weights_folder / "jpeg.safetensors")
    plain = io.BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(plain, "JPEG", quality=60)
    with PIL.Image.open(tmp_path / "small.jpeg") as image, PIL.Image.open(plain) as other:
        assert image.quantization == other.quantization
        assert [layer[1:3] for layer in image.layer] == [(2, 2), (1, 1), (1, 1)]
        note = image.getexif().get_ifd(0x8769)[0x9286]
    assert note.startswith(b"ASCII\0\0\0resizekit:{")
    assert json.loads(note[18:])["compression"] == "jpeg"


def test_grey_image_becomes_a_grey_jpeg(tmp_path, weights_folder):
    write_picture(tmp_path / "in.png", photo(30, 40, 1))
    weights = weights_folder / "grey.safetensors"
    down_file(tmp_path / "in.png", tmp_path / "small.jpg", weights=weights)
    assert read_picture(tmp_path / "small.jpg").mode == "L"
    assert up_file(tmp_path / "small.jpg", tmp_path / "out.png", weights=weights).mode == "L"


@pytest.mark.parametrize(
    ("name", "picture", "target", "text"),
    [
        ("jpeg", {}, "small.png", "is a JPEG: name it .jpg or .jpeg, not"),
        ("uint8", {}, "small.jpg", "is a PNG: name it .png, not"),
        ("sixteen", {}, "small.png", "is a WEBP: name it .webp, not"),
        (
            "jpeg",
            {"alpha": True},
            "small.jpg",
            "as JPEG, which cannot hold transparency: put the picture on a background",
        ),
    ],
)
def test_unsuitable_suffix_or_image_is_refused_before_work(
    tmp_path, monkeypatch, weights_folder, name, picture, target, text
):
    alpha = np.full((20, 30), 9, np.uint8) if picture else None
    write_picture(tmp_path / "in.png", photo(20, 30, alpha=alpha))
    monkeypatch.setattr("resizekit.images.selection.Selection.load", lambda *_: pytest.fail("the work began"))
    with pytest.raises(UsageError) as refusal:
        down_file(tmp_path / "in.png", tmp_path / target, weights=weights_folder / f"{name}.safetensors")
    assert text in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_alpha_is_refused_in_memory(weights_folder):
    with pytest.raises(UsageError, match="weights 'jpeg' store small images as JPEG"):
        down_picture(
            resizekit.load(weights_folder / "jpeg.safetensors"), photo(20, 30, alpha=np.zeros((20, 30), np.uint8))
        )


def test_recompressed_jpeg_is_refused_with_or_without_manifest(tmp_path, weights_folder):
    weights = weights_folder / "jpeg.safetensors"
    write_picture(tmp_path / "in.png", photo(48, 64))
    down_file(tmp_path / "in.png", tmp_path / "small.jpg", weights=weights)
    with PIL.Image.open(tmp_path / "small.jpg") as image:
        image.save(tmp_path / "with.jpg", quality=90, exif=image.getexif().tobytes())
        image.save(tmp_path / "without.jpg", quality=90)
        image.save(tmp_path / "same.png", exif=image.getexif().tobytes())
    with pytest.raises(
        ManifestError,
        match=r"compressed again\): give the file as `down` wrote it, or restore .*; if it is that file, this Pillow",
    ):
        up_file(tmp_path / "with.jpg", tmp_path / "out.png", weights=weights)
    for name in ("without.jpg", "same.png"):
        with pytest.raises(ManifestError, match="carries no manifest"):
            up_file(tmp_path / name, tmp_path / "out.png")


@pytest.mark.parametrize("comment", [b"", b"ASCII\0\0\0nice weather", b"ASCII\0\0\0resizekit:" + b"x" * 3000])
def test_user_comment_of_a_photo_is_not_a_manifest(tmp_path, comment):
    exif = PIL.Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = comment
    PIL.Image.new("RGB", (9, 9)).save(tmp_path / "x.jpg", exif=exif.tobytes())
    with pytest.raises(ManifestError, match="over 2048 bytes" if len(comment) > 99 else "no manifest"):
        read_small(tmp_path / "x.jpg")


def test_encoder_pixels_are_for_the_storage_alone(tmp_path, weights_folder):
    """A picture that is written in another format has the pixels that its storage returns."""
    small, _ = down_picture(resizekit.load(weights_folder / "jpeg.safetensors"), photo(48, 64))
    write_picture(tmp_path / "x.tif", dataclasses.replace(small, embedded_manifest=None))
    assert read_picture(tmp_path / "x.tif").digest == small.digest


def test_suffix_webp_selects_lossless_webp(tmp_path):
    astronaut = Path(__file__).parents[2] / "examples" / "astronaut.png"
    PIL.Image.open(astronaut).crop((180, 40, 340, 140)).save(tmp_path / "in.png")
    manifests = [
        down_file(tmp_path / "in.png", tmp_path / name, weights="sr-x2-fast") for name in ("small.png", "small.webp")
    ]
    assert [manifest.compression for manifest in manifests] == ["uint8", "webp"]
    assert manifests[0].pixels == manifests[1].pixels
    assert (tmp_path / "small.webp").stat().st_size < (tmp_path / "small.png").stat().st_size
    for name in ("small.png", "small.webp"):
        up_file(tmp_path / name, tmp_path / f"restored-{name}.png")
    one, other = (read_picture(tmp_path / f"restored-{name}.png") for name in ("small.png", "small.webp"))
    assert np.array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize(
    ("weights", "compression", "message"),
    [
        ("sr-x2-fast", "uint8", r"is a PNG: name it \.png, not"),
        ("sr-x2-jpeg75", None, r"is a JPEG: name it \.jpg or \.jpeg, not"),
        ("colorize", None, "make 1 channels, which a WEBP cannot hold"),
    ],
)
def test_suffix_webp_is_refused_for_other_formats(tmp_path, weights, compression, message):
    write_picture(tmp_path / "in.png", photo(64, 80))
    with pytest.raises(UsageError, match=message):
        down_file(tmp_path / "in.png", tmp_path / "small.webp", weights=weights, compression=compression)
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]
