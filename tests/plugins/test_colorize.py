"""The tasks `colorize` and `channels`: networks, files stored in grey and restored, metrics, invalid channels."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from resizekit import ResizeSpec, build, down_file, load, save, up_file
from resizekit.codec import Recipe
from resizekit.codec.tiling import halo, tiled_down, tiled_up
from resizekit.codec.traits import Traits
from resizekit.errors import ConfigError, ImageError, ResizeShapeError, UsageError
from resizekit.evaluation.folder import evaluate_folder
from resizekit.evaluation.measure import bicubic_roundtrip, measure
from resizekit.evaluation.metrics import psnr
from resizekit.images.run_options import RunOptions
from resizekit.images.selection import default_weights
from resizekit.images.small_files import read_small
from resizekit.pictures.io.read import read_picture
from resizekit.recipes.assemble import assemble
from resizekit.showcase.roundtrip import roundtrip_file
from resizekit_colorize.packaged import NAMES, WEIGHTS

CONFIGS = sorted((Path(__file__).parents[2] / "plugins/resizekit_colorize/configs").glob("*.toml"))
LARGE_BLOCKS = {"name": "wavelet", "width": 8, "down_blocks": 1, "up_blocks": 1, "block_size": 2}
PROFILE = bytes(16) + b"RGB " + bytes(8)


def perturbed(task="colorize", **options):
    """Build a codec whose parameters differ from their initial values, as after training."""
    torch.manual_seed(0)
    codec = build(task, **({"network": LARGE_BLOCKS} | options))
    with torch.no_grad():
        for parameter in codec.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.03)
    codec.to(memory_format=torch.channels_last)
    return codec.eval().requires_grad_(False)


def random_photo(h, w, c=3, seed=0):
    blocks = np.random.default_rng(seed).integers(0, 256, (-(-h // 4), -(-w // 4), c), np.uint8)
    return blocks.repeat(4, 0).repeat(4, 1)[:h, :w]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save(perturbed(), path)
    return path


# --- the paper's network -----------------------------------------------------------------------


def convolutions(module):
    return sum(isinstance(layer, nn.Conv2d) for layer in module.modules())


def test_tad_without_spatial_factors_has_nine_convolutions_per_side():
    codec = build("colorize")
    assert codec.info[:3] == ("colorize", "tad", "round")
    assert codec.encoder is not None
    assert (convolutions(codec.encoder), convolutions(codec.decoder)) == (9, 9)
    assert (codec.channels, codec.low_channels) == (3, 1)


def test_default_losses_are_those_of_the_paper():
    config = assemble(Recipe(task="colorize")).recipe.config
    assert (config["guide_weight"], config["guide_loss"], config["restoration_loss"]) == (5.0, "l1", "l1")


def test_untrained_codec_stores_full_range_luma_and_repeats_it():
    codec = build("colorize").eval()
    high = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8).repeat(4, 0)
    low = codec.down(high)
    assert low[0, :, 0].tolist() == [76, 150, 29, 255]
    assert np.array_equal(codec.up(low), low.repeat(3, 2))


def test_encoder_none_stores_the_guide():
    codec = build("colorize", encoder="none", network={"width": 8}).eval()
    assert codec.encoder is None
    high = random_photo(12, 16)
    assert np.array_equal(codec.down(high), bicubic_roundtrip(codec, high)[0])
    assert codec.up(codec.down(high)).shape == high.shape


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs_build_a_codec_that_runs(path):
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    codec = assemble(Recipe(task=raw["task"], config=raw["config"], network=raw.get("network", {}))).eval()
    high = random_photo(16, 24)
    low = codec.down(high)
    assert low.shape[2] == 1
    assert codec.up(low).shape == high.shape


def test_default_weights_are_the_first_of_each_task():
    assert (NAMES[0], set(WEIGHTS)) == ("colorize", {"colorize", "channels"})
    assert list(WEIGHTS["colorize"]) == [name for name in NAMES if name in WEIGHTS["colorize"]]
    assert {default_weights("colorize", channels) for channels in (1, 3, 31)} == {"colorize"}
    assert list(WEIGHTS["channels"]) == ["thumb-grey-x2"]


# --- larger blocks -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "spec", "channels"),
    [("colorize", None, 1), ("channels", {"s": 2, "r": "3/2", "t": 3}, 1), ("sr", {"s": 2, "r": 2}, 3)],
    ids=str,
)
def test_tiles_with_larger_blocks_equal_the_full_image(task, spec, channels):
    codec = perturbed(task, channels=channels, compression="uint8", **({} if spec is None else {"spec": spec}))
    _, s, r = codec.spec.multiple
    high = random_photo(301 // s * s, 267 // r * r)
    low = tiled_down(codec, high, "off")
    assert low.shape[2] == channels
    restored = tiled_up(codec, low, "off")
    assert restored.shape == high.shape
    for tile in (64, 77, 130):
        assert np.array_equal(tiled_down(codec, high, tile), low)
        assert np.array_equal(tiled_up(codec, low, tile), restored)
    assert len(np.unique(restored)) > 50


def test_tiles_that_ignore_the_blocks_differ_from_the_full_image():
    codec = perturbed()
    high = random_photo(301, 267)
    low = tiled_down(codec, high, "off")
    codec.receptive_fields["cells"] = halo(codec) + 1
    codec.traits = Traits()  # as networks that work on single cells
    assert not np.array_equal(tiled_down(codec, high, 77), low)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(2, 4))
@settings(max_examples=25)
def test_block_size_pads_the_last_block_from_the_previous_block(h, w, block_size):
    codec = perturbed(network=LARGE_BLOCKS | {"block_size": block_size})
    high = torch.rand(1, 3, h, w, generator=torch.Generator().manual_seed(0))
    low = codec.encode(high)
    assert low.shape == (1, 1, h, w)
    rows, columns = (
        [i if i < n else i - block_size if n > block_size else n - 1 for i in range(n + -n % block_size)]
        for n in (h, w)
    )
    padded = high[:, :, rows][:, :, :, columns]
    torch.testing.assert_close(codec.encode(padded)[:, :, :h, :w], low)
    assert codec.decode(low).shape == high.shape
    codes = (255 * high).to(torch.uint8)
    assert torch.equal(codec.up_codes(codec.down_codes(codes)), codec.up_codes(codec.down_codes(codes.float() / 255)))


def test_block_size_of_2_costs_about_a_quarter():
    from resizekit.evaluation.cost import multiply_adds

    small_blocks, large_blocks = (
        build("colorize", network=LARGE_BLOCKS | {"width": 64, "block_size": n}) for n in (1, 2)
    )
    assert sum(multiply_adds(large_blocks, cells=32)) < 0.3 * sum(multiply_adds(small_blocks, cells=32))


# --- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (17, 33), (40, 52)], ids=str)
@pytest.mark.parametrize("alpha", [False, True], ids=["RGB", "RGBA"])
def test_grey_file_is_exact_and_restores_to_the_original_mode(tmp_path, weights, size, alpha):
    pixels = random_photo(*size, 4 if alpha else 3)
    if alpha:
        pixels[:, :, 3] |= 128
    Image.fromarray(pixels).save(tmp_path / "in.png")
    manifest = down_file(
        tmp_path / "in.png", tmp_path / "grey.png", weights=weights, options=RunOptions(precision="float32")
    )
    assert manifest.mode == ("RGBA" if alpha else "RGB")
    with Image.open(tmp_path / "grey.png") as image:
        assert (image.mode, image.size) == ("LA" if alpha else "L", size[::-1])
        stored = np.array(image).reshape(*size, -1)
    assert np.array_equal(stored[:, :, 1:], pixels[:, :, 3:]), "alpha is not resized here"
    if min(size) >= 16:
        assert np.array_equal(stored[:, :, :1], load(weights).down(pixels[:, :, :3]))
    up_file(tmp_path / "grey.png", tmp_path / "out.png", weights=weights, options=RunOptions(precision="float32"))
    after = read_picture(tmp_path / "out.png")
    assert after.mode == manifest.mode
    assert after.hw.wh == size[::-1]
    assert after.pixels.shape[2] == 3


def test_rgb_profile_is_kept_out_of_the_grey_file_and_restored(tmp_path, weights):
    Image.fromarray(random_photo(20, 30)).save(tmp_path / "in.png", icc_profile=PROFILE)
    down_file(tmp_path / "in.png", tmp_path / "grey.png", weights=weights)
    with Image.open(tmp_path / "grey.png") as image:
        assert "icc_profile" not in image.info, "an RGB profile does not apply to a grey image"
    up_file(tmp_path / "grey.png", tmp_path / "out.png", weights=weights)
    with Image.open(tmp_path / "out.png") as image:
        assert image.info["icc_profile"] == PROFILE


def test_jpeg_that_cannot_keep_the_profile_is_refused(tmp_path):
    save(perturbed(compression="jpeg"), tmp_path / "tiny.safetensors")
    Image.fromarray(random_photo(20, 30)).save(tmp_path / "in.png", icc_profile=PROFILE)
    with pytest.raises(UsageError, match="cannot keep a colour profile"):
        down_file(tmp_path / "in.png", tmp_path / "grey.jpg", weights=tmp_path / "tiny.safetensors")
    assert not (tmp_path / "grey.jpg").exists()


def test_grey_photograph_is_refused(tmp_path, weights):
    Image.fromarray(random_photo(20, 30, 1)[:, :, 0]).save(tmp_path / "in.png")
    with pytest.raises(
        ImageError,
        match=r"in\.png is grey, but these weights hide 3 channels in fewer: use weights that keep the channels",
    ):
        down_file(tmp_path / "in.png", tmp_path / "grey.png", weights=weights)
    assert not (tmp_path / "grey.png").exists()


def test_palette_image_is_converted_and_cmyk_is_refused(tmp_path, weights):
    colours = Image.fromarray(random_photo(20, 30))
    colours.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "palette.png")
    assert down_file(tmp_path / "palette.png", tmp_path / "grey.png", weights=weights).mode == "RGB"
    assert read_small(tmp_path / "grey.png")[0].mode == "L"
    colours.convert("CMYK").save(tmp_path / "print.jpg")
    with pytest.raises(ImageError, match="is in CMYK colours without a profile: convert it to RGB"):
        down_file(tmp_path / "print.jpg", tmp_path / "x.png", weights=weights)


# --- metrics -----------------------------------------------------------------------------------


def test_metrics_compare_with_the_guide_and_its_repetition():
    codec, high = perturbed(), random_photo(24, 32)
    guide, baseline = bicubic_roundtrip(codec, high)
    luma = high.astype(float) @ np.array([0.299, 0.587, 0.114])
    assert np.abs(guide[:, :, 0] - luma).max() <= 0.51
    assert np.array_equal(baseline, guide.repeat(3, 2))
    figures = measure(codec, high)
    assert figures["low_rgb"] == psnr(codec.down(high), guide)
    assert figures["high_rgb"] == psnr(codec.up(codec.down(high)), high)
    assert figures["bicubic_rgb"] == psnr(baseline, high)


def test_baseline_of_a_thumbnail_is_bicubic_repeated():
    codec = build("channels", channels=2, network=LARGE_BLOCKS).eval()
    high = random_photo(24, 32, 6)
    guide, baseline = bicubic_roundtrip(codec, high)
    assert guide.shape == (12, 16, 2)
    assert baseline.shape == high.shape
    assert np.array_equal(baseline[:, :, :2], baseline[:, :, 4:])
    assert np.array_equal(baseline, np.concatenate([baseline[:, :, :2]] * 3, 2))


def test_evaluation_skips_grey_images_and_lists_them(tmp_path):
    Image.fromarray(random_photo(20, 30)).save(tmp_path / "a.png")
    Image.fromarray(random_photo(20, 30, 1)[:, :, 0]).save(tmp_path / "b.png")
    result = evaluate_folder(perturbed(), tmp_path)
    assert result.pictures == 1
    assert ["is grey" in line for line in result.skipped] == [True]


def test_roundtrip_writes_panels_and_metrics(tmp_path, weights):
    Image.fromarray(random_photo(41, 53)).save(tmp_path / "in.png")
    figures = roundtrip_file(tmp_path / "in.png", tmp_path / "out", weights=weights)
    assert figures.baseline == "guide"
    assert [row[0] for row in figures.rows()][2] == "small against the guide, PSNR RGB"
    assert read_picture(tmp_path / "out/side-by-side.png").pixels.shape[2] == 3
    assert figures.bicubic_rgb < 40


# --- invalid channels --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "config", "message"),
    [
        ("colorize", {"channels": 2}, "channels = 2"),
        ("channels", {"channels": 0}, "channels = 0"),
        ("channels", {"channels": 4097}, "channels = 4097"),
        ("channels", {"spec": {"t": "3/2"}}, "invalid t=3/2: expected an integer"),
        ("channels", {"spec": {"t": 2}, "guide": "luma"}, "use 'mean'"),
        ("channels", {"guide": "median"}, "'mean' or 'luma'"),
    ],
    ids=str,
)
def test_invalid_channel_configs_are_refused(task, config, message):
    with pytest.raises(ConfigError, match=message):
        build(task, network={"width": 4, "blocks": 0}, **config)


def test_channels_that_t_does_not_divide_are_refused():
    codec = build("channels", spec={"t": 3}, channels=2, network={"width": 4, "blocks": 0})
    assert codec.spec == ResizeSpec(t=3)
    with pytest.raises(ResizeShapeError, match=r"crop it to \(6, 8, 8\)"):
        codec.down(torch.rand(1, 7, 8, 8))
    with pytest.raises(ResizeShapeError, match="this codec takes 6"):
        codec.down(torch.rand(1, 9, 8, 8))


def test_tensors_of_31_channels_go_down_and_up():
    codec = build("channels", spec={"t": 31}, network={"width": 4, "blocks": 0}).eval()
    high = torch.rand(1, 31, 6, 5)
    low = codec.down(high)
    assert low.shape == (1, 1, 6, 5)
    torch.testing.assert_close(low, high.mean(1, keepdim=True), atol=1 / 255, rtol=0)
    assert codec.up(low).shape == high.shape
