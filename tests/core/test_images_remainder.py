"""The bicubic remainder and its undoing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resizekit.images import bicubic_remainder as remainder
from resizekit.images.bicubic_remainder import bicubic_resize, inverse_bicubic

sides = st.integers(1, 40)


def smooth(h, w, channels=3):
    y, x = np.mgrid[:h, :w] / 4
    layers = [127 + 100 * np.sin(x + k) * np.cos(y * (1 + k / 3)) for k in range(channels)]
    return np.stack(layers, 2).astype(np.uint8)


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@given(sides, sides, sides, sides, st.integers(0, 255))
def test_exact_sizes_and_flat_stays_flat(h, w, h2, w2, code):
    flat = np.full((h, w, 1), code, np.uint8)
    there = bicubic_resize(flat, (h2, w2))
    assert np.array_equal(there, np.full((h2, w2, 1), code))
    assert np.array_equal(inverse_bicubic(there, (h, w)), flat)


def test_the_same_size_is_the_same_picture():
    picture = smooth(9, 7)
    assert np.array_equal(inverse_bicubic(bicubic_resize(picture, (9, 7)), (9, 7)), picture)


@pytest.mark.parametrize("size", [(80, 60), (75, 90), (40, 70), (40, 34)], ids=str)
def test_undoing_is_closer_than_bicubic_alone(size):
    picture = smooth(60, 50)
    there = bicubic_resize(picture, size)
    assert psnr(inverse_bicubic(there, (60, 50)), picture) > psnr(bicubic_resize(there, (60, 50)), picture) + 1


def test_what_was_enlarged_comes_back_whole():
    noise = np.random.default_rng(0).integers(64, 192, (30, 40, 3), np.uint8)
    assert psnr(inverse_bicubic(bicubic_resize(noise, (48, 64)), (30, 40)), noise) > 30


@pytest.mark.parametrize("way", [bicubic_resize, inverse_bicubic])
def test_strips_make_no_difference(monkeypatch, way):
    picture = smooth(60, 50)
    whole = way(picture, (41, 67))
    monkeypatch.setattr(remainder, "_STRIP", 200)
    assert np.array_equal(way(picture, (41, 67)), whole)
