"""The self-ensemble: its symmetries, its average, tiles, and the weights that it shares."""

import numpy as np
import pytest
import torch

from resizekit import build
from resizekit.codec.pair import channels_last
from resizekit.codec.tiling import tiled_up
from resizekit.nn import self_ensemble

FLIPS = {"left to right": lambda x: x.flip(3), "upside down": lambda x: x.flip(2)}


def codec_of(**spec):
    torch.manual_seed(0)
    codec = build("sr", spec=spec, network={"width": 8, "blocks": 1}).eval().requires_grad_(False)
    for parameter in codec.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    return codec.to(memory_format=torch.channels_last)


@pytest.mark.parametrize(("turned", "symmetries"), [(True, 8), (False, 4)])
def test_each_symmetry_is_used_once(turned, symmetries):
    x = torch.arange(6.0).reshape(1, 1, 2, 3)
    seen = []
    out = self_ensemble(lambda view: seen.append(view) or view, x, turned=turned)
    assert torch.equal(out, x)
    assert len({(tuple(view.shape), tuple(view.flatten().tolist())) for view in seen}) == len(seen) == symmetries


def test_outputs_are_restored_before_the_average():
    x = torch.rand(1, 1, 3, 3)
    corner = torch.zeros(1, 1, 3, 3)
    corner[..., 0, 0] = 1
    expected = torch.zeros(1, 1, 3, 3)
    expected[..., ::2, ::2] = 0.25
    assert torch.equal(self_ensemble(lambda view: corner, x, turned=True), expected)


@pytest.mark.parametrize("flip", FLIPS.values(), ids=FLIPS)
@pytest.mark.parametrize("spec", [{"s": 2, "r": 2}, {"s": 3, "r": "3/2"}], ids=str)
def test_flipped_input_gives_flipped_output(spec, flip):
    codec = codec_of(**spec)
    plus, low = codec.replace(self_ensemble=True), torch.rand(1, 3, 12, 10)
    torch.testing.assert_close(plus.up(flip(low)), flip(plus.up(low)))
    assert (codec.up(flip(low)) - flip(codec.up(low))).abs().max() > 1e-3


def test_turned_input_gives_turned_output_for_equal_factors():
    low = torch.rand(1, 3, 12, 10)
    for spec, same in (({"s": 2, "r": 2}, True), ({"s": 2, "r": 1}, False)):
        plus = codec_of(**spec).replace(self_ensemble=True)
        assert (plus.up(low.mT).shape == plus.up(low).mT.shape) == same
        if same:
            torch.testing.assert_close(plus.up(low.mT), plus.up(low).mT)


def test_pixel_values_are_rounded_after_the_average():
    codec, low = codec_of(s=2, r=2), np.random.default_rng(0).integers(0, 256, (10, 12, 3), np.uint8)
    plus = codec.replace(self_ensemble=True)
    restored = plus.up(torch.from_numpy(low).permute(2, 0, 1)[None].float() / 255)
    expected = (restored * 255).round().to(torch.uint8)[0].permute(1, 2, 0).numpy()
    assert np.abs(plus.up(low).astype(int) - expected).max() <= 1
    assert (plus.up(low) != expected).mean() < 0.001
    assert not np.array_equal(plus.up(low), codec.up(low))


def test_tiled_and_untiled_are_bit_equal():
    plus, low = (
        codec_of(s=2, r=2).replace(self_ensemble=True),
        np.random.default_rng(0).integers(0, 256, (70, 66, 3), np.uint8),
    )
    assert np.array_equal(tiled_up(plus, low, 64), tiled_up(plus, low, "off"))


def test_repeated_steps_are_averaged_together():
    plus = codec_of(s=2, r=2).at(2).replace(self_ensemble=True)
    low = np.random.default_rng(0).integers(0, 256, (12, 10, 3), np.uint8)
    assert np.array_equal(tiled_up(plus, low, "off"), plus.up(low))


def test_self_ensemble_changes_only_the_decoding():
    codec = codec_of(s=2, r=2)
    plus = codec.replace(self_ensemble=True)
    assert plus.digest == codec.digest
    assert (plus.at(2).self_ensemble, codec.self_ensemble) == (True, False)
    high = torch.rand(1, 3, 8, 8)
    assert torch.equal(plus.down(high), codec.down(high))


def test_decoder_gets_the_layout_of_a_single_decode():
    """A convolution picks its algorithm by the strides, so another layout could change the last bits."""
    codec, low, strides = codec_of(s=2, r=2), torch.rand(1, 3, 12, 10), []
    codec.decoder.register_forward_pre_hook(lambda module, inputs: strides.append(inputs[0].stride()))
    with torch.no_grad():
        codec.replace(self_ensemble=True).up(low)
        for view in (low, low.mT) * 4:
            codec.up(view)
    assert strides[:8] == strides[8:] == [channels_last(view).stride() for view in (low, low.mT)] * 4
