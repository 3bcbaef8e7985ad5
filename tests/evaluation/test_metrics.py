"""PSNR calculated by hand, and luma with values from MATLAB."""

import math

import numpy as np
import pytest

from resizekit.errors import ResizeShapeError
from resizekit.evaluation.metrics import luma, psnr


def constant(value, shape=(10, 12, 3)):
    return np.full(shape, value, np.uint8)


def test_psnr_matches_a_calculation_by_hand():
    assert psnr(constant(100), constant(101)) == pytest.approx(48.1308, abs=1e-4)  # 20 log10(255)
    assert psnr(constant(0), constant(255)) == 0
    one_pixel = constant(7, (4, 5))
    one_pixel[2, 2] += 10  # mean squared error 100 / 20
    assert psnr(one_pixel, constant(7, (4, 5))) == pytest.approx(10 * math.log10(255**2 / 5))


def test_psnr_is_symmetric_and_infinite_for_equal_pictures():
    a, b = (np.random.default_rng(i).integers(0, 256, (9, 8, 3), np.uint8) for i in (0, 1))
    assert psnr(a, a) == math.inf
    assert psnr(a, b) == psnr(b, a)


def test_psnr_leaves_out_the_border_on_each_side():
    framed = constant(9)
    framed[:2], framed[-2:], framed[:, :2], framed[:, -2:] = 200, 200, 200, 200
    assert psnr(framed, constant(9), border=2) == math.inf
    assert psnr(framed, constant(9), border=1) < 20


@pytest.mark.parametrize(
    ("a", "b", "border"),
    [
        (constant(0, (4, 4)), constant(0, (4, 5)), 0),
        (constant(0, (4, 4, 1)), constant(0, (4, 4)), 0),
        (constant(0, (4, 9)), constant(0, (4, 9)), 2),
    ],
)
def test_psnr_rejects_different_shapes_and_too_wide_borders(a, b, border):
    with pytest.raises(ResizeShapeError):
        psnr(a, b, border=border)


@pytest.mark.parametrize(
    ("rgb", "y"),
    [
        ((255, 255, 255), 235), ((0, 0, 0), 16), ((255, 0, 0), 81), ((0, 255, 0), 145), ((0, 0, 255), 41),
        ((128, 128, 128), 126), ((255, 255, 0), 210),
    ],
)  # fmt: skip
def test_luma_equals_matlab_rgb2ycbcr(rgb, y):
    pixels = np.array(rgb, np.uint8)[None, None].repeat(2, 0)
    assert luma(pixels).tolist() == [[y], [y]]
    assert luma(pixels).dtype == np.uint8


def test_luma_of_grey_is_unchanged():
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert np.array_equal(luma(grey), grey)
    assert np.array_equal(luma(grey[:, :, None]), grey)
