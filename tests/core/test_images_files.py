"""Down and up over files: sizes, modes, metadata, names of weights, and refused input."""

import contextlib
import dataclasses
import json

import numpy as np
import PIL.Image
import pytest
from PIL.PngImagePlugin import PngInfo
from pydantic import ValidationError

import resizekit
from resizekit.errors import (
    CheckpointError,
    ImageError,
    ManifestError,
    ResizeKitError,
    UnknownNameError,
    UsageError,
)
from resizekit.images import selection
from resizekit.images.files import down_file, plan_file, up_file
from resizekit.images.pipeline import down_picture, up_picture
from resizekit.images.run_options import RunOptions
from resizekit.images.selection import choose_codec
from resizekit.images.small_files import read_small
from resizekit.images.target_size import TargetSize
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.write import write_picture
from resizekit.pictures.manifest import LIMIT, Manifest
from resizekit.pictures.picture import Picture
from resizekit.system import device

OVERWRITE = RunOptions(overwrite=True)
RNG = np.random.default_rng(0)
PROFILE = bytes(16) + b"RGB " + bytes(8)


@pytest.fixture(scope="module")
def weights_dir(toy_weights):
    return toy_weights


def photo(height, width, channels=3, alpha=False, **more):
    """Make a smooth picture with some detail."""
    y, x = np.mgrid[:height, :width] / 5
    layers = [127 + 100 * np.sin(x + k) * np.cos(y * (1 + k / 3)) for k in range(channels)]
    opacity = np.clip(x * 60, 0, 255).astype(np.uint8) if alpha else None
    return Picture(pixels=np.stack(layers, 2).astype(np.uint8), alpha=opacity, **more)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2), (17, 33), (64, 64)], ids=str)
@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA"])
def test_down_and_up_keep_every_size_and_mode(tmp_path, weights_dir, size, mode):
    before = photo(*size, 1 if mode[0] == "L" else 3, mode.endswith("A"))
    write_picture(tmp_path / "in.png", before)
    made = down_file(tmp_path / "in.png", tmp_path / "low.png", task="toy", options=RunOptions(device="cpu"))
    assert made.weights == ("toy-y" if mode[0] == "L" else "toy-rgb")
    assert (made.size, made.mode, made.task, made.spec.s) == (before.hw.wh, mode, "toy", 2)
    low = read_picture(tmp_path / "low.png")
    assert low.hw.wh == (-(-size[1] // 2), -(-size[0] // 2))
    assert low.mode == mode
    assert up_file(tmp_path / "low.png", tmp_path / "out.png", options=RunOptions(device="cpu")) == made
    after = read_picture(tmp_path / "out.png")
    assert (after.hw.wh, after.mode, after.embedded_manifest) == (before.hw.wh, mode, None)
    if min(size) > 16:
        error = after.pixels.astype(float) - before.pixels
        assert 10 * np.log10(255**2 / np.mean(error**2)) > 20


def test_file_and_memory_give_the_same_bits(tmp_path, weights_dir):
    before = photo(45, 38, alpha=True)
    codec = choose_codec(weights="toy-rgb")
    small, manifest = down_picture(codec, before)
    write_picture(tmp_path / "low.png", small)
    read, same = read_small(tmp_path / "low.png")
    assert same == manifest
    assert read.digest == small.digest
    here, there = up_picture(codec, small, manifest), up_picture(codec, read, same)
    assert here.digest == there.digest


def test_codec_and_files_have_one_default_precision(tmp_path, weights_dir, monkeypatch):
    """Also on hardware that supports bfloat16, where "auto" would choose it."""
    monkeypatch.setattr(device, "_multiplies_bfloat16", lambda _: True)
    write_picture(tmp_path / "in.png", photo(40, 36))
    pixels = read_picture(tmp_path / "in.png").pixels
    for weights in ("toy-rgb", "sr-x2-fast"):
        codec = resizekit.load(weights)
        low = codec.down(pixels)
        made = down_file(tmp_path / "in.png", tmp_path / "low.png", weights=weights, options=OVERWRITE)
        assert (codec.precision, made.precision) == ("float32", "float32")
        assert np.array_equal(read_picture(tmp_path / "low.png").pixels, low)
        up_file(tmp_path / "low.png", tmp_path / "out.png", options=OVERWRITE)
        assert np.array_equal(read_picture(tmp_path / "out.png").pixels, codec.up(low))


def test_small_image_is_an_ordinary_png_with_a_short_manifest(tmp_path, weights_dir):
    write_picture(tmp_path / "in.png", photo(20, 30, icc=PROFILE))
    down_file(tmp_path / "in.png", tmp_path / "low.png", weights="toy-rgb")
    with PIL.Image.open(tmp_path / "low.png") as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (15, 10))
        assert image.info["icc_profile"] == PROFILE
        assert len(image.text["resizekit"]) < LIMIT
    up_file(tmp_path / "low.png", tmp_path / "out.webp")
    assert read_picture(tmp_path / "out.webp").icc == PROFILE


def test_grey_through_colour_weights_is_restored_as_grey(tmp_path, weights_dir):
    write_picture(tmp_path / "in.png", photo(20, 30, 1))
    assert down_file(tmp_path / "in.png", tmp_path / "low.png", weights="toy-rgb").mode == "L"
    assert read_picture(tmp_path / "low.png").mode == "RGB"
    up_file(tmp_path / "low.png", tmp_path / "out.png")
    assert read_picture(tmp_path / "out.png").mode == "L"


def test_down_applies_the_exif_orientation(tmp_path, weights_dir):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.new("RGB", (40, 30)).save(tmp_path / "in.jpg", exif=exif)
    assert down_file(tmp_path / "in.jpg", tmp_path / "low.png", task="toy").size == (30, 40)


def test_down_resolves_and_loads_the_weights_once(tmp_path, weights_dir, monkeypatch):
    calls = []

    def record(name):
        function = getattr(selection, name)
        monkeypatch.setattr(selection, name, lambda *args, **options: calls.append(name) or function(*args, **options))

    selection._cached_codec.cache_clear()
    selection._cached_outline.cache_clear()
    for name in ("fitting_weights", "outline", "load"):
        record(name)
    write_picture(tmp_path / "in.png", photo(20, 30))
    plan_file(tmp_path / "in.png", task="toy")
    assert calls == ["fitting_weights", "outline"]
    down_file(tmp_path / "in.png", tmp_path / "low.png", task="toy")
    assert calls == ["fitting_weights", "outline", "fitting_weights", "load"]


def test_down_keeps_the_device_and_precision_of_a_loaded_codec(tmp_path, weights_dir):
    write_picture(tmp_path / "in.png", photo(20, 30))
    codec = choose_codec(weights="toy-rgb", device="cpu", precision="bfloat16")
    made = down_file(tmp_path / "in.png", tmp_path / "low.png", weights=codec)
    assert (made.precision, made.weights) == ("bfloat16", "toy-rgb")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_manifest_records_the_precision_of_the_small_image(tmp_path, weights_dir, precision):
    write_picture(tmp_path / "in.png", photo(20, 30))
    options = RunOptions(device="cpu", precision=precision)
    made = down_file(tmp_path / "in.png", tmp_path / "low.png", weights="toy-rgb", options=options)
    assert made.precision == precision
    assert up_file(tmp_path / "low.png", tmp_path / "out.png", options=RunOptions(device="cpu")) == made


def test_target_times_repeats_the_networks(tmp_path, weights_dir):
    write_picture(tmp_path / "in.png", photo(45, 38))
    made = down_file(tmp_path / "in.png", tmp_path / "low.png", task="toy", target=TargetSize(times=3))
    assert (made.times, made.spec.s, made.intermediate_size) == (3, 8, None)
    assert up_file(tmp_path / "low.png", tmp_path / "out.png") == made
    assert read_picture(tmp_path / "out.png").hw == (45, 38)


def test_up_needs_the_file_of_weights_that_are_not_installed(tmp_path, weights_dir):
    own = weights_dir / "own_1.safetensors"
    write_picture(tmp_path / "in.png", photo(20, 30))
    assert down_file(tmp_path / "in.png", tmp_path / "low.png", weights=own).weights == "own_1"
    with pytest.raises(ManifestError, match=r"'own_1' of task 'toy'.*--weights"):
        up_file(tmp_path / "low.png", tmp_path / "out.png")
    with pytest.raises(ManifestError, match="other weights 'own_1'"):
        up_file(tmp_path / "low.png", tmp_path / "out.png", weights="toy-rgb")
    up_file(tmp_path / "low.png", tmp_path / "out.png", weights=own, options=RunOptions(precision="float32"))
    codec = choose_codec(weights=own)
    up_file(tmp_path / "low.png", tmp_path / "again.png", weights=codec)
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "out.png").read_bytes()


def test_up_finds_renamed_weights_by_their_digest(tmp_path, weights_dir):
    write_picture(tmp_path / "in.png", photo(20, 30))
    manifest = down_file(tmp_path / "in.png", tmp_path / "low.png", weights="toy-rgb")
    up_file(tmp_path / "low.png", tmp_path / "out.png")
    small = read_picture(tmp_path / "low.png")
    for former in ("toy-y", "nobody-knows"):  # one that now means other weights, and one that is gone
        note = manifest.model_copy(update={"weights": former}).to_text()
        write_picture(tmp_path / f"{former}.png", dataclasses.replace(small, embedded_manifest=note))
        up_file(tmp_path / f"{former}.png", tmp_path / f"{former}-out.png")
        assert (tmp_path / f"{former}-out.png").read_bytes() == (tmp_path / "out.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, UsageError, "pass exactly one of weights and task"),
        ({"task": "toy", "weights": "toy-y"}, UsageError, "pass exactly one of weights and task"),
        ({"weights": "nowhere"}, UnknownNameError, "nowhere"),
        ({"weights": "nowhere.safetensors"}, CheckpointError, "nowhere"),
        ({"weights": "toy-y"}, ImageError, "has 3 channels, and these weights take 1"),
        ({"task": "toy", "options": RunOptions(tile=9)}, UsageError, "at least 64"),
        ({"task": "toy", "options": RunOptions(device="toaster")}, UsageError, "auto, cpu or cuda"),
        ({"task": "toy", "dst": "low.jpg"}, UsageError, "is a PNG"),
        ({"task": "toy", "dst": "in.png", "options": RunOptions(overwrite=True)}, UsageError, "input itself"),
        ({"task": "toy", "src": "missing.png"}, ImageError, "does not exist"),
    ],
)
def test_down_refusals_leave_no_file(tmp_path, weights_dir, arguments, error, message):
    write_picture(tmp_path / "in.png", photo(20, 30))
    src, dst = arguments.pop("src", "in.png"), arguments.pop("dst", "low.png")
    with pytest.raises(error) as refusal:
        down_file(tmp_path / src, tmp_path / dst, **arguments)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_down_refuses_weights_names_that_a_manifest_cannot_hold(tmp_path, weights_dir):
    write_picture(tmp_path / "in.png", photo(20, 30))
    with pytest.raises(UsageError, match="digits, dots, - and _ in the file name"):
        down_file(tmp_path / "in.png", tmp_path / "low.png", weights=weights_dir / "Bad name.safetensors")


@pytest.fixture(scope="module")
def small(weights_dir):
    return down_picture(choose_codec(weights="toy-rgb"), photo(30, 40))


def test_up_refuses_changed_pixels(tmp_path, small):
    picture, _ = small
    pixels = picture.pixels.copy()
    pixels[3, 3, 1] ^= 1
    half = picture.pixels[::2, ::2].copy()
    for changed in (pixels, half, picture.pixels[:, :, :1]):
        write_picture(tmp_path / "low.png", dataclasses.replace(picture, pixels=changed), overwrite=True)
        with pytest.raises(ManifestError, match="changed after"):
            up_file(tmp_path / "low.png", tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"weights": "nowhere", "digest": "0" * 64}, ManifestError, "not installed"),
        ({"weights": "nowhere", "task": "gone", "digest": "0" * 64}, UnknownNameError, "no task 'gone'"),
        ({"weights": "own_1.safetensors", "digest": "0" * 64}, ManifestError, "not installed"),
        ({"weights": "toy-y", "digest": "0" * 64}, ManifestError, "install resizekit 0.1.0, which included them"),
        ({"digest": "0" * 64}, ManifestError, "install resizekit 0.1.0, which included them"),
        ({"task": "gone"}, ManifestError, "task 'gone'"),
        ({"spec": {"s": 4, "r": 4}}, ManifestError, "do something else"),
        ({"times": 2}, ManifestError, "do something else"),
        ({"times": 64}, ManifestError, "do something else"),
        ({"size": [80, 60]}, ManifestError, "does not fit its own manifest"),
        ({"mode": "RGBA"}, ManifestError, "does not fit its own manifest"),
        ({"size": [100000, 100000]}, ImageError, "89478485"),
        ({"format": 4}, ManifestError, "upgrade"),
        ({"times": 0}, ManifestError, "do something else"),
        ({"times": 0, "spec": {}}, ManifestError, "does not fit its own manifest"),
        ({"intermediate_size": [40, 31]}, ManifestError, "does not fit its own manifest"),
        ({"intermediate_size": [2**31 - 1, 2**31 - 1]}, ManifestError, "does not fit its own manifest"),
        (
            {"intermediate_size": [40, 30], "times": 18, "spec": {"s": 2**18, "r": 2**18}},
            ManifestError,
            "does not fit its own",
        ),
        (
            {"intermediate_size": [20 * 2**17, 15 * 2**17], "times": 17, "spec": {"s": 2**17, "r": 2**17}},
            ImageError,
            "padded to 2621440x2097152 pixels",
        ),
        ({"resizekit": "0.1.0", "extra": 1}, ManifestError, "broken manifest"),
    ],
)
def test_up_refuses_manifests_that_do_not_fit(tmp_path, monkeypatch, weights_dir, small, change, error, message):
    monkeypatch.chdir(weights_dir)  # a manifest that named a path would find a file here
    values = json.loads(small[0].embedded_manifest) | {"resizekit": "0.1.0"} | change
    del values["checksum"]
    with contextlib.suppress(ValidationError):  # the other checks must hold for a checksum that fits
        values = json.loads(Manifest.model_validate_json(json.dumps(values)).to_text())
    note = PngInfo()
    note.add_itxt("resizekit", json.dumps(values))
    PIL.Image.fromarray(small[0].pixels).save(tmp_path / "low.png", pnginfo=note)
    with pytest.raises(error) as refusal:
        up_file(tmp_path / "low.png", tmp_path / "out.png")
    assert isinstance(refusal.value, ResizeKitError)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir()] == ["low.png"]


def test_up_refuses_pictures_without_a_manifest(tmp_path, small):
    PIL.Image.fromarray(small[0].pixels).save(tmp_path / "x.png")
    PIL.Image.fromarray(small[0].pixels).save(tmp_path / "x.jpg")
    for name in ("x.png", "x.jpg"):
        with pytest.raises(ManifestError, match="no manifest"):
            up_file(tmp_path / name, tmp_path / "out.png")


def test_up_accepts_another_png_of_the_same_pixels(tmp_path, weights_dir, small):
    picture, manifest = small
    note = PngInfo()
    note.add_itxt("resizekit", picture.embedded_manifest, zip=True)
    PIL.Image.fromarray(picture.pixels).save(tmp_path / "low.png", pnginfo=note, optimize=True)
    assert up_file(tmp_path / "low.png", tmp_path / "out.png") == manifest
    assert Manifest.from_text(picture.embedded_manifest, "x") == manifest
