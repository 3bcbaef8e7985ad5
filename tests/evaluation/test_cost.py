"""Multiply-adds: the counts match calculations by hand."""

import pytest
from torch import nn

from resizekit import Codec, ResizeSpec, build
from resizekit.codec.guides import bicubic
from resizekit.evaluation.cost import multiply_adds
from resizekit.storage.compressions import Float


@pytest.mark.parametrize(("s", "r"), [(2, 2), (4, 4), (3, 1)])
def test_cost_of_two_convolutions_matches_the_formula(s, r):
    codec = build(
        "sr", spec={"s": s, "r": r}, network={"name": "wavelet", "width": 16, "down_blocks": 0, "up_blocks": 0}
    )
    high, low = 3 * s * r, 3
    down = 9 * 16 * (high + low) + high * high + low * low  # two convolutions, wavelet bands in and out
    up = down + high * low  # plus the upscaling of low
    assert multiply_adds(codec) == (pytest.approx(down / (s * r)), pytest.approx(up / (s * r)))


def test_cost_per_pixel_is_independent_of_the_picture_size():
    codec = build("sr", network={"name": "wavelet", "width": 8, "down_blocks": 1, "up_blocks": 1})
    assert multiply_adds(codec, cells=8) == multiply_adds(codec, cells=24)
    down, up = multiply_adds(codec, cells=8)
    assert up - down == 12 * 3 / 4  # the upscaling of low


def test_cost_counts_multiply_adds_of_encoder_and_decoder_separately():
    decoder = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2))
    codec = Codec(
        step=ResizeSpec(s=2, r=2),
        low_channels=3,
        encoder=nn.Conv2d(3, 3, 2, stride=2),
        decoder=decoder,
        guide=bicubic,
        compression=Float(),
    )
    assert multiply_adds(codec) == (3 * 3 * 2 * 2 / 4, 3 * 12 * 3 * 3 / 4)
