"""Measuring one picture: bicubic by hand, and figures that are those of the pictures."""

import numpy as np
import pytest
import torch

from resizekit import build
from resizekit.codec.convert import from_tensor, to_tensor
from resizekit.errors import ResizeShapeError
from resizekit.evaluation.measure import bicubic_roundtrip, measure, roundtrip
from resizekit.evaluation.metrics import luma, psnr
from resizekit.storage.compressions import Float


def test_bicubic_by_hand(codecs):
    """A bright column through Keys' kernel (a = -1/2), stretched to twice its width on the way down."""
    high = np.full((16, 16, 3), 100, np.uint8)
    high[:, 7] = 200
    low, restored = bicubic_roundtrip(codecs[3], high)
    # distances 5/4, 1/4, 3/4, 7/4 have the weights -0.0703, 0.8672, 0.2266, -0.0234; half of each for the stretch
    row = [100, 100, 96, 143, 111, 99, 100, 100]
    assert low.shape == (8, 8, 3)
    assert (low == np.array(row)[None, :, None]).all()
    # 0.8672 * 143 + 0.2266 * 111 - 0.0703 * 96 - 0.0234 * 99 = 140.09
    assert (restored[:, 7] == 140).all()


def test_a_flat_picture_stays_flat(codecs):
    flat = np.full((8, 12, 3), 77, np.uint8)
    low, restored = bicubic_roundtrip(codecs[3], flat)
    assert low.shape == (4, 6, 3)
    assert (low == 77).all()
    assert np.array_equal(restored, flat)


def test_each_axis_has_its_own_factor(picture):
    codec = build("sr", spec={"s": 3, "r": "3/2"}, network={"width": 4, "blocks": 0}).eval()
    high = picture(18, 24)
    for low, restored in (bicubic_roundtrip(codec, high), roundtrip(codec, high)):
        assert low.shape == (6, 16, 3)
        assert restored.shape == high.shape
        assert low.dtype == restored.dtype == np.uint8


def test_a_fresh_codec_stores_the_guide(picture):
    """Its encoder adds nothing yet, so low is bicubic's to the last code but rounding between the passes."""
    codec = build("sr", network={"width": 8, "blocks": 1}).eval()
    low, _ = roundtrip(codec, picture())
    guide, _ = bicubic_roundtrip(codec, picture())
    assert np.abs(low.astype(int) - guide).max() <= 1


def test_without_a_compression_the_decoder_sees_the_very_numbers(codecs, picture):
    """What is measured is rounded, what is restored was made from what was not."""
    codec, high = codecs[3].with_compression(Float()), picture()
    low, restored = roundtrip(codec, high)
    whole = to_tensor(high)
    with torch.no_grad():
        out = codec(whole)
    for told, wanted in ((low, out.low), (restored, out.restored)):
        assert np.array_equal(told, from_tensor(wanted.clamp(0, 1), like=high))
    rounded = codecs[3].up(low)
    assert (rounded != restored).any()


@pytest.mark.parametrize("channels", [1, 3])
def test_figures_are_those_of_the_pictures(codecs, picture, channels):
    codec, high = codecs[channels], picture(c=channels)
    (low, restored), (guide, plain) = roundtrip(codec, high), bicubic_roundtrip(codec, high)
    assert measure(codec, high) == {
        "high_rgb": psnr(restored, high),
        "high_y": psnr(luma(restored), luma(high), border=2),
        "low_rgb": psnr(low, guide),
        "low_y": psnr(luma(low), luma(guide), border=2),
        "bicubic_rgb": psnr(plain, high),
        "bicubic_y": psnr(luma(plain), luma(high), border=2),
    }
    assert psnr(low, guide) < 60  # these weights do change something


def test_a_size_that_does_not_divide_is_refused(codecs, picture):
    with pytest.raises(ResizeShapeError):
        measure(codecs[3], picture(9, 8))


def test_a_border_that_would_leave_nothing_is_not_taken_off(codecs, picture):
    """Low of a deep codec is a few pixels, and its factor is a large border."""
    high = picture(64, 64)
    deep = codecs[3].at(5)
    low, restored = roundtrip(deep, high)
    guide, _ = bicubic_roundtrip(deep, high)
    told = measure(deep, high)
    assert low.shape == (2, 2, 3)
    assert told["low_y"] == psnr(luma(low), luma(guide))
    assert told["high_y"] == psnr(luma(restored), luma(high)), "2 * 32 leave nothing of 64"
