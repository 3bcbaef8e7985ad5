"""Down to any target size and up again, by bicubic and learned steps."""

import dataclasses

import numpy as np
import pytest

from resizekit import ResizeSpec, build, save
from resizekit.errors import ImageError, UsageError
from resizekit.images.bicubic_remainder import bicubic_resize, inverse_bicubic
from resizekit.images.files import down_file, up_file
from resizekit.images.pipeline import down_picture, up_picture
from resizekit.images.run_options import RunOptions
from resizekit.images.selection import choose_codec
from resizekit.images.target_size import TargetSize
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.write import write_picture
from resizekit.pictures.manifest import LIMIT
from resizekit.pictures.picture import Picture
from resizekit.spec import HW


@pytest.fixture(scope="module")
def weights_dir(toy_weights):
    return toy_weights


def photo(height, width, channels=3, alpha=False):
    y, x = np.mgrid[:height, :width] / 5
    layers = [127 + 100 * np.sin(x + k) * np.cos(y * (1 + k / 3)) for k in range(channels)]
    opacity = np.clip(x * 60, 0, 255).astype(np.uint8) if alpha else None
    return Picture(pixels=np.stack(layers, 2).astype(np.uint8), alpha=opacity)


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
