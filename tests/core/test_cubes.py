"""Cubes: pictures with many channels from arrays and TIFF, down to ordinary pictures and up again."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given
from hypothesis import strategies as st

import resizekit
from resizekit import ResizeSpec, Task, TaskConfig, guides, hookimpl
from resizekit.codec.convert import convert_bits
from resizekit.codec.tiling import halo
from resizekit.errors import ConfigError, ImageError, ManifestError, UsageError
from resizekit.evaluation.channels import to_display
from resizekit.evaluation.folder import evaluate_folder
from resizekit.evaluation.measure import measure
from resizekit.evaluation.metrics import psnr
from resizekit.images.files import down_file, up_file
from resizekit.images.pipeline import down_picture, up_picture
from resizekit.images.run_options import RunOptions
from resizekit.images.small_files import read_small
from resizekit.images.target_size import TargetSize
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.write import write_picture
from resizekit.pictures.picture import Picture
from resizekit.pictures.value_range import denormalize, normalize, normalized_view
from resizekit.plugin.registry import installed
from resizekit.training.data import load_pictures

BANDS = 31
KINDS = {"uint8": None, "uint16": None, "float32": (-0.5, 2.0)}
banded = Task(
    name="banded",
    summary="31 bands to a picture",
    config=TaskConfig,
    spec=lambda config: ResizeSpec(s=2, r=2, t=BANDS),
    guide=guides.channel_mean,
)


class BandedPlugin:
    @hookimpl
    def resizekit_register_tasks(self):
        yield banded


@pytest.fixture(scope="module")
def weights_dir(tmp_path_factory, small_weights):
    """Write weights for cubes of 31 channels with a grey small picture, and for colour."""
    folder, registry = tmp_path_factory.mktemp("weights"), installed()
    before = dict(registry.tasks)
    registry.add(BandedPlugin(), "banded", "banded 1.0")
    small_weights(folder / "banded.safetensors", 1, task="banded")
    small_weights(folder / "colour.safetensors", 3)
    yield folder
    registry.tasks = before


def cube(kind="uint8", height=21, width=30, channels=BANDS):
    """Make smooth bands that fill the range of their type."""
    y, x, k = np.mgrid[:height, :width, :channels] / 5
    values = (0.5 + 0.49 * np.sin(x + k) * np.cos(y - k)).astype(np.float32)
    value_range = KINDS[kind]
    pixels = (
        convert_bits(values, 16 if kind == "uint16" else 8)
        if value_range is None
        else denormalize(values, kind, value_range)
    )
    return Picture(pixels=pixels, value_range=value_range)


# --- values ------------------------------------------------------------------------------------


@given(st.integers(0, 4095), st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_values_survive_normalize_and_denormalize(code, low, width):
    twelve = np.full((1, 1, 1), code, np.uint16)
    assert denormalize(normalize(twelve, (0, 4095)), np.uint16, (0, 4095)) == twelve
    value_range = (low, low + width)
    floats = denormalize(np.full((1, 1, 1), code / 4095, np.float32), np.float32, value_range)
    again = denormalize(normalize(floats, value_range), np.float32, value_range)
    assert abs(float(again[0, 0, 0]) - float(floats[0, 0, 0])) <= 1e-6 * (abs(low) + width)


def test_normalized_view_gives_the_parts_of_normalize():
    pixels = np.random.default_rng(0).integers(0, 4096, (700, 60, 40), np.uint16)  # more than one band of rows
    values = normalize(pixels, (0, 4095))
    assert np.array_equal(values, (pixels / 4095).astype(np.float32))
    parts = normalized_view(pixels, (0, 4095))
    assert parts.shape == values.shape
    assert np.array_equal(parts[5:9, 3:], values[5:9, 3:])
    assert normalized_view(pixels, None) is pixels
    assert np.array_equal(denormalize(values, np.uint16, (0, 4095)), pixels)


def test_floats_become_the_nearest_integer_values():
    floats = np.array([-1, 0, 0.5 / 255, 1.5 / 255, 1, 2], np.float32)
    assert convert_bits(floats, 8).tolist() == [0, 0, 0, 2, 255, 255]
    codes = np.arange(65536).astype(np.uint16)
    assert np.array_equal(convert_bits(convert_bits(codes, 32), 16), codes)


def test_to_display_shows_three_bands_of_a_cube():
    assert to_display(cube(channels=6).pixels)[0, 0].tolist() == cube(channels=6).pixels[0, 0, [5, 3, 1]].tolist()
    assert to_display(cube(channels=2).pixels).shape[2] == 3
    assert to_display(cube("uint16", channels=3).pixels).dtype == np.uint8


# --- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [2, 4, BANDS])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".tif"])
def test_cube_survives_its_file(tmp_path, suffix, kind, channels):
    before, path = cube(kind, channels=channels), tmp_path / f"x{suffix}"
    write_picture(path, before)
    after = read_picture(path, KINDS[kind])
    assert (after.mode, after.alpha, after.value_range) == ("CUBE", None, KINDS[kind])
    assert after.pixels.dtype == kind
    assert np.array_equal(after.pixels, before.pixels)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", KINDS)
def test_read_tiff_takes_pages_and_planes_as_bands(tmp_path, kind):
    before = cube(kind)
    planes = np.moveaxis(before.pixels, 2, 0)
    tifffile.imwrite(tmp_path / "pages.tif", planes, photometric="minisblack", metadata=None)
    tifffile.imwrite(tmp_path / "planes.tif", planes, photometric="minisblack", planarconfig="separate", metadata=None)
    for name in ("pages.tif", "planes.tif"):
        assert np.array_equal(read_picture(tmp_path / name, KINDS[kind]).pixels, before.pixels)


@pytest.mark.parametrize(("order", "endian"), [("C", "<"), ("F", "<"), ("C", ">"), ("F", ">")])
def test_read_array_accepts_every_memory_order(tmp_path, order, endian):
    expected = cube("uint16").pixels
    np.save(tmp_path / "x.npy", np.asarray(expected.astype(f"{endian}u2"), order=order))
    read = read_picture(tmp_path / "x.npy").pixels
    assert (read.dtype, read.flags.c_contiguous) == (np.uint16, True)
    assert np.array_equal(read, expected)


def test_array_of_one_or_three_channels_is_a_picture(tmp_path):
    for channels, mode in ((1, "L"), (3, "RGB")):
        write_picture(tmp_path / f"{mode}.npy", cube(channels=channels))
        picture = read_picture(tmp_path / f"{mode}.npy")
        write_picture(tmp_path / f"{mode}.png", picture)
        assert picture.mode == read_picture(tmp_path / f"{mode}.png").mode == mode


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_write_refuses_cubes_and_floats_in_picture_formats(tmp_path, suffix):
    with pytest.raises(
        UsageError, match=r"cannot hold 31 channels: use one of the suffixes \.tif, \.tiff, \.npy, \.npz"
    ):
        write_picture(tmp_path / f"x{suffix}", cube())
    with pytest.raises(UsageError, match="cannot keep 32 bits a channel"):
        write_picture(tmp_path / f"x{suffix}", cube("float32", channels=3))


def test_read_refuses_values_outside_their_range(tmp_path):
    write_picture(tmp_path / "x.npy", cube("float32"))
    with pytest.raises(ImageError, match=r"outside the value range 0,1: declare a wider one"):
        read_picture(tmp_path / "x.npy", (0, 1))
    for value_range in ((1, 0), (0, 0), (0, float("inf")), (float("nan"), 1)):
        with pytest.raises(UsageError, match="LOW,HIGH"):
            read_picture(tmp_path / "x.npy", value_range)


# --- down and up -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_file_and_memory_give_the_same_bits(tmp_path, weights_dir, kind):
    weights, small, value_range = weights_dir / "banded.safetensors", tmp_path / "small.png", KINDS[kind]
    before = cube(kind)
    write_picture(tmp_path / "in.npy", before)
    made = down_file(
        tmp_path / "in.npy", small, weights=weights, value_range=value_range, options=RunOptions(precision="float32")
    )
    read, manifest = read_small(small)
    assert manifest == made
    assert (manifest.mode, manifest.channels, manifest.value_range) == ("CUBE", BANDS, value_range)
    assert (read.mode, read.bits, read.hw.wh) == ("L", 8, (15, 11))
    codec = resizekit.load(weights)
    small_picture, manifest_in_memory = down_picture(codec, before)
    assert (small_picture.digest, small_picture.embedded_manifest) == (read.digest, read.embedded_manifest)
    expected = up_picture(codec, small_picture, manifest_in_memory)
    for target in ("out.npy", "out.npz", "out.tif"):
        up_file(small, tmp_path / target, weights=weights, options=RunOptions(precision="float32"))
        after = read_picture(tmp_path / target, value_range)
        assert after.pixels.dtype == kind
        assert after.pixels.shape == before.pixels.shape
        assert np.array_equal(after.pixels, expected.pixels)
    tiled = up_picture(codec, small_picture, manifest_in_memory, tile=96)
    assert np.array_equal(tiled.pixels, expected.pixels)


@pytest.mark.parametrize("kind", KINDS)
def test_cube_reaches_a_target_size_and_is_restored(weights_dir, kind):
    codec, before = resizekit.load(weights_dir / "banded.safetensors"), cube(kind, 40, 50)
    small_picture, manifest = down_picture(codec, before, target=TargetSize(scale=3))
    after = up_picture(codec, small_picture, manifest)
    assert (small_picture.hw.wh, manifest.intermediate_size) == ((17, 14), (34, 28))
    assert (after.pixels.dtype, after.pixels.shape, after.value_range) == (kind, (40, 50, BANDS), KINDS[kind])
    if kind == "float32":
        assert after.pixels.min() >= -0.5
        assert after.pixels.max() <= 2
        # the small picture holds the mean of the bands; random weights change it by 0.11 on a range of 2.5
        assert np.abs(after.pixels.mean(2) - before.pixels.mean(2)).mean() < 0.15
    small_picture, manifest = down_picture(codec, before, target=TargetSize(scale=1))
    assert (small_picture.hw.wh, manifest.times) == (
        before.hw.wh,
        1,
    )  # the channels are folded at every size
    assert up_picture(codec, small_picture, manifest).pixels.shape == before.pixels.shape


def test_cube_of_floats_is_restored_by_the_codec(weights_dir):
    codec, before = resizekit.load(weights_dir / "banded.safetensors"), cube("float32", 32, 36)
    small_picture, manifest = down_picture(codec, before)
    high = torch.from_numpy(normalize(before.pixels, before.value_range)).permute(2, 0, 1)[None]
    low = codec.down_tensor(high)
    assert torch.equal(low[0, 0], torch.from_numpy(small_picture.pixels[:, :, 0]) * np.float32(1 / 255))
    restored = codec.up_tensor(low)[0].permute(1, 2, 0).numpy()
    assert np.allclose(up_picture(codec, small_picture, manifest).pixels, -0.5 + 2.5 * restored, atol=1e-5)


def test_down_refuses_other_channels(tmp_path, weights_dir):
    for channels, weights, message in (
        (BANDS, "colour", "this picture has 31 channels, and these weights take 3"),
        (3, "banded", "this picture has 3 channels, and these weights take 31: give a picture of 31"),
        (1, "banded", "this picture is grey, but these weights hide 31 channels"),
    ):
        with pytest.raises(ImageError) as refusal:
            down_picture(resizekit.load(weights_dir / f"{weights}.safetensors"), cube(channels=channels))
        assert message in str(refusal.value)


@pytest.mark.parametrize(
    "change", [{"channels": 30}, {"mode": "L", "channels": None}, {"mode": "RGB", "channels": None}]
)
def test_up_refuses_a_manifest_of_other_channels(weights_dir, change):
    codec = resizekit.load(weights_dir / "banded.safetensors")
    small_picture, manifest = down_picture(codec, cube())
    with pytest.raises(ManifestError, match="does not fit its own manifest"):
        up_picture(codec, small_picture, manifest.model_copy(update=change))


def test_value_range_needs_memory_for_a_tile_only(weights_dir):
    """As floats, the entire cube would need four times the memory of its bytes."""
    codec, before = (
        resizekit.load(weights_dir / "banded.safetensors"),
        Picture(pixels=cube(height=320, width=300).pixels),
    )
    ranged = replace(before, value_range=(0.0, 255.0))
    halo(codec)  # measure it before tracing memory
    tracemalloc.start()
    small_picture, manifest = down_picture(codec, ranged, tile=64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * before.pixels.nbytes
    assert np.array_equal(small_picture.pixels, down_picture(codec, before, tile=64)[0].pixels)
    assert manifest.value_range == (0, 255)


def test_padding_limit_counts_all_channels(weights_dir, monkeypatch):
    codec, thin = resizekit.load(weights_dir / "banded.safetensors"), cube(height=2, width=60)
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 4000)  # 32x60 pixels are fewer, their 31 channels are not
    with pytest.raises(ImageError, match=r"padded to 60x32 pixels .* too many with 31 channel"):
        down_picture(codec, thin)
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 20_000)
    assert down_picture(codec, thin)[0].hw.wh == (30, 1)


# --- metrics and training ----------------------------------------------------------------------


def test_metrics_of_cubes_cover_all_channels_without_luma(tmp_path, weights_dir):
    codec = resizekit.load(weights_dir / "banded.safetensors")
    before = cube("float32", 32, 36)
    values = normalize(before.pixels, before.value_range)
    metrics = measure(codec, values)
    assert set(metrics) == {"high_rgb", "low_rgb", "bicubic_rgb"}
    small_picture, manifest = down_picture(codec, before)
    back = normalize(up_picture(codec, small_picture, manifest).pixels, before.value_range)
    assert metrics["high_rgb"] == pytest.approx(psnr(back, values), abs=1e-3)
    write_picture(tmp_path / "a.npy", before)
    write_picture(tmp_path / "b.npy", cube(channels=3))
    write_picture(tmp_path / "c.npy", cube(channels=1))
    set_metrics = evaluate_folder(codec, tmp_path, value_range=before.value_range)
    assert set_metrics.each["a.npy"] == metrics
    assert len(set_metrics.skipped) == 2
    set_metrics = evaluate_folder(resizekit.load(weights_dir / "colour.safetensors"), tmp_path)
    assert set(set_metrics.each) == {"b.npy", "c.npy"}


def test_training_loads_cubes_as_8_bits(tmp_path):
    for kind in KINDS:
        write_picture(tmp_path / f"{kind}.npy", cube(kind))
    write_picture(tmp_path / "colour.png", cube(channels=3))
    loaded = load_pictures([tmp_path], BANDS, value_range=None)
    assert [picture.dtype for picture in loaded.pictures] == [np.uint8, np.uint8]
    assert all(picture.shape == (21, 30, BANDS) for picture in loaded.pictures)
    assert len(loaded.skipped) == 2
    assert "--value-range" in loaded.skipped[1]
    (floats,) = load_pictures([tmp_path / "float32.npy"], BANDS, value_range=KINDS["float32"]).pictures
    assert np.abs(np.int64(floats) - loaded.pictures[1]).max() <= 1
    with pytest.raises(ConfigError, match="has 31 channel"):
        load_pictures([tmp_path / "uint8.npy"], 3)
    write_picture(tmp_path / "grey.png", cube(channels=1))
    assert len(load_pictures([tmp_path / "grey.png"], 3).pictures) == 1
    with pytest.raises(ConfigError, match=r"grey\.png is grey, but these weights hide 3 channels"):
        load_pictures([tmp_path / "grey.png"], 3, folds=True)
