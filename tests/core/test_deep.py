"""Pictures of 16 bits per channel: values, down, up and metrics without the loss of a bit."""

import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import resizekit
from resizekit.codec.alpha import fill_hidden
from resizekit.codec.convert import convert_bits, from_tensor, to_tensor
from resizekit.codec.tiling import tiled_down, tiled_up
from resizekit.errors import ImageError, MissingExtraError, ResizeShapeError
from resizekit.evaluation.measure import bicubic_roundtrip, measure, roundtrip
from resizekit.evaluation.metrics import luma, psnr
from resizekit.images.files import down_file, up_file
from resizekit.images.pipeline import down_picture, up_picture
from resizekit.images.run_options import RunOptions
from resizekit.images.small_files import read_small
from resizekit.images.target_size import TargetSize
from resizekit.ops import quantize16, resample_codes, resample_uint8, to_uint16, uint16_to_float
from resizekit.ops.quantize import SCALE16
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.write import write_picture
from resizekit.pictures.picture import Picture

EVERY = torch.arange(65536, dtype=torch.int32).to(torch.uint16)
PROFILE = bytes(16) + b"RGB " + bytes(8)


def photo(height=45, width=38, channels=3, alpha=False, **more):
    y, x = np.mgrid[:height, :width] / 3
    layers = [32000 + 30000 * np.sin(x + 2 * k) * np.cos(y * (1 + k)) for k in range(channels)]
    opacity = (np.hypot(x, y) * 6000).clip(0, 65535).astype(np.uint16) if alpha else None
    return Picture(pixels=np.stack(layers, 2).astype(np.uint16), alpha=opacity, **more)


@pytest.fixture(scope="module")
def weights_dir(tmp_path_factory, small_weights):
    """Write weights for 8 bits, for 16 bits and for grey."""
    folder = tmp_path_factory.mktemp("weights")
    for name, channels, compression in (("eight", 3, "uint8"), ("deep", 3, "uint16"), ("grey", 1, "uint16")):
        small_weights(folder / f"{name}.safetensors", channels, compression=compression)
    return folder


# --- integer values -------------------------------------------------------------------------------------


def test_uint16_values_survive_quantize16():
    floats = uint16_to_float(EVERY)
    assert torch.equal(to_uint16(floats).int(), EVERY.int())
    assert torch.equal(quantize16(EVERY.double().div(65535).float()), floats)
    assert floats[1].item() == SCALE16 == float(np.float32(1) / np.float32(65535))
    assert not torch.equal(floats, EVERY.float() / 65535), "a division would do as well"


@given(arrays(np.float32, (3, 5), elements=st.floats(-1, 2, width=32)))
def test_to_uint16_stores_what_quantize16_trains(values):
    x = torch.from_numpy(values)
    assert torch.equal(uint16_to_float(to_uint16(x)), quantize16(x))


def test_quantize16_rounds_half_to_even_and_clamps():
    x = torch.tensor([-1.0, 0.5 / 65535, 1.5 / 65535, 2.0, torch.nan], dtype=torch.float64, requires_grad=True)
    assert to_uint16(x.detach()).int().tolist() == [0, 0, 2, 65535, 0]
    quantize16(x)[:4].sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]
    assert quantize16(torch.rand(3).bfloat16()).dtype == torch.float32
    with pytest.raises(ResizeShapeError, match="uint16"):
        uint16_to_float(torch.zeros(2, dtype=torch.uint8))


@given(arrays(np.uint16, st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))))
def test_uint16_array_survives_tensor_and_back(array):
    back = from_tensor(to_tensor(array), 16)
    assert back.dtype == np.uint16
    assert np.array_equal(back, array)


@given(arrays(np.uint16, (3, 4)))
def test_with_bits_rounds_to_the_nearest_8_bit_value(deep):
    flat = convert_bits(deep, 8)
    assert np.array_equal(flat, np.rint(deep / 257))
    assert np.array_equal(convert_bits(convert_bits(flat, 16), 8), flat)


def test_resample_16_bits_agrees_with_8_bits():
    codes = torch.randint(0, 256, (1, 3, 24, 30), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    deep = resample_codes((codes.int() * 257).to(torch.uint16), (12, 15))
    assert (deep.int() / 257 - resample_uint8(codes, (12, 15)).int()).abs().max() < 1.2
    assert deep.dtype == torch.uint16
    assert len(set((deep.int() % 257).flatten().tolist())) > 100


def test_psnr_and_luma_use_the_peak_of_the_type():
    eight = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5
    deep = eight.astype(np.uint16) * 257
    assert psnr(deep, deep[::-1]) == pytest.approx(psnr(eight, eight[::-1]))
    assert np.abs(luma(deep) / 257 - luma(eight)).max() <= 0.5
    assert luma(np.full((1, 1, 3), 65535, np.uint16)).item() == 235 * 257
    with pytest.raises(ResizeShapeError, match="the same shape and type"):
        psnr(deep, eight)


# --- down and up -------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "alpha"])
@pytest.mark.parametrize("size", [(1, 1), (45, 38), (64, 80)], ids=str)
@pytest.mark.parametrize("name", ["deep", "eight"])
def test_file_and_memory_give_the_same_bits(tmp_path, weights_dir, name, size, alpha):
    weights, small = weights_dir / f"{name}.safetensors", tmp_path / "small.png"
    before = photo(*size, alpha=alpha, icc=PROFILE)
    write_picture(tmp_path / "in.png", before)
    option = {} if name == "deep" else {"compression": "uint16"}
    made = down_file(tmp_path / "in.png", small, weights=weights, options=RunOptions(precision="float32"), **option)
    read, manifest = read_small(small)
    assert manifest == made
    assert (manifest.compression, manifest.bits, manifest.mode) == ("uint16", 16, "RGBA" if alpha else "RGB")
    assert (read.bits, read.icc) == (16, PROFILE)

    codec = resizekit.load(weights)
    codec = codec.with_compression("uint16")
    small_picture, manifest_in_memory = down_picture(codec, before)
    assert (small_picture.digest, small_picture.embedded_manifest) == (read.digest, read.embedded_manifest)
    if not alpha and size == (64, 80):
        low = codec.down(before.pixels)
        assert np.array_equal(low, read.pixels)
        assert torch.equal(codec.down_tensor(to_tensor(before.pixels)), to_tensor(low))
        assert np.array_equal(roundtrip(codec, before.pixels)[0], low)
        assert np.array_equal(codec.up(low), up_picture(codec, read, manifest).pixels)
    for target in ("out.png", "out.tif"):
        up_file(small, tmp_path / target, weights=weights, options=RunOptions(precision="float32"))
        after = read_picture(tmp_path / target)
        assert (
            after.digest
            == up_picture(codec, small_picture, manifest_in_memory).digest
            == up_picture(codec, read, manifest).digest
        )
        assert (after.bits, after.hw.wh, after.icc) == (16, before.hw.wh, PROFILE)


@pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "alpha"])
@pytest.mark.parametrize("target", [TargetSize(scale=3), TargetSize(scale="5/4"), TargetSize(scale=1)], ids=str)
def test_target_size_keeps_16_bits(tmp_path, weights_dir, target, alpha):
    before, codec = photo(64, 80, alpha=alpha), resizekit.load(weights_dir / "deep.safetensors")
    small_picture, manifest = down_picture(codec, before, target=target)
    write_picture(tmp_path / "small.png", small_picture, storage=codec.storage)
    read, manifest_in_memory = read_small(tmp_path / "small.png")
    after = up_picture(codec, read, manifest_in_memory)
    assert (read.bits, read.digest, manifest_in_memory) == (16, small_picture.digest, manifest)
    assert (after.bits, after.mode, after.hw.wh) == (16, before.mode, before.hw.wh)
    if target.scale == 1:
        assert after.digest == before.digest
    else:
        assert len(np.unique(after.pixels % 257)) > 250


def test_uint8_at_scale_1_is_stored_in_16_bits_and_restored(weights_dir):
    codec = resizekit.load(weights_dir / "deep.safetensors")
    flat = Picture(pixels=convert_bits(photo(20, 24).pixels, 8))
    small, manifest = down_picture(codec, flat, target=TargetSize(scale=1))
    assert small.bits == 16
    assert up_picture(codec, small, manifest).digest == flat.digest


def test_uint8_through_16_bits_is_restored_in_8_bits(tmp_path, weights_dir):
    before = photo(40, 44, alpha=True)
    flat = Picture(pixels=convert_bits(before.pixels, 8), alpha=convert_bits(before.alpha, 8))
    write_picture(tmp_path / "in.png", flat)
    down_file(tmp_path / "in.png", tmp_path / "small.png", weights=weights_dir / "deep.safetensors")
    assert read_picture(tmp_path / "small.png").bits == 16
    manifest = up_file(tmp_path / "small.png", tmp_path / "out.webp", weights=weights_dir / "deep.safetensors")
    assert (manifest.bits, manifest.compression) == (8, "uint16")
    after = read_picture(tmp_path / "out.webp")
    assert (after.bits, after.mode, after.alpha.dtype) == (8, "RGBA", np.uint8)


def test_grey_of_16_bits_is_restored_as_grey(tmp_path, weights_dir):
    write_picture(tmp_path / "in.png", photo(30, 40, 1))
    for name in ("grey", "deep"):
        small, again = tmp_path / f"{name}.png", tmp_path / f"{name}.tif"
        down_file(tmp_path / "in.png", small, weights=weights_dir / f"{name}.safetensors")
        up_file(small, again, weights=weights_dir / f"{name}.safetensors")
        after = read_picture(again)
        assert (after.mode, after.bits) == ("L", 16)


def test_tiles_do_not_change_16_bit_pixels():
    torch.manual_seed(2)
    codec = resizekit.build("sr", compression="uint16", network={"width": 32, "blocks": 1})
    with torch.no_grad():
        for parameter in codec.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    codec.eval().to(memory_format=torch.channels_last)
    high = photo(150, 140).pixels
    low = tiled_down(codec, high, "off")
    assert np.array_equal(tiled_down(codec, high, 66), low)
    whole, tiled = (tiled_up(codec, low, tile, dtype=np.uint16) for tile in ("off", 66))
    assert np.array_equal(whole, tiled)


def test_fill_hidden_agrees_with_8_bits():
    deep = photo(20, 24, alpha=True)
    deep.alpha[:10] = 0
    flat = fill_hidden(convert_bits(deep.pixels, 8), convert_bits(deep.alpha, 8))
    filled = fill_hidden(deep.pixels, deep.alpha)
    assert np.array_equal(filled[deep.alpha >= 8 * 257], deep.pixels[deep.alpha >= 8 * 257])
    assert np.abs(convert_bits(filled, 8).astype(int) - flat).max() <= 1


def test_codec_refuses_arrays_of_the_wrong_depth(weights_dir):
    eight, deep = (resizekit.load(weights_dir / f"{name}.safetensors") for name in ("eight", "deep"))
    codes = photo(8, 8).pixels
    with pytest.raises(ImageError, match="stores 8 bits: use a codec with compression 'uint16'"):
        eight.down(codes)
    with pytest.raises(ImageError, match="uint16 pixel values for a codec that stores 8 bits"):
        eight.up(codes)
    with pytest.raises(ImageError, match="8-bit pixel values for a codec that stores 16 bits"):
        deep.up(convert_bits(codes, 8))
    with pytest.raises(ImageError, match="a PIL image cannot hold 3 channels of uint16"):
        deep.down(PIL.Image.fromarray(convert_bits(codes, 8)))
    assert deep.down(convert_bits(codes, 8)).dtype == np.uint16


def test_down_of_16_bits_with_8_bit_weights_names_the_option(tmp_path, weights_dir):
    write_picture(tmp_path / "in.png", photo())
    with pytest.raises(ImageError) as refusal:
        down_file(tmp_path / "in.png", tmp_path / "small.png", weights=weights_dir / "eight.safetensors")
    assert f"{tmp_path / 'in.png'} has more than 8 bits a channel" in str(refusal.value)
    assert "--compression uint16" in str(refusal.value)
    with pytest.raises(ImageError, match="--compression uint16"):
        down_picture(resizekit.load(weights_dir / "eight.safetensors"), photo())


def test_metrics_are_those_of_16_bits(weights_dir):
    deep, high = resizekit.load(weights_dir / "deep.safetensors"), photo(64, 80).pixels
    guide, baseline = bicubic_roundtrip(deep, high)
    assert (guide.dtype, baseline.dtype) == (np.uint16, np.uint16)
    low, restored = roundtrip(deep, high)
    metrics = measure(deep, high)
    assert metrics["high_rgb"] == psnr(restored, high)
    assert metrics["low_rgb"] == psnr(low, guide)
    assert metrics["bicubic_rgb"] == psnr(baseline, high)
    low, restored = roundtrip(deep, convert_bits(high, 8))
    assert (low.dtype, restored.dtype) == (np.uint16, np.uint8)


def test_codec_with_another_compression_survives_save_and_load(tmp_path, weights_dir):
    codec = resizekit.load(weights_dir / "eight.safetensors").with_compression("uint16")
    resizekit.save(codec, tmp_path / "x.safetensors")
    again = resizekit.load(tmp_path / "x.safetensors")
    assert (again.info.compression, again.storage.bits, again.digest) == ("uint16", 16, codec.digest)
    assert again.with_compression("uint16").recipe == again.recipe


# --- without the extra -------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_missing_extra_is_named_for_16_bits_only(tmp_path, monkeypatch, weights_dir, suffix):
    write_picture(tmp_path / f"deep{suffix}", photo(20, 20))
    flat = Picture(pixels=convert_bits(photo(20, 20).pixels, 8))
    for name in ("imagecodecs", "tifffile"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"resizekit\[deep\]"):
        read_picture(tmp_path / f"deep{suffix}")
    with pytest.raises(MissingExtraError, match=r"resizekit\[deep\]"):
        write_picture(tmp_path / f"x{suffix}", photo())
    write_picture(tmp_path / f"flat{suffix}", flat)
    down_file(tmp_path / f"flat{suffix}", tmp_path / "small.png", weights=weights_dir / "eight.safetensors")
    up_file(tmp_path / "small.png", tmp_path / f"out{suffix}", weights=weights_dir / "eight.safetensors")
    assert read_picture(tmp_path / f"out{suffix}").hw.wh == (20, 20)


def test_extra_is_not_imported_for_8_bits():
    code = "import resizekit.images.files, sys; print({'imagecodecs', 'tifffile'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "set()\n"
