"""The network `recurrent`: state between steps, initialization as a plain resize, initial weights by 4."""

from typing import ClassVar

import numpy as np
import pytest
import torch

import resizekit
from resizekit import ResizeSpec
from resizekit.codec.pair import channels_last
from resizekit.codec.tiling import tiled_down, tiled_up
from resizekit.codec.traits import NetworkTraits, apply_step
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


def perturbed(times, *, noise=0.05, **options):
    """Build a codec with perturbed weights, since the initial zeros of the output layers would block everything."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        codec = resizekit.build("extreme", network=OPTIONS | options, times=times).eval()
        with torch.no_grad():
            for parameter in codec.parameters():
                parameter.add_(noise * torch.randn_like(parameter))
    return codec


@pytest.mark.parametrize("times", [1, 2, 3, 5])
def test_pair_starts_as_bicubic_and_plain_enlargement_at_any_depth(times):
    codec, high = perturbed(times, noise=0), torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        low, guide = codec.encode(high), high
        for _ in range(times):
            guide = codec.step_guide(guide)
        torch.testing.assert_close(low, guide)
        grown = low.repeat_interleave(2**times, 2).repeat_interleave(2**times, 3)
        torch.testing.assert_close(codec.decode(low), grown)


@pytest.mark.parametrize("times", [1, 2, 4])
def test_steps_by_index_give_the_codec(times):
    codec, high = perturbed(times), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        low = codec.encode(channels_last(high))
        restored = codec.decode(channels_last(low))
        down, up = high, low
        for i in range(times):
            down, up = codec.encode_step(down, i), codec.decode_step(up, i)
    assert torch.equal(down, low)
    assert torch.equal(up, restored)


def test_state_between_steps_has_more_channels_than_an_image():
    codec = perturbed(3)
    with torch.no_grad():
        state = codec.encode_step(torch.rand(1, 3, 32, 32), 0)
        assert state.shape == (1, codec.encoder.state_channels, 16, 16) == (1, 15, 16, 16)
        assert codec.encode_step(state, 1).shape == (1, 15, 8, 8)
        up = codec.decode_step(torch.rand(1, 3, 4, 4), 0)
        assert up.shape == (1, codec.decoder.state_channels, 8, 8) == (1, 12, 8, 8)


@pytest.mark.parametrize("options", [{}, {"down_alone": 1, "up_alone": 1}, {"down_between": 1, "up_between": 1}])
def test_every_parameter_gets_a_gradient_with_one_and_three_steps(options):
    codec, high = perturbed(1, **options).train(), torch.rand(2, 3, 32, 32)
    for times in (1, 3):  # a single step and several steps use different input and output layers
        (codec.at(times)(high).restored - high).square().mean().backward()
    for name, parameter in codec.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(("blocks", "depths"), [("alone", {1}), ("between", {3, 4})], ids=lambda value: str(value))
def test_separate_blocks_serve_only_single_or_between_steps(blocks, depths):
    codec, high = perturbed(1, **{f"down_{blocks}": 1, f"up_{blocks}": 2}), torch.rand(1, 3, 32, 32)

    def run_both_directions():
        with torch.no_grad():
            return {n: (codec.at(n).encode(high), codec.at(n).decode(high[..., :8, :8])) for n in (1, 2, 3, 4)}

    before = run_both_directions()
    for side in (codec.encoder, codec.decoder):
        for parameter in getattr(side, f"blocks_{blocks}").parameters():
            parameter.detach().zero_()
    for times, after in run_both_directions().items():
        for old, new in zip(before[times], after, strict=True):
            assert torch.equal(old, new) == (times not in depths)


def test_two_steps_initialized_from_wavelet_x4_weights_are_equal(tmp_path):
    by_four = resizekit.build("sr", spec={"s": 4, "r": 4}, network=OPTIONS | {"name": "wavelet"}).eval()
    with torch.no_grad():
        for parameter in by_four.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    resizekit.recipes.checkpoint.save(by_four, tmp_path / "four.safetensors")
    codec = perturbed(2)
    load_initial_weights(codec, str(tmp_path / "four.safetensors"), strict=False)
    low, high = torch.rand(1, 3, 8, 12), torch.rand(1, 3, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(codec.decode(low), by_four.decode(low))
        residual = codec.encode(high) - codec.step_guide(codec.step_guide(high))
        torch.testing.assert_close(residual, by_four.encoder(high), atol=1e-5, rtol=1e-5)


def test_tiles_of_three_steps_equal_the_full_image():
    codec = perturbed(3, width=64)
    high = np.random.default_rng(0).integers(0, 256, (192, 216, 3), np.uint8)
    low = codec.down_pixels(high)
    back = codec.up(low)
    assert len(np.unique(back)) > 50  # clamped values would hide a difference
    for tile in (64, "off"):
        assert np.array_equal(tiled_down(codec, high, tile), low)
        assert np.array_equal(tiled_up(codec, low, tile), back)


def test_autocast_changes_only_the_blocks():
    """Input and output layers keep full precision, since the last bits of an image hold information."""
    codec, low = perturbed(3, noise=0), torch.rand(1, 3, 4, 4)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        grown = codec.decode(low)
        assert grown.dtype == codec.encode(grown).dtype == torch.float32
    torch.testing.assert_close(grown, low.repeat_interleave(8, 2).repeat_interleave(8, 3), atol=1e-6, rtol=0)


def test_apply_calls_a_stateless_network_directly():
    network = torch.nn.Conv2d(3, 5, 1)
    x = torch.rand(1, 3, 4, 4)
    assert torch.equal(apply_step(network, NetworkTraits(), x, first=False, last=False), network(x))


@pytest.mark.parametrize("spec", [ResizeSpec(s="3/2", r=2), ResizeSpec(s=2, r=2, t=3)], ids=str)
def test_unsupported_specs_are_refused(spec):
    with pytest.raises(ResizeShapeError, match="needs integer factors of height and width and t=1, got"):
        recurrent(spec, 3, RecurrentOptions())


def test_invalid_options_are_refused():
    with pytest.raises(ConfigError, match="width = 0"):
        resizekit.build("extreme", network=OPTIONS | {"width": 0})


def test_state_dict_shapes_are_known_on_the_meta_device():
    real = torch.nn.ModuleList(recurrent(ResizeSpec(s=2, r=2), 3, RecurrentOptions(width=8))).state_dict()
    with torch.device("meta"):
        meta = torch.nn.ModuleList(recurrent(ResizeSpec(s=2, r=2), 3, RecurrentOptions(width=8))).state_dict()
    assert {name: t.shape for name, t in meta.items()} == {name: t.shape for name, t in real.items()}
