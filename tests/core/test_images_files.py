"""The whole way over files, with a small task of the tests' own and weights that it ships."""

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
from resizekit.images.bicubic_remainder import bicubic_resize, inverse_bicubic
from resizekit.images.files import down_file, read_small, up_file
from resizekit.images.io.read import read_picture
from resizekit.images.io.write import write_picture
from resizekit.images.manifest import LIMIT, Manifest
from resizekit.images.picture import Picture
from resizekit.images.pipeline import down_picture, up_picture
from resizekit.images.selection import choose_codec
from resizekit.images.target_size import TargetSize
from resizekit.plugin.registry import installed

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
def shelf(tmp_path_factory, small_weights):
    """Install the task with weights for colour and grey; files of own training lie beside."""
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
    """Give something smooth with detail in it."""
    y, x = np.mgrid[:height, :width] / 5
    layers = [127 + 100 * np.sin(x + k) * np.cos(y * (1 + k / 3)) for k in range(channels)]
    opacity = np.clip(x * 60, 0, 255).astype(np.uint8) if alpha else None
    return Picture(pixels=np.stack(layers, 2).astype(np.uint8), alpha=opacity, **more)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2), (17, 33), (64, 64)], ids=str)
@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA"])
def test_every_size_and_mode_goes_down_and_comes_back(tmp_path, shelf, size, mode):
    before = photo(*size, 1 if mode[0] == "L" else 3, mode.endswith("A"))
    write_picture(tmp_path / "in.png", before)
    made = down_file(tmp_path / "in.png", tmp_path / "low.png", task="toy", device="cpu")
    assert made.weights == ("toy-y" if mode[0] == "L" else "toy-rgb")
    assert (made.size, made.mode, made.task, made.spec.s) == (before.size, mode, "toy", 2)
    low = read_picture(tmp_path / "low.png")
    assert low.size == (-(-size[1] // 2), -(-size[0] // 2))
    assert low.mode == mode
    assert up_file(tmp_path / "low.png", tmp_path / "out.png", device="cpu") == made
    after = read_picture(tmp_path / "out.png")
    assert (after.size, after.mode, after.note) == (before.size, mode, None)
    if min(size) > 16:
        error = after.pixels.astype(float) - before.pixels
        assert 10 * np.log10(255**2 / np.mean(error**2)) > 20


def test_memory_and_file_give_the_same_bits(tmp_path, shelf):
    before = photo(45, 38, alpha=True)
    codec = choose_codec(weights="toy-rgb", task=None, precision="float32")
    small, manifest = down_picture(codec, before)
    write_picture(tmp_path / "low.png", small)
    read, same = read_small(tmp_path / "low.png")
    assert same == manifest
    assert read.digest == small.digest
    here, there = up_picture(codec, small, manifest), up_picture(codec, read, same)
    assert here.digest == there.digest


def test_the_small_image_is_plain_and_its_manifest_short(tmp_path, shelf):
    write_picture(tmp_path / "in.png", photo(20, 30, icc=PROFILE))
    down_file(tmp_path / "in.png", tmp_path / "low.png", weights="toy-rgb")
    with PIL.Image.open(tmp_path / "low.png") as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (15, 10))
        assert image.info["icc_profile"] == PROFILE
        assert len(image.text["resizekit"]) < LIMIT
    up_file(tmp_path / "low.png", tmp_path / "out.webp")
    assert read_picture(tmp_path / "out.webp").icc == PROFILE


def test_grey_through_colour_weights_comes_back_grey(tmp_path, shelf):
    write_picture(tmp_path / "in.png", photo(20, 30, 1))
    assert down_file(tmp_path / "in.png", tmp_path / "low.png", weights="toy-rgb").mode == "L"
    assert read_picture(tmp_path / "low.png").mode == "RGB"
    up_file(tmp_path / "low.png", tmp_path / "out.png")
    assert read_picture(tmp_path / "out.png").mode == "L"


def test_a_photographs_orientation_is_applied(tmp_path, shelf):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.new("RGB", (40, 30)).save(tmp_path / "in.jpg", exif=exif)
    assert down_file(tmp_path / "in.jpg", tmp_path / "low.png", task="toy").size == (30, 40)


def test_own_weights_need_their_file_and_no_other(tmp_path, shelf):
    own = shelf / "own_1.safetensors"
    write_picture(tmp_path / "in.png", photo(20, 30))
    assert down_file(tmp_path / "in.png", tmp_path / "low.png", weights=own).weights == "own_1"
    with pytest.raises(ManifestError, match=r"'own_1' of task 'toy'.*--weights"):
        up_file(tmp_path / "low.png", tmp_path / "out.png")
    with pytest.raises(ManifestError, match="other weights 'own_1'"):
        up_file(tmp_path / "low.png", tmp_path / "out.png", weights="toy-rgb")
    up_file(tmp_path / "low.png", tmp_path / "out.png", weights=own, precision="float32")
    codec = choose_codec(weights=own, task=None, precision="float32")
    up_file(tmp_path / "low.png", tmp_path / "again.png", codec=codec)
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "out.png").read_bytes()


def test_weights_that_have_another_name_by_now_are_found_by_their_digest(tmp_path, shelf):
    write_picture(tmp_path / "in.png", photo(20, 30))
    manifest = down_file(tmp_path / "in.png", tmp_path / "low.png", weights="toy-rgb")
    up_file(tmp_path / "low.png", tmp_path / "out.png")
    small = read_picture(tmp_path / "low.png")
    for former in ("toy-y", "nobody-knows"):  # one that now means other weights, and one that is gone
        note = manifest.model_copy(update={"weights": former}).to_text()
        write_picture(tmp_path / f"{former}.png", dataclasses.replace(small, note=note))
        up_file(tmp_path / f"{former}.png", tmp_path / f"{former}-out.png")
        assert (tmp_path / f"{former}-out.png").read_bytes() == (tmp_path / "out.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({}, UsageError, "Say one of"),
        ({"task": "toy", "weights": "toy-y"}, UsageError, "Say one of"),
        ({"weights": "nowhere"}, UnknownNameError, "nowhere"),
        ({"weights": "nowhere.safetensors"}, CheckpointError, "nowhere"),
        ({"weights": "toy-y"}, ImageError, "has 3 channels, and these weights take 1"),
        ({"task": "toy", "tile": 9}, UsageError, "at least 64"),
        ({"task": "toy", "device": "toaster"}, UsageError, "auto, cpu or cuda"),
        ({"task": "toy", "dst": "low.jpg"}, UsageError, "is a PNG"),
        ({"task": "toy", "dst": "in.png", "overwrite": True}, UsageError, "input itself"),
        ({"task": "toy", "src": "missing.png"}, ImageError, "does not exist"),
    ],
)
def test_what_down_cannot_do_leaves_nothing(tmp_path, shelf, arguments, error, says):
    write_picture(tmp_path / "in.png", photo(20, 30))
    src, dst = arguments.pop("src", "in.png"), arguments.pop("dst", "low.png")
    with pytest.raises(error) as refusal:
        down_file(tmp_path / src, tmp_path / dst, **arguments)
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_a_name_that_no_manifest_may_hold_is_refused(tmp_path, shelf):
    write_picture(tmp_path / "in.png", photo(20, 30))
    with pytest.raises(UsageError, match="rename the file"):
        down_file(tmp_path / "in.png", tmp_path / "low.png", weights=shelf / "Bad name.safetensors")


@pytest.fixture(scope="module")
def small(shelf):
    return down_picture(choose_codec(weights="toy-rgb", task=None, precision="float32"), photo(30, 40))


def test_a_changed_small_image_says_so(tmp_path, small):
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
    ("change", "error", "says"),
    [
        ({"weights": "nowhere", "digest": "0" * 64}, ManifestError, "not installed"),
        ({"weights": "nowhere", "task": "gone", "digest": "0" * 64}, UnknownNameError, "no task 'gone'"),
        ({"weights": "own_1.safetensors", "digest": "0" * 64}, ManifestError, "not installed"),
        ({"weights": "toy-y", "digest": "0" * 64}, ManifestError, "install resizekit 0.1.0, which had them"),
        ({"digest": "0" * 64}, ManifestError, "install resizekit 0.1.0, which had them"),
        ({"task": "gone"}, ManifestError, "task 'gone'"),
        ({"spec": {"s": 4, "r": 4}}, ManifestError, "do not do that"),
        ({"times": 2}, ManifestError, "do not do that"),
        ({"times": 64}, ManifestError, "do not do that"),
        ({"size": [80, 60]}, ManifestError, "does not fit its own manifest"),
        ({"mode": "RGBA"}, ManifestError, "does not fit its own manifest"),
        ({"size": [100000, 100000]}, ImageError, "89478485"),
        ({"format": 3}, ManifestError, "upgrade"),
        ({"times": 0}, ManifestError, "do not do that"),
        ({"times": 0, "spec": {}}, ManifestError, "does not fit its own manifest"),
        ({"middle": [40, 31]}, ManifestError, "does not fit its own manifest"),
        ({"middle": [2**31 - 1, 2**31 - 1]}, ManifestError, "does not fit its own manifest"),
        ({"middle": [40, 30], "times": 18, "spec": {"s": 2**18, "r": 2**18}}, ManifestError, "does not fit its own"),
        (
            {"middle": [20 * 2**17, 15 * 2**17], "times": 17, "spec": {"s": 2**17, "r": 2**17}},
            ImageError,
            "padded to 2621440x2097152 pixels",
        ),
        ({"resizekit": "0.1.0", "extra": 1}, ManifestError, "broken manifest"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(tmp_path, monkeypatch, shelf, small, change, error, says):
    monkeypatch.chdir(shelf)  # where a manifest that named a path would find one
    values = json.loads(small[0].note) | {"resizekit": "0.1.0"} | change
    note = PngInfo()
    note.add_itxt("resizekit", json.dumps(values))
    PIL.Image.fromarray(small[0].pixels).save(tmp_path / "low.png", pnginfo=note)
    with pytest.raises(error) as refusal:
        up_file(tmp_path / "low.png", tmp_path / "out.png")
    assert isinstance(refusal.value, ResizeKitError)
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir()] == ["low.png"]


def test_a_picture_that_is_no_small_image_is_refused(tmp_path, small):
    PIL.Image.fromarray(small[0].pixels).save(tmp_path / "x.png")
    PIL.Image.fromarray(small[0].pixels).save(tmp_path / "x.jpg")
    for name in ("x.png", "x.jpg"):
        with pytest.raises(ManifestError, match="no manifest"):
            up_file(tmp_path / name, tmp_path / "out.png")


def test_another_png_of_the_same_pixels_is_as_good(tmp_path, shelf, small):
    picture, manifest = small
    note = PngInfo()
    note.add_itxt("resizekit", picture.note, zip=True)
    PIL.Image.fromarray(picture.pixels).save(tmp_path / "low.png", pnginfo=note, optimize=True)
    assert up_file(tmp_path / "low.png", tmp_path / "out.png") == manifest
    assert Manifest.from_text(picture.note, "x") == manifest


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


@pytest.mark.parametrize(("size", "said", "small"), WANTED, ids=str)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_any_size_goes_down_and_comes_back(tmp_path, shelf, size, said, small, mode):
    before = photo(*size, 1 if mode == "L" else 3, mode == "RGBA")
    write_picture(tmp_path / "in.png", before)
    made = down_file(tmp_path / "in.png", tmp_path / "low.png", task="toy", wanted=TargetSize(**said))
    low = read_picture(tmp_path / "low.png")
    assert (low.size, low.mode) == (small, mode)
    assert len(low.note) < LIMIT
    assert up_file(tmp_path / "low.png", tmp_path / "out.png") == made
    after = read_picture(tmp_path / "out.png")
    assert (after.size, after.mode, after.note) == (before.size, mode, None)


def test_the_very_factor_of_the_weights_changes_nothing(shelf):
    codec, before = choose_codec(weights="toy-rgb", task=None, precision="float32"), photo(45, 38, alpha=True)
    plain, planned = down_picture(codec, before), down_picture(codec, before, wanted=TargetSize(scale=2))
    assert planned[1] == plain[1]
    assert planned[0].digest == plain[0].digest


def test_a_picture_that_is_no_larger_comes_back_exactly(shelf):
    codec, before = choose_codec(weights="toy-rgb", task=None), photo(20, 30, alpha=True)
    small, manifest = down_picture(codec, before, wanted=TargetSize(max_side=30))
    assert (manifest.times, manifest.middle) == (0, None)
    assert up_picture(codec, small, manifest).digest == before.digest


def test_tiles_make_no_difference(shelf):
    codec, before = choose_codec(weights="toy-rgb", task=None, precision="float32"), photo(210, 190, alpha=True)
    wanted = TargetSize(scale=3)
    (small, manifest), (tiled, same) = (down_picture(codec, before, wanted=wanted, tile=t) for t in ("off", 64))
    assert manifest == same
    assert (manifest.times, manifest.middle, manifest.spec.s) == (1, (128, 140), 2)
    assert tiled.digest == small.digest
    whole, tiles = (up_picture(codec, small, manifest, tile=t) for t in ("off", 64))
    assert whole.digest == tiles.digest


def test_several_steps(shelf):
    codec, before = choose_codec(weights="toy-rgb", task=None, precision="float32"), photo(61, 50, alpha=True)
    small, manifest = down_picture(codec, before, wanted=TargetSize(scale=5))
    assert (manifest.times, manifest.middle, manifest.spec.s) == (2, (40, 52), 4)
    once, twice = (up_picture(codec.at(n), small, manifest).pixels for n in (1, 2))
    assert np.array_equal(once, twice)


def test_learned_steps_stand_next_to_the_small_picture(shelf):
    """What is learned is neither resampled nor left out: the middle goes down and comes back as any picture does."""
    codec, before = choose_codec(weights="toy-rgb", task=None, precision="float32"), photo(60, 48)
    small, manifest = down_picture(codec, before, wanted=TargetSize(scale=3))
    middle = bicubic_resize(before.pixels, (40, 32))
    assert manifest.middle == (32, 40)
    assert np.array_equal(small.pixels, codec.down(middle))
    restored = up_picture(codec, small, manifest)
    assert np.array_equal(restored.pixels, inverse_bicubic(codec.up(small.pixels), (60, 48)))


def test_hidden_colours_do_not_bleed_into_the_remainder(shelf):
    codec, before = choose_codec(weights="toy-rgb", task=None, precision="float32"), photo(60, 60)
    alpha = np.full((60, 60), 255, np.uint8)
    alpha[:, 30:] = 0
    clean = np.where(alpha[:, :, None] > 0, 200, 0).astype(np.uint8).repeat(3, axis=2)
    small, _ = down_picture(codec, dataclasses.replace(before, pixels=clean, alpha=alpha), wanted=TargetSize(scale=3))
    flat, _ = down_picture(
        codec, dataclasses.replace(before, pixels=np.full_like(clean, 200)), wanted=TargetSize(scale=3)
    )
    assert np.abs(small.pixels.astype(int) - flat.pixels)[:, :10].max() <= 1


def test_a_tiny_manifest_cannot_ask_for_a_huge_room(shelf):
    codec = choose_codec(weights="toy-rgb", task=None)
    small, manifest = down_picture(codec, photo(1, 1))
    forged = manifest.model_copy(update={"times": 18, "spec": ResizeSpec(s=2**18, r=2**18)})
    with pytest.raises(ImageError, match="padded to 4194304x4194304 pixels"):
        up_picture(codec, small, forged)
    with pytest.raises(ImageError, match=r"this picture would be padded to .* take a smaller factor"):
        down_picture(codec, photo(1, 3000), wanted=TargetSize(scale="3000x1"))
    with pytest.raises(ImageError, match=r"take fewer steps, at most 8 \(x256\), or a larger picture"):
        down_picture(codec.at(12), photo(300, 300))


def test_a_size_that_cannot_be_leaves_nothing(tmp_path, shelf):
    write_picture(tmp_path / "in.png", photo(20, 30))
    with pytest.raises(UsageError, match="is larger than the picture of 30x20"):
        down_file(tmp_path / "in.png", tmp_path / "low.png", task="toy", wanted=TargetSize(size="31x20"))
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


@pytest.mark.parametrize("spec", [{"t": 3}, {"r": 2}, {"s": "3/2", "r": "3/2"}, {"s": 3, "r": 2}], ids=str)
def test_any_step_of_weights(tmp_path, spec):
    """Also those that change the channels, are not square or no whole number."""
    channels = 1 if "t" in spec else 3
    codec = build("sr", spec=spec, channels=channels, network={"width": 8, "blocks": 1})
    save(codec, tmp_path / "own.safetensors")
    before = photo(37, 50)
    write_picture(tmp_path / "in.png", before)
    for said, size in (({"scale": "5/3"}, (30, 23)), ({"scale": 7}, (8, 6)), ({"size": (41, 37)}, (41, 37))):
        files = tmp_path / "low.png", tmp_path / "out.png"
        own = tmp_path / "own.safetensors"
        down_file(tmp_path / "in.png", files[0], weights=own, wanted=TargetSize(**said), overwrite=True)
        low = read_picture(files[0])
        assert (low.size, low.pixels.shape[2]) == (size, channels)
        up_file(*files, weights=own, overwrite=True)
        after = read_picture(files[1])
        assert (after.size, after.mode) == (before.size, "RGB")
