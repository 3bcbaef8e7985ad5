"""The bicubic part of a resize, and its inverse."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resizekit.images import bicubic_remainder
from resizekit.images.bicubic_remainder import bicubic_resize, inverse_bicubic
from resizekit.spec import HW

sides = st.integers(1, 40)


def smooth(h, w, channels=3):
    y, x = np.mgrid[:h, :w] / 4
    layers = [127 + 100 * np.sin(x + k) * np.cos(y * (1 + k / 3)) for k in range(channels)]
    return np.stack(layers, 2).astype(np.uint8)


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@given(sides, sides, sides, sides, st.integers(0, 255))
def test_bicubic_keeps_flat_pictures_flat_at_every_size(h, w, h2, w2, code):
    flat = np.full((h, w, 1), code, np.uint8)
    there = bicubic_resize(flat, HW(h2, w2))
    assert np.array_equal(there, np.full((h2, w2, 1), code))
    assert np.array_equal(inverse_bicubic(there, HW(h, w)), flat)


def test_bicubic_to_the_same_size_changes_nothing():
    picture = smooth(9, 7)
    assert np.array_equal(inverse_bicubic(bicubic_resize(picture, HW(9, 7)), HW(9, 7)), picture)


@pytest.mark.parametrize("size", [HW(80, 60), HW(75, 90), HW(40, 70), HW(40, 34)], ids=str)
def test_inverse_bicubic_is_closer_than_bicubic(size):
    picture = smooth(60, 50)
    there = bicubic_resize(picture, size)
    assert psnr(inverse_bicubic(there, HW(60, 50)), picture) > psnr(bicubic_resize(there, HW(60, 50)), picture) + 1


def test_inverse_bicubic_restores_an_enlarged_picture():
    noise = np.random.default_rng(0).integers(64, 192, (30, 40, 3), np.uint8)
    assert psnr(inverse_bicubic(bicubic_resize(noise, HW(48, 64)), HW(30, 40)), noise) > 30


@pytest.mark.parametrize("resize", [bicubic_resize, inverse_bicubic])
def test_strips_do_not_change_the_pixels(monkeypatch, resize):
    picture = smooth(60, 50)
    whole = resize(picture, HW(41, 67))
    monkeypatch.setattr(bicubic_remainder, "_STRIP", 200)
    assert np.array_equal(resize(picture, HW(41, 67)), whole)


def test_cost_of_a_wide_picture_follows_its_pixels():
    """A factor of 100,000 has 400,000 taps: a loop over them would take most of a minute."""
    began = time.process_time()
    wide = inverse_bicubic(np.full((1, 1, 3), 77, np.uint8), HW(1, 100_000))
    assert (wide.shape, np.unique(wide).tolist()) == ((1, 100_000, 3), [77])
    assert np.array_equal(bicubic_resize(wide, HW(1, 1)), wide[:, :1])
    assert time.process_time() - began < 5


def test_channels_of_a_long_strip_are_resized_one_by_one(monkeypatch):
    picture = smooth(40, 3)
    want = inverse_bicubic(picture, HW(90, 7))
    monkeypatch.setattr(bicubic_remainder, "_STRIP", 20)
    assert np.array_equal(inverse_bicubic(picture, HW(90, 7)), want)
