"""The tasks `colorize` and `channels`: the paper's network, files to grey and back, figures, bad channels."""

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
from resizekit.images.files import read_small
from resizekit.images.io.read import read_picture
from resizekit.recipes.assemble import assemble
from resizekit.recipes.checkpoint import default_weights
from resizekit.showcase.roundtrip import roundtrip_file
from resizekit_colorize.shipped import ORDER, SHIPPED

CONFIGS = sorted((Path(__file__).parents[2] / "plugins/resizekit_colorize/configs").glob("*.toml"))
SQUEEZED = {"name": "wavelet", "width": 8, "down_blocks": 1, "up_blocks": 1, "block_size": 2}
PROFILE = bytes(16) + b"RGB " + bytes(8)


def stirred(task="colorize", **options):
    """A codec whose parameters are off their start, as after training."""
    torch.manual_seed(0)
    codec = build(task, **({"network": SQUEEZED} | options))
    with torch.no_grad():
        for parameter in codec.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.03)
    codec.to(memory_format=torch.channels_last)
    return codec.eval().requires_grad_(False)


def photo(h, w, c=3, seed=0):
    blocks = np.random.default_rng(seed).integers(0, 256, (-(-h // 4), -(-w // 4), c), np.uint8)
    return blocks.repeat(4, 0).repeat(4, 1)[:h, :w]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save(stirred(), path)
    return path


# --- the paper's network -----------------------------------------------------------------------


def convolutions(module):
    return sum(isinstance(layer, nn.Conv2d) for layer in module.modules())


def test_nine_convolutions_a_side_and_no_layer_for_a_factor_of_one():
    codec = build("colorize")
    assert codec.info[:3] == ("colorize", "tad", "round")
    assert codec.encoder is not None
    assert (convolutions(codec.encoder), convolutions(codec.decoder)) == (9, 9)
    assert (codec.channels, codec.low_channels) == (3, 1)


def test_the_defaults_are_the_papers():
    config = assemble(Recipe(task="colorize")).recipe.config
    assert (config["guide_weight"], config["guide_loss"], config["restoration_loss"]) == (5.0, "l1", "l1")


def test_the_guide_is_full_range_luma_and_the_start_is_the_guide_repeated():
    codec = build("colorize").eval()
    high = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8).repeat(4, 0)
    low = codec.down(high)
    assert low[0, :, 0].tolist() == [76, 150, 29, 255]
    assert np.array_equal(codec.up(low), low.repeat(3, 2))


def test_the_baseline_is_the_decoder_alone_on_ordinary_grey():
    codec = build("colorize", encoder="none", network={"width": 8}).eval()
    assert codec.encoder is None
    high = photo(12, 16)
    assert np.array_equal(codec.down(high), bicubic_roundtrip(codec, high)[0])
    assert codec.up(codec.down(high)).shape == high.shape


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs_build_and_go_down_and_up(path):
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    codec = assemble(Recipe(task=raw["task"], config=raw["config"], network=raw.get("network", {}))).eval()
    high = photo(16, 24)
    low = codec.down(high)
    assert low.shape[2] == 1
    assert codec.up(low).shape == high.shape


def test_the_first_weights_serve_by_default_and_the_baseline_never():
    assert (ORDER[0], set(SHIPPED)) == ("colorize", {"colorize", "channels"})
    assert list(SHIPPED["colorize"]) == [name for name in ORDER if name in SHIPPED["colorize"]]
    assert {default_weights("colorize", channels) for channels in (1, 3, 31)} == {"colorize"}
    assert "tad-grey" not in SHIPPED["channels"]


# --- larger blocks -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "spec", "channels"),
    [("colorize", None, 1), ("channels", {"s": 2, "r": "3/2", "t": 3}, 1), ("sr", {"s": 2, "r": 2}, 3)],
    ids=str,
)
def test_squeezed_tiles_and_the_whole_are_bit_equal(task, spec, channels):
    codec = stirred(task, channels=channels, compression="uint8", **({} if spec is None else {"spec": spec}))
    _, s, r = codec.spec.multiple
    high = photo(301 // s * s, 267 // r * r)
    low = tiled_down(codec, high, "off")
    assert low.shape[2] == channels
    restored = tiled_up(codec, low, "off")
    assert restored.shape == high.shape
    for tile in (64, 77, 130):
        assert np.array_equal(tiled_down(codec, high, tile), low)
        assert np.array_equal(tiled_up(codec, low, tile), restored)
    assert len(np.unique(restored)) > 50


def test_tiles_that_ignored_the_blocks_would_differ():
    codec = stirred()
    high = photo(301, 267)
    low = tiled_down(codec, high, "off")
    codec.receptive_fields["cells"] = halo(codec) + 1
    codec.traits = Traits()  # as networks that work on single cells
    assert not np.array_equal(tiled_down(codec, high, 77), low)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(2, 4))
@settings(max_examples=25)
def test_squeezing_takes_any_size_and_fills_up_the_last_block_from_the_one_before(h, w, block_size):
    codec = stirred(network=SQUEEZED | {"block_size": block_size})
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


def test_squeezing_by_two_quarters_the_cost():
    from resizekit.evaluation.cost import multiply_adds

    plain, squeezed = (build("colorize", network=SQUEEZED | {"width": 64, "block_size": n}) for n in (1, 2))
    assert sum(multiply_adds(squeezed, cells=32)) < 0.3 * sum(multiply_adds(plain, cells=32))


# --- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (17, 33), (40, 52)], ids=str)
@pytest.mark.parametrize("alpha", [False, True], ids=["RGB", "RGBA"])
def test_grey_is_stored_exactly_and_colours_come_back(tmp_path, weights, size, alpha):
    pixels = photo(*size, 4 if alpha else 3)
    if alpha:
        pixels[:, :, 3] |= 128
    Image.fromarray(pixels).save(tmp_path / "in.png")
    manifest = down_file(tmp_path / "in.png", tmp_path / "grey.png", weights=weights, precision="float32")
    assert manifest.mode == ("RGBA" if alpha else "RGB")
    with Image.open(tmp_path / "grey.png") as image:
        assert (image.mode, image.size) == ("LA" if alpha else "L", size[::-1])
        stored = np.array(image).reshape(*size, -1)
    assert np.array_equal(stored[:, :, 1:], pixels[:, :, 3:]), "alpha is not resized here"
    if min(size) >= 16:
        assert np.array_equal(stored[:, :, :1], load(weights).down(pixels[:, :, :3]))
    up_file(tmp_path / "grey.png", tmp_path / "out.png", weights=weights, precision="float32")
    after = read_picture(tmp_path / "out.png")
    assert after.mode == manifest.mode
    assert after.size == size[::-1]
    assert after.pixels.shape[2] == 3


def test_a_profile_of_rgb_waits_beside_the_grey_picture(tmp_path, weights):
    Image.fromarray(photo(20, 30)).save(tmp_path / "in.png", icc_profile=PROFILE)
    down_file(tmp_path / "in.png", tmp_path / "grey.png", weights=weights)
    with Image.open(tmp_path / "grey.png") as image:
        assert "icc_profile" not in image.info, "a grey picture in RGB's colours is none"
    up_file(tmp_path / "grey.png", tmp_path / "out.png", weights=weights)
    with Image.open(tmp_path / "out.png") as image:
        assert image.info["icc_profile"] == PROFILE


def test_a_jpeg_that_cannot_keep_the_profile_says_so(tmp_path):
    save(stirred(compression="jpeg"), tmp_path / "tiny.safetensors")
    Image.fromarray(photo(20, 30)).save(tmp_path / "in.png", icc_profile=PROFILE)
    with pytest.raises(UsageError, match="cannot keep its colour profile"):
        down_file(tmp_path / "in.png", tmp_path / "grey.jpg", weights=tmp_path / "tiny.safetensors")
    assert not (tmp_path / "grey.jpg").exists()


def test_a_grey_photograph_is_refused(tmp_path, weights):
    Image.fromarray(photo(20, 30, 1)[:, :, 0]).save(tmp_path / "in.png")
    with pytest.raises(
        ImageError, match=r"in\.png is grey, and these weights fold 3 channels: there is no colour to hide"
    ):
        down_file(tmp_path / "in.png", tmp_path / "grey.png", weights=weights)
    assert not (tmp_path / "grey.png").exists()


def test_a_palette_is_spelt_out_and_other_colours_are_refused(tmp_path, weights):
    colours = Image.fromarray(photo(20, 30))
    colours.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "palette.png")
    assert down_file(tmp_path / "palette.png", tmp_path / "grey.png", weights=weights).mode == "RGB"
    assert read_small(tmp_path / "grey.png")[0].mode == "L"
    colours.convert("CMYK").save(tmp_path / "print.jpg")
    with pytest.raises(ImageError, match="is in CMYK colours: convert it to RGB"):
        down_file(tmp_path / "print.jpg", tmp_path / "x.png", weights=weights)


# --- figures -----------------------------------------------------------------------------------


def test_figures_are_against_the_guide_and_the_guide_repeated():
    codec, high = stirred(), photo(24, 32)
    guide, plain = bicubic_roundtrip(codec, high)
    wanted = high.astype(float) @ np.array([0.299, 0.587, 0.114])
    assert np.abs(guide[:, :, 0] - wanted).max() <= 0.51
    assert np.array_equal(plain, guide.repeat(3, 2))
    figures = measure(codec, high)
    assert figures["low_rgb"] == psnr(codec.down(high), guide)
    assert figures["high_rgb"] == psnr(codec.up(codec.down(high)), high)
    assert figures["bicubic_rgb"] == psnr(plain, high)


def test_a_thumbnails_plain_way_back_is_bicubic_repeated():
    codec = build("channels", channels=2, network=SQUEEZED).eval()
    high = photo(24, 32, 6)
    guide, plain = bicubic_roundtrip(codec, high)
    assert guide.shape == (12, 16, 2)
    assert plain.shape == high.shape
    assert np.array_equal(plain[:, :, :2], plain[:, :, 4:])
    assert np.array_equal(plain, np.concatenate([plain[:, :, :2]] * 3, 2))


def test_grey_pictures_of_a_set_are_named_and_left_out(tmp_path):
    Image.fromarray(photo(20, 30)).save(tmp_path / "a.png")
    Image.fromarray(photo(20, 30, 1)[:, :, 0]).save(tmp_path / "b.png")
    told = evaluate_folder(stirred(), tmp_path)
    assert told.pictures == 1
    assert ["is grey" in line for line in told.skipped] == [True]


def test_a_roundtrip_shows_and_measures(tmp_path, weights):
    Image.fromarray(photo(41, 53)).save(tmp_path / "in.png")
    figures = roundtrip_file(tmp_path / "in.png", tmp_path / "out", weights=weights)
    assert figures.plain == "guide"
    assert [row[0] for row in figures.rows()][2] == "small against the guide, PSNR RGB"
    assert read_picture(tmp_path / "out/side-by-side.png").pixels.shape[2] == 3
    assert figures.bicubic_rgb < 40


# --- channels that will not do -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "config", "says"),
    [
        ("colorize", {"channels": 2}, "channels = 2"),
        ("channels", {"channels": 0}, "channels = 0"),
        ("channels", {"channels": 4097}, "channels = 4097"),
        ("channels", {"spec": {"t": "3/2"}}, "use a whole t"),
        ("channels", {"spec": {"t": 2}, "guide": "luma"}, "use 'mean'"),
        ("channels", {"guide": "median"}, "'mean' or 'luma'"),
    ],
    ids=str,
)
def test_configs_that_make_no_channels_are_refused(task, config, says):
    with pytest.raises(ConfigError, match=says):
        build(task, network={"width": 4, "blocks": 0}, **config)


def test_channels_that_t_does_not_divide_are_refused():
    codec = build("channels", spec={"t": 3}, channels=2, network={"width": 4, "blocks": 0})
    assert codec.spec == ResizeSpec(t=3)
    with pytest.raises(ResizeShapeError, match=r"crop it to \(6, 8, 8\)"):
        codec.down(torch.rand(1, 7, 8, 8))
    with pytest.raises(ResizeShapeError, match="this codec takes 6"):
        codec.down(torch.rand(1, 9, 8, 8))


def test_many_channels_go_through_tensors():
    codec = build("channels", spec={"t": 31}, network={"width": 4, "blocks": 0}).eval()
    high = torch.rand(1, 31, 6, 5)
    low = codec.down(high)
    assert low.shape == (1, 1, 6, 5)
    torch.testing.assert_close(low, high.mean(1, keepdim=True), atol=1 / 255, rtol=0)
    assert codec.up(low).shape == high.shape
