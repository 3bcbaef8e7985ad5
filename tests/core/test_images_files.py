"""Down and up over files, with a small task for these tests and its installed weights."""

import dataclasses
import json

import numpy as np
import PIL.Image
import pytest
from PIL.PngImagePlugin import PngInfo

from resizekit import ResizeSpec, Task, TaskConfig, Weights, build, guides, hookimpl, save
from resizekit.errors import (
    CheckpointError,
    ImageError,
    ManifestError,
    ResizeKitError,
    UnknownNameError,
    UsageError,
)
from resizekit.images import selection
from resizekit.images.bicubic_remainder import bicubic_resize, inverse_bicubic
from resizekit.images.files import down_file, plan_file, read_small, up_file
from resizekit.images.io.read import read_picture
from resizekit.images.io.write import write_picture
from resizekit.images.manifest import LIMIT, Manifest
from resizekit.images.picture import Picture
from resizekit.images.pipeline import down_picture, up_picture
from resizekit.images.run_options import RunOptions
from resizekit.images.selection import choose_codec
from resizekit.images.target_size import TargetSize
from resizekit.plugin.registry import installed
from resizekit.spec import HW

RNG = np.random.default_rng(0)
PROFILE = bytes(16) + b"RGB " + bytes(8)


def plugin(weights):
    task = Task(
        name="toy",
        summary="halve height and width",
        config=TaskConfig,
        spec=lambda config: ResizeSpec(s=2, r=2),
        guide=guides.bicubic,
        weights=weights,
    )

    class Plugin:
        @hookimpl
        def resizekit_register_tasks(self):
            yield task

    return Plugin()


@pytest.fixture(scope="module")
def weights_dir(tmp_path_factory, small_weights):
    """Install the task with weights for colour and grey, next to weights files that are not installed."""
    folder = tmp_path_factory.mktemp("weights")
    registry = installed()
    before = dict(registry.tasks), dict(registry.weights)
    registry.add(plugin({}), "toy", "toy 1.0")
    colour, grey = folder / "toy-rgb.safetensors", folder / "toy-y.safetensors"
    offers = {
        "toy-rgb": Weights(file=colour, digest=small_weights(colour, 3, task="toy", seed=4)),
        "toy-y": Weights(file=grey, digest=small_weights(grey, 1, task="toy", seed=1)),
    }
    small_weights(folder / "own_1.safetensors", 3, task="toy", seed=2)
    small_weights(folder / "Bad name.safetensors", 3, task="toy", seed=2)
    del registry.tasks["toy"]
    registry.add(plugin(offers), "toy", "toy 1.0")
    yield folder
    registry.tasks, registry.weights = before


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
    for name in ("default_weights", "outline", "load"):
        record(name)
    write_picture(tmp_path / "in.png", photo(20, 30))
    plan_file(tmp_path / "in.png", task="toy")
    assert calls == ["default_weights", "outline"]
    down_file(tmp_path / "in.png", tmp_path / "low.png", task="toy")
    assert calls == ["default_weights", "outline", "default_weights", "load"]


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
    with pytest.raises(UsageError, match="rename the file"):
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


# --- any size ------------------------------------------------------------------------------------

WANTED = [
    ((17, 33), {"scale": "3/2"}, (22, 12)),
    ((40, 31), {"scale": 2}, (16, 20)),
    ((40, 31), {"scale": "3"}, (11, 14)),
    ((61, 40), {"scale": "2x3/2"}, (20, 41)),
    ((61, 40), {"size": "40x7"}, (40, 7)),
    ((61, 40), {"size": (1, 1)}, (1, 1)),
    ((61, 40), {"max_side": 9}, (6, 9)),
    ((33, 20), {"max_side": 50}, (20, 33)),
    ((1, 1), {"scale": 1}, (1, 1)),
    ((1, 1), {"max_side": 5}, (1, 1)),
    ((1, 9), {"scale": "5x1"}, (2, 1)),
]


@pytest.mark.parametrize(("size", "fields", "small"), WANTED, ids=str)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_target_size_is_reached_and_restored(tmp_path, weights_dir, size, fields, small, mode):
    before = photo(*size, 1 if mode == "L" else 3, mode == "RGBA")
    write_picture(tmp_path / "in.png", before)
    made = down_file(tmp_path / "in.png", tmp_path / "low.png", task="toy", target=TargetSize(**fields))
    low = read_picture(tmp_path / "low.png")
    assert (low.hw.wh, low.mode) == (small, mode)
    assert len(low.embedded_manifest) < LIMIT
    assert up_file(tmp_path / "low.png", tmp_path / "out.png") == made
    after = read_picture(tmp_path / "out.png")
    assert (after.hw.wh, after.mode, after.embedded_manifest) == (before.hw.wh, mode, None)


def test_target_scale_equal_to_the_weights_factor_changes_nothing(weights_dir):
    codec, before = choose_codec(weights="toy-rgb"), photo(45, 38, alpha=True)
    plain, planned = down_picture(codec, before), down_picture(codec, before, target=TargetSize(scale=2))
    assert planned[1] == plain[1]
    assert planned[0].digest == plain[0].digest


def test_picture_within_max_side_is_restored_exactly(weights_dir):
    codec, before = choose_codec(weights="toy-rgb"), photo(20, 30, alpha=True)
    small, manifest = down_picture(codec, before, target=TargetSize(max_side=30))
    assert (manifest.times, manifest.intermediate_size) == (0, None)
    assert up_picture(codec, small, manifest).digest == before.digest


def test_tiles_do_not_change_the_pixels(weights_dir):
    codec, before = choose_codec(weights="toy-rgb"), photo(210, 190, alpha=True)
    target = TargetSize(scale=3)
    (small, manifest), (tiled, same) = (down_picture(codec, before, target=target, tile=t) for t in ("off", 64))
    assert manifest == same
    assert (manifest.times, manifest.intermediate_size, manifest.spec.s) == (1, (128, 140), 2)
    assert tiled.digest == small.digest
    whole, tiles = (up_picture(codec, small, manifest, tile=t) for t in ("off", 64))
    assert whole.digest == tiles.digest


def test_target_scale_by_several_steps_restores_at_any_times(weights_dir):
    codec, before = choose_codec(weights="toy-rgb"), photo(61, 50, alpha=True)
    small, manifest = down_picture(codec, before, target=TargetSize(scale=5))
    assert (manifest.times, manifest.intermediate_size, manifest.spec.s) == (2, (40, 52), 4)
    once, twice = (up_picture(codec.at(n), small, manifest).pixels for n in (1, 2))
    assert np.array_equal(once, twice)


def test_learned_steps_are_applied_after_bicubic(weights_dir):
    """The networks take the intermediate size as they take any picture, and nothing resamples the small picture."""
    codec, before = choose_codec(weights="toy-rgb"), photo(60, 48)
    small, manifest = down_picture(codec, before, target=TargetSize(scale=3))
    intermediate = bicubic_resize(before.pixels, HW(40, 32))
    assert manifest.intermediate_size == (32, 40)
    assert np.array_equal(small.pixels, codec.down(intermediate))
    restored = up_picture(codec, small, manifest)
    assert np.array_equal(restored.pixels, inverse_bicubic(codec.up(small.pixels), HW(60, 48)))


def test_hidden_colours_do_not_bleed_in_the_bicubic_resize(weights_dir):
    codec, before = choose_codec(weights="toy-rgb"), photo(60, 60)
    alpha = np.full((60, 60), 255, np.uint8)
    alpha[:, 30:] = 0
    clean = np.where(alpha[:, :, None] > 0, 200, 0).astype(np.uint8).repeat(3, axis=2)
    small, _ = down_picture(codec, dataclasses.replace(before, pixels=clean, alpha=alpha), target=TargetSize(scale=3))
    flat, _ = down_picture(
        codec, dataclasses.replace(before, pixels=np.full_like(clean, 200)), target=TargetSize(scale=3)
    )
    assert np.abs(small.pixels.astype(int) - flat.pixels)[:, :10].max() <= 1


def test_padding_out_of_bounds_is_refused(weights_dir):
    codec = choose_codec(weights="toy-rgb")
    small, manifest = down_picture(codec, photo(1, 1))
    forged = manifest.model_copy(update={"times": 18, "spec": ResizeSpec(s=2**18, r=2**18)})
    with pytest.raises(ImageError, match="padded to 4194304x4194304 pixels"):
        up_picture(codec, small, forged)
    with pytest.raises(ImageError, match=r"this picture would be padded to .* take a smaller factor"):
        down_picture(codec, photo(1, 3000), target=TargetSize(scale="3000x1"))
    with pytest.raises(ImageError, match=r"take fewer steps, at most 8 \(x256\), or a larger picture"):
        down_picture(codec.at(12), photo(300, 300))


def test_down_refuses_a_target_larger_than_the_picture(tmp_path, weights_dir):
    write_picture(tmp_path / "in.png", photo(20, 30))
    with pytest.raises(UsageError, match="is larger than the picture of 30x20"):
        down_file(tmp_path / "in.png", tmp_path / "low.png", task="toy", target=TargetSize(size="31x20"))
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


@pytest.mark.parametrize("spec", [{"t": 3}, {"r": 2}, {"s": "3/2", "r": "3/2"}, {"s": 3, "r": 2}], ids=str)
def test_target_size_works_with_every_kind_of_step(tmp_path, spec):
    """Including steps that change the channels, differ by axis or are not integers."""
    channels = 1 if "t" in spec else 3
    codec = build("sr", spec=spec, channels=channels, network={"width": 8, "blocks": 1})
    save(codec, tmp_path / "own.safetensors")
    before = photo(37, 50)
    write_picture(tmp_path / "in.png", before)
    for fields, size in (({"scale": "5/3"}, (30, 23)), ({"scale": 7}, (8, 6)), ({"size": (41, 37)}, (41, 37))):
        files = tmp_path / "low.png", tmp_path / "out.png"
        own = tmp_path / "own.safetensors"
        down_file(
            tmp_path / "in.png", files[0], weights=own, target=TargetSize(**fields), options=RunOptions(overwrite=True)
        )
        low = read_picture(files[0])
        assert (low.hw.wh, low.pixels.shape[2]) == (size, channels)
        up_file(*files, weights=own, options=RunOptions(overwrite=True))
        after = read_picture(files[1])
        assert (after.hw.wh, after.mode) == (before.hw.wh, "RGB")
