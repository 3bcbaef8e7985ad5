"""The network `recurrent`: a state between applications, plain resizes to start with, weights by 4 to begin with."""

from typing import ClassVar

import numpy as np
import pytest
import torch

import resizekit
from resizekit import ResizeSpec
from resizekit.codec.pair import channels_last
from resizekit.codec.traits import NetworkTraits, apply_step
from resizekit.codec.tiling import tiled_down, tiled_up
from resizekit.errors import ConfigError, ResizeShapeError
from resizekit.testing import TaskConformance
from resizekit.training.initial_weights import load_initial_weights
from resizekit_sr.recurrent import RecurrentOptions, recurrent

OPTIONS = {"name": "recurrent", "width": 16, "down_blocks": 1, "up_blocks": 1}


class TestFourSteps(TaskConformance):
    task = resizekit.tasks()["extreme"]
    config: ClassVar = {"network": "recurrent", "times": 4}
    network: ClassVar = {"width": 8, "down_blocks": 1, "up_blocks": 1}


class TestUnequalSteps(TaskConformance):
    task = resizekit.tasks()["extreme"]
    config: ClassVar = {"network": "recurrent", "spec": {"s": 3, "r": 2}, "times": 3, "channels": 1}
    network: ClassVar = {"width": 8, "down_blocks": 1, "up_blocks": 1}


def made(times, *, noise=0.05, **options):
    """A pair that is moved away from its start, where ends of zero let nothing through."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        codec = resizekit.build("extreme", network=OPTIONS | options, times=times).eval()
        with torch.no_grad():
            for parameter in codec.parameters():
                parameter.add_(noise * torch.randn_like(parameter))
    return codec


@pytest.mark.parametrize("times", [1, 2, 3, 5])
def test_it_starts_as_bicubic_down_and_plain_growing_up_at_every_depth(times):
    codec, high = made(times, noise=0), torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        low, wanted = codec.encode(high), high
        for _ in range(times):
            wanted = codec.step_guide(wanted)
        torch.testing.assert_close(low, wanted)
        grown = low.repeat_interleave(2**times, 2).repeat_interleave(2**times, 3)
        torch.testing.assert_close(codec.decode(low), grown)


@pytest.mark.parametrize("times", [1, 2, 4])
def test_steps_by_index_give_the_codec(times):
    codec, high = made(times), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        low = codec.encode(channels_last(high))
        restored = codec.decode(channels_last(low))
        down, up = high, low
        for i in range(times):
            down, up = codec.encode_step(down, i), codec.decode_step(up, i)
    assert torch.equal(down, low)
    assert torch.equal(up, restored)


def test_what_is_handed_on_is_more_than_a_picture():
    codec = made(3)
    with torch.no_grad():
        state = codec.encode_step(torch.rand(1, 3, 32, 32), 0)
        assert state.shape == (1, codec.encoder.state_channels, 16, 16) == (1, 15, 16, 16)
        assert codec.encode_step(state, 1).shape == (1, 15, 8, 8)
        up = codec.decode_step(torch.rand(1, 3, 4, 4), 0)
        assert up.shape == (1, codec.decoder.state_channels, 8, 8) == (1, 12, 8, 8)


@pytest.mark.parametrize("own", [{}, {"down_alone": 1, "up_alone": 1}, {"down_between": 1, "up_between": 1}])
def test_every_parameter_learns_once_there_are_three_steps(own):
    codec, high = made(1, **own).train(), torch.rand(2, 3, 32, 32)
    for times in (1, 3):  # what goes in and out of one application is not what lies between several
        (codec.at(times)(high).restored - high).square().mean().backward()
    for name, parameter in codec.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(("of", "serves"), [("alone", {1}), ("between", {3, 4})], ids=lambda value: str(value))
def test_one_step_alone_and_steps_between_states_can_have_blocks_of_their_own(of, serves):
    codec, high = made(1, **{f"down_{of}": 1, f"up_{of}": 2}), torch.rand(1, 3, 32, 32)

    def both_ways():
        with torch.no_grad():
            return {n: (codec.at(n).encode(high), codec.at(n).decode(high[..., :8, :8])) for n in (1, 2, 3, 4)}

    before = both_ways()
    for side in (codec.encoder, codec.decoder):
        for parameter in getattr(side, f"blocks_{of}").parameters():
            parameter.detach().zero_()
    for times, ways in both_ways().items():
        for one, other in zip(before[times], ways, strict=True):
            assert torch.equal(one, other) == (times not in serves)


def test_two_steps_can_begin_with_wavelet_weights_of_twice_the_factor(tmp_path):
    by_four = resizekit.build("sr", spec={"s": 4, "r": 4}, network=OPTIONS | {"name": "wavelet"}).eval()
    with torch.no_grad():
        for parameter in by_four.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    resizekit.recipes.checkpoint.save(by_four, tmp_path / "four.safetensors")
    codec = made(2)
    load_initial_weights(codec, str(tmp_path / "four.safetensors"), strict=False)
    low, high = torch.rand(1, 3, 8, 12), torch.rand(1, 3, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(codec.decode(low), by_four.decode(low))
        ours = codec.encode(high) - codec.step_guide(codec.step_guide(high))
        torch.testing.assert_close(ours, by_four.encoder(high), atol=1e-5, rtol=1e-5)


def test_a_deep_power_in_tiles_is_the_power_at_once():
    codec = made(3, width=64)
    high = np.random.default_rng(0).integers(0, 256, (192, 216, 3), np.uint8)
    whole = codec.down_pixels(high)
    back = codec.up(whole)
    assert len(np.unique(back)) > 50  # not all clamped, or the test could not fail
    for tile in (64, "off"):
        assert np.array_equal(tiled_down(codec, high, tile), whole)
        assert np.array_equal(tiled_up(codec, whole, tile), back)


def test_only_the_blocks_run_in_half_precision():
    """What goes in and out touches the picture, whose last bits carry the message."""
    codec, low = made(3, noise=0), torch.rand(1, 3, 4, 4)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        grown = codec.decode(low)
        assert grown.dtype == codec.encode(grown).dtype == torch.float32
    torch.testing.assert_close(grown, low.repeat_interleave(8, 2).repeat_interleave(8, 3), atol=1e-6, rtol=0)


def test_a_network_without_a_state_is_applied_as_it_is():
    network = torch.nn.Conv2d(3, 5, 1)
    x = torch.rand(1, 3, 4, 4)
    assert torch.equal(apply_step(network, NetworkTraits(), x, first=False, last=False), network(x))


@pytest.mark.parametrize("spec", [ResizeSpec(s="3/2", r=2), ResizeSpec(s=2, r=2, t=3)], ids=str)
def test_what_it_cannot_do_is_said(spec):
    with pytest.raises(ResizeShapeError, match="whole factors of height and width"):
        recurrent(spec, 3, RecurrentOptions())


def test_bad_options_are_refused():
    with pytest.raises(ConfigError, match="width = 0"):
        resizekit.build("extreme", network=OPTIONS | {"width": 0})


def test_sizes_can_be_asked_without_memory():
    real = torch.nn.ModuleList(recurrent(ResizeSpec(s=2, r=2), 3, RecurrentOptions(width=8))).state_dict()
    with torch.device("meta"):
        told = torch.nn.ModuleList(recurrent(ResizeSpec(s=2, r=2), 3, RecurrentOptions(width=8))).state_dict()
    assert {name: t.shape for name, t in told.items()} == {name: t.shape for name, t in real.items()}
