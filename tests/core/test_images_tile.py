"""Padding, tiling and alpha with the paper's network, with random weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from resizekit import Codec, ResizeSpec, guides
from resizekit.codec.alpha import alpha_down, alpha_up, fill_hidden
from resizekit.codec.convert import to_tensor
from resizekit.codec.grid import tile_side, windows
from resizekit.codec.pad import reflect_pad_or_crop
from resizekit.codec.padded_sizes import SMALLEST, padded_sizes_for
from resizekit.codec.recipe import Recipe
from resizekit.codec.tiling import halo, tiled_down, tiled_up
from resizekit.errors import ResizeShapeError, UsageError
from resizekit.nn import TadOptions, tad
from resizekit.spec import HW
from resizekit.storage.compressions import Float, Uint8

RNG = np.random.default_rng(0)
X2 = ResizeSpec(s=2, r=2)


def codec_of(spec, low_channels=3, compression=None, noise=0.02, width=64):
    torch.manual_seed(0)
    encoder, decoder = tad(spec, low_channels, TadOptions(width=width))
    codec = Codec(
        step=spec,
        low_channels=low_channels,
        encoder=encoder,
        decoder=decoder,
        guide=guides.bicubic,
        compression=Uint8() if compression is None else compression,
        recipe=Recipe(task="toy", config={"network": "tad", "compression": "uint8"}, weights="toy"),
    )
    with torch.no_grad():
        for parameter in codec.parameters():
            parameter.add_(torch.randn_like(parameter) * noise)
    codec.to(memory_format=torch.channels_last)
    return codec.eval().requires_grad_(False)


SPECS = [
    (X2, 3),
    (X2, 1),
    (ResizeSpec(s=3, r=2), 3),
    (ResizeSpec(s="3/2", r="3/2"), 3),
    (ResizeSpec(t=3), 1),
]


@pytest.mark.parametrize(("spec", "low_channels"), SPECS, ids=str)
def test_tiles_give_the_bits_of_the_entire_picture(spec, low_channels):
    codec = codec_of(spec, low_channels)
    high = RNG.integers(0, 256, (126, 132, codec.channels), np.uint8)
    whole = tiled_down(codec, high, "off")
    assert np.array_equal(tiled_down(codec, high, 64), whole)
    restored = tiled_up(codec, whole, "off")
    assert restored.shape == high.shape
    assert np.array_equal(tiled_up(codec, whole, 64), restored)
    assert len(np.unique(restored)) > 50  # not all clamped, or the test could not fail


def test_tiled_down_stores_the_values_of_the_codec():
    codec = codec_of(X2)
    high = RNG.integers(0, 256, (70, 90, 3), np.uint8)
    assert torch.equal(to_tensor(tiled_down(codec, high)), codec.down_tensor(to_tensor(high)))


def test_tiled_down_computes_one_tile_with_its_halo_at_a_time(monkeypatch):
    codec = codec_of(X2, width=8)
    seen, down = [], codec.down_codes
    monkeypatch.setattr(codec, "down_codes", lambda x, **options: seen.append(x.shape[2:]) or down(x, **options))
    steps = []
    high = RNG.integers(0, 256, (130, 200, 3), np.uint8)
    tiled_down(codec, high, 64, lambda done, total: steps.append((done, total)))
    assert max(max(shape) for shape in seen) <= 64 + 2 * 2 * halo(codec)
    assert steps == [(n, 12) for n in range(1, 13)]


def test_tile_auto_splits_large_pictures_only():
    assert tile_side("auto", (2000, 2000)) is None
    assert tile_side("auto", (2001, 2000)) == 1024
    assert tile_side("off", (9000, 9000)) is None
    assert tile_side(64, (9, 9)) == 64
    for bad in (63, 0, -1, True, "some", 64.0):
        with pytest.raises(UsageError, match="at least 64"):
            tile_side(bad, (9, 9))


def test_tiled_down_refuses_values_that_8_bits_cannot_hold():
    with pytest.raises(UsageError, match="8-bit file"):
        tiled_down(codec_of(X2, compression=Float(), width=8), np.full((8, 8, 3), 7, np.uint8))


def test_tiled_down_refuses_sizes_that_do_not_divide():
    with pytest.raises(ResizeShapeError):
        tiled_down(codec_of(X2, width=8), np.zeros((7, 8, 3), np.uint8))


sides = st.integers(1, 60)
factors = st.sampled_from([1, 2, 3, "3/2", "5/4"])


@given(sides, sides, factors, factors)
def test_padded_sizes_hold_the_picture_and_divide(height, width, s, r):
    spec = ResizeSpec(s=s, r=r)
    padded = padded_sizes_for(spec, HW(height, width))
    assert spec.low_shape((1, *padded.high))[1:] == padded.low
    assert min(padded.low) >= SMALLEST
    assert spec.low_shape((1, *spec.pad((height, width))))[1:] == padded.stored
    assert all(a >= b for a, b in zip(padded.high, (height, width), strict=True))
    picture = RNG.integers(0, 256, (height, width, 3), np.uint8)
    assert np.array_equal(reflect_pad_or_crop(reflect_pad_or_crop(picture, padded.high), HW(height, width)), picture)


def test_padding_reflects_and_repeats_a_single_pixel():
    row = np.array([[1, 2, 3]], np.uint8)
    assert reflect_pad_or_crop(row, HW(2, 8)).tolist() == [[1, 2, 3, 2, 1, 2, 3, 2]] * 2
    assert reflect_pad_or_crop(np.full((1, 1, 3), 9, np.uint8), HW(4, 5)).tolist() == [[[9] * 3] * 5] * 4


@pytest.mark.parametrize("spec", [X2, ResizeSpec(s=3, r="3/2"), ResizeSpec(t=3)], ids=str)
def test_alpha_does_not_depend_on_tiles(monkeypatch, spec):
    alpha = RNG.integers(0, 256, (150, 204), np.uint8)
    small = alpha_down(spec, alpha)
    back = alpha_up(spec, small)
    assert back.shape == alpha.shape
    monkeypatch.setattr("resizekit.codec.alpha._SIDE", 30)
    assert np.array_equal(alpha_down(spec, alpha), small)
    assert np.array_equal(alpha_up(spec, small), back)


def test_alpha_keeps_opaque_and_transparent_pictures():
    for value in (0, 255):
        alpha = np.full((30, 42), value, np.uint8)
        assert (alpha_down(X2, alpha) == value).all()
        assert (alpha_up(X2, alpha) == value).all()


def disc(size=96):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    alpha = np.clip((size / 3 - np.hypot(x, y)) * 255, 0, 255).astype(np.uint8)
    pixels = np.zeros((size, size, 3), np.uint8)
    pixels[alpha > 0] = (200, 30, 40)
    return pixels, alpha


def test_fill_hidden_prevents_a_dark_rim():
    pixels, alpha = disc()
    codec = codec_of(X2, noise=0, width=8)  # untrained: down is bicubic, up is a resize
    low = tiled_down(codec, fill_hidden(pixels, alpha))
    assert (low == (200, 30, 40)).all()
    bled = tiled_down(codec, pixels)[alpha_down(X2, alpha) > 8]
    assert bled[:, 0].min() < 100  # the rim without fill_hidden


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_fill_hidden_keeps_visible_colours_and_interpolates_hidden(height, width, seed):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
    alpha = rng.choice(np.array([0, 0, 0, 8, 255], np.uint8), (height, width))
    filled = fill_hidden(pixels, alpha)
    assert np.array_equal(filled[alpha > 0], pixels[alpha > 0])
    if alpha.any():
        low, high = pixels[alpha > 0].min(axis=0), pixels[alpha > 0].max(axis=0)
        assert ((filled >= low) & (filled <= high)).all()
    else:
        assert np.array_equal(filled, pixels)


def test_fill_hidden_changes_the_visible_result_by_two_at_most():
    pixels = RNG.choice(np.array([0, 255], np.uint8), (64, 64, 3))
    alpha = RNG.integers(0, 10, (64, 64), np.uint8)
    change = np.abs(fill_hidden(pixels, alpha).astype(float) - pixels)
    assert (change * alpha[:, :, None] / 255).max() <= 2


def test_fill_hidden_does_not_depend_on_bands(monkeypatch):
    pixels = RNG.integers(0, 256, (67, 33, 1), np.uint8)
    alpha = RNG.choice(np.array([0, 0, 3, 200], np.uint8), (67, 33))
    whole = fill_hidden(pixels, alpha)
    monkeypatch.setattr("resizekit.codec.alpha._ROWS", 8)
    assert np.array_equal(fill_hidden(pixels, alpha), whole)


def test_windows_end_with_a_full_tile():
    assert list(windows(10, 4, 1)) == [(0, 4, 0, 5), (4, 8, 3, 9), (6, 10, 5, 10)]
    assert list(windows(3, 4, 1)) == [(0, 3, 0, 3)]


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("spec", [X2, ResizeSpec(r=2)], ids=str)
def test_tiles_of_repeated_steps_give_the_bits_of_the_entire_picture(spec, residual):
    codec = deep_codec(spec, residual, times=3)
    high = RNG.integers(0, 256, (192, 216, 3), np.uint8)
    whole = codec.down_pixels(high)
    back = codec.up(whole)
    assert len(np.unique(back)) > 50  # not all clamped, or the test could not fail
    for tile in (64, "off"):
        assert np.array_equal(tiled_down(codec, high, tile), whole)
        assert np.array_equal(tiled_up(codec, whole, tile), back)


def deep_codec(spec, residual, times, width=64):
    codec = codec_of(spec, width=width)
    codec.traits = replace(codec.traits, residual=residual)
    return codec.at(times)


def test_tiles_of_repeated_steps_need_the_halo_of_one_step_only(monkeypatch):
    codec = deep_codec(X2, residual=True, times=4, width=8)
    seen = []

    def watch(name, factor):
        method = getattr(Codec, name)
        monkeypatch.setattr(
            Codec, name, lambda self, x, i: seen.append(max(x.shape[2:]) * factor) or method(self, x, i)
        )

    watch("encode_step", 1)
    watch("decode_step", 2)
    steps = []
    low = tiled_down(codec, np.zeros((512, 256, 3), np.uint8), 64, lambda *counts: steps.append(counts))
    assert low.shape == (32, 16, 3)
    assert tiled_up(codec, low, 64, lambda *counts: steps.append(counts)).shape == (512, 256, 3)
    assert max(seen) <= 64 + 2 * 2 * halo(codec.at(1))
    shares = [done / of for done, of in steps]
    assert shares.count(1) == 2
    assert shares[: len(shares) // 2] == sorted(shares[: len(shares) // 2])


def test_tiles_of_repeated_steps_without_encoder_store_the_guide():
    step = codec_of(X2, width=8)
    codec = (
        Codec(step=X2, low_channels=3, encoder=None, decoder=step.decoder, guide=guides.bicubic, compression=Uint8())
        .at(2)
        .eval()
    )
    high = RNG.integers(0, 256, (160, 160, 3), np.uint8)
    assert np.array_equal(tiled_down(codec, high, 64), codec.down(high))
