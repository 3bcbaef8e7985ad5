"""The self-ensemble: by hand, the same for every way to hold a picture, in tiles, and the very weights of before."""

import numpy as np
import pytest
import torch

from resizekit import build
from resizekit.codec.tiling import tiled_up
from resizekit.nn import self_ensemble

FLIPS = {"left to right": lambda x: x.flip(3), "upside down": lambda x: x.flip(2)}


def codec_of(**spec):
    torch.manual_seed(0)
    codec = build("sr", spec=spec, network={"width": 8, "blocks": 1}).eval().requires_grad_(False)
    for parameter in codec.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    return codec.to(memory_format=torch.channels_last)


@pytest.mark.parametrize(("turned", "ways"), [(True, 8), (False, 4)])
def test_every_way_to_hold_a_picture_counts_once(turned, ways):
    x = torch.arange(6.0).reshape(1, 1, 2, 3)
    seen = []
    out = self_ensemble(lambda held: seen.append(held) or held, x, turned=turned)
    assert torch.equal(out, x)
    assert len({(tuple(held.shape), tuple(held.flatten().tolist())) for held in seen}) == len(seen) == ways


def test_the_average_is_that_of_what_is_undone():
    x = torch.rand(1, 1, 3, 3)
    corner = torch.zeros(1, 1, 3, 3)
    corner[..., 0, 0] = 1
    wanted = torch.zeros(1, 1, 3, 3)
    wanted[..., ::2, ::2] = 0.25
    assert torch.equal(self_ensemble(lambda held: corner, x, turned=True), wanted)


@pytest.mark.parametrize("flip", FLIPS.values(), ids=FLIPS)
@pytest.mark.parametrize("spec", [{"s": 2, "r": 2}, {"s": 3, "r": "3/2"}], ids=str)
def test_a_flipped_picture_comes_back_flipped(spec, flip):
    codec = codec_of(**spec)
    plus, low = codec.replace(self_ensemble=True), torch.rand(1, 3, 12, 10)
    torch.testing.assert_close(plus.up(flip(low)), flip(plus.up(low)))
    assert (codec.up(flip(low)) - flip(codec.up(low))).abs().max() > 1e-3


def test_a_turned_picture_comes_back_turned_where_both_factors_are_one():
    low = torch.rand(1, 3, 12, 10)
    for spec, same in (({"s": 2, "r": 2}, True), ({"s": 2, "r": 1}, False)):
        plus = codec_of(**spec).replace(self_ensemble=True)
        assert (plus.up(low.mT).shape == plus.up(low).mT.shape) == same
        if same:
            torch.testing.assert_close(plus.up(low.mT), plus.up(low).mT)


def test_codes_are_rounded_after_the_average():
    codec, low = codec_of(s=2, r=2), np.random.default_rng(0).integers(0, 256, (10, 12, 3), np.uint8)
    plus = codec.replace(self_ensemble=True)
    restored = plus.up(torch.from_numpy(low).permute(2, 0, 1)[None].float() / 255)
    wanted = (restored * 255).round().to(torch.uint8)[0].permute(1, 2, 0).numpy()
    assert np.abs(plus.up(low).astype(int) - wanted).max() <= 1
    assert (plus.up(low) != wanted).mean() < 0.001
    assert not np.array_equal(plus.up(low), codec.up(low))


def test_tiled_and_whole_are_bit_equal():
    plus, low = (
        codec_of(s=2, r=2).replace(self_ensemble=True),
        np.random.default_rng(0).integers(0, 256, (70, 66, 3), np.uint8),
    )
    assert np.array_equal(tiled_up(plus, low, 64), tiled_up(plus, low, "off"))


def test_repeated_steps_are_averaged_over_all_of_them_together():
    plus = codec_of(s=2, r=2).at(2).replace(self_ensemble=True)
    low = np.random.default_rng(0).integers(0, 256, (12, 10, 3), np.uint8)
    assert np.array_equal(tiled_up(plus, low, "off"), plus.up(low))


def test_it_is_the_codec_of_before():
    codec = codec_of(s=2, r=2)
    plus = codec.replace(self_ensemble=True)
    assert plus.digest == codec.digest
    assert (plus.at(2).self_ensemble, codec.self_ensemble) == (True, False)
    high = torch.rand(1, 3, 8, 8)
    assert torch.equal(plus.down(high), codec.down(high))
