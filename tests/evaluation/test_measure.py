"""Metrics of one picture: bicubic calculated by hand, and PSNR of the actual pictures."""

import numpy as np
import pytest
import torch

from resizekit import build
from resizekit.codec.convert import from_tensor, to_tensor
from resizekit.errors import ResizeShapeError
from resizekit.evaluation.measure import bicubic_roundtrip, measure, roundtrip
from resizekit.evaluation.metrics import luma, psnr
from resizekit.storage.compressions import Float


def test_bicubic_matches_a_calculation_by_hand(codecs):
    """A bright column through Keys' kernel (a = -1/2), which downscaling stretches to twice its width."""
    high = np.full((16, 16, 3), 100, np.uint8)
    high[:, 7] = 200
    low, restored = bicubic_roundtrip(codecs[3], high)
    # distances 5/4, 1/4, 3/4, 7/4 have weights -0.0703, 0.8672, 0.2266, -0.0234; downscaling halves them
    row = [100, 100, 96, 143, 111, 99, 100, 100]
    assert low.shape == (8, 8, 3)
    assert (low == np.array(row)[None, :, None]).all()
    # 0.8672 * 143 + 0.2266 * 111 - 0.0703 * 96 - 0.0234 * 99 = 140.09
    assert (restored[:, 7] == 140).all()


def test_bicubic_keeps_a_constant_picture(codecs):
    constant = np.full((8, 12, 3), 77, np.uint8)
    low, restored = bicubic_roundtrip(codecs[3], constant)
    assert low.shape == (4, 6, 3)
    assert (low == 77).all()
    assert np.array_equal(restored, constant)


def test_roundtrip_supports_a_factor_per_axis(picture):
    codec = build("sr", spec={"s": 3, "r": "3/2"}, network={"width": 4, "blocks": 0}).eval()
    high = picture(18, 24)
    for low, restored in (bicubic_roundtrip(codec, high), roundtrip(codec, high)):
        assert low.shape == (6, 16, 3)
        assert restored.shape == high.shape
        assert low.dtype == restored.dtype == np.uint8


def test_untrained_codec_stores_the_guide(picture):
    """An untrained encoder adds nothing, so low equals bicubic except for rounding between the two passes."""
    codec = build("sr", network={"width": 8, "blocks": 1}).eval()
    low, _ = roundtrip(codec, picture())
    guide, _ = bicubic_roundtrip(codec, picture())
    assert np.abs(low.astype(int) - guide).max() <= 1


def test_roundtrip_without_compression_does_not_round_low(codecs, picture):
    """Low is rounded for the measurement, but the decoder receives the unrounded values."""
    codec, high = codecs[3].with_compression(Float()), picture()
    low, restored = roundtrip(codec, high)
    with torch.no_grad():
        out = codec(to_tensor(high))
    for actual, expected in ((low, out.low), (restored, out.restored)):
        assert np.array_equal(actual, from_tensor(expected.clamp(0, 1)))
    rounded = codecs[3].up(low)
    assert (rounded != restored).any()


@pytest.mark.parametrize("channels", [1, 3])
def test_metrics_are_those_of_the_pictures(codecs, picture, channels):
    codec, high = codecs[channels], picture(c=channels)
    (low, restored), (guide, baseline) = roundtrip(codec, high), bicubic_roundtrip(codec, high)
    assert measure(codec, high) == {
        "high_rgb": psnr(restored, high),
        "high_y": psnr(luma(restored), luma(high), border=2),
        "low_rgb": psnr(low, guide),
        "low_y": psnr(luma(low), luma(guide), border=2),
        "bicubic_rgb": psnr(baseline, high),
        "bicubic_y": psnr(luma(baseline), luma(high), border=2),
    }
    assert psnr(low, guide) < 60  # these weights differ from bicubic


def test_measure_rejects_a_size_that_does_not_divide(codecs, picture):
    with pytest.raises(ResizeShapeError):
        measure(codecs[3], picture(9, 8))


def test_border_that_leaves_nothing_is_ignored(codecs, picture):
    """At a large factor, low has few pixels and the border is wide."""
    high = picture(64, 64)
    deep = codecs[3].at(5)
    low, restored = roundtrip(deep, high)
    guide, _ = bicubic_roundtrip(deep, high)
    metrics = measure(deep, high)
    assert low.shape == (2, 2, 3)
    assert metrics["low_y"] == psnr(luma(low), luma(guide))
    assert metrics["high_y"] == psnr(luma(restored), luma(high)), "a border of 32 leaves nothing of 64 pixels"
