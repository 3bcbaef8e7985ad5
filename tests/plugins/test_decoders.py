"""The decoders `edsr` and `vdsr`: published sizes, any spec, initialization as a plain resize."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from resizekit import ResizeSpec, build, ops
from resizekit.codec.tiling import tiled_up
from resizekit.errors import ConfigError, ResizeShapeError
from resizekit_sr.edsr import EdsrOptions, edsr
from resizekit_sr.vdsr import VdsrOptions, vdsr

SPECS = {
    "x2": ResizeSpec(s=2, r=2),
    "x3/2": ResizeSpec(s="3/2", r="3/2"),
    "unequal": ResizeSpec(s=3, r="1/2"),
    "only channels": ResizeSpec(t=3),
    "all three": ResizeSpec(s=2, r=2, t=3),
    "larger": ResizeSpec(s="1/2", r="1/2"),
    "identity": ResizeSpec(),
}
SMALL = {
    "edsr": (edsr, EdsrOptions(width=8, blocks=2, scale=0.1)),
    "vdsr": (vdsr, VdsrOptions(width=8, layers=4)),
}


def make_decoder(network, spec=SPECS["x2"], channels=3, *, perturbed=False):
    torch.manual_seed(0)
    build_network, options = SMALL[network]
    encoder, decoder = build_network(spec, channels, options)
    assert encoder is None
    if perturbed:
        with torch.no_grad():
            for parameter in decoder.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    return decoder


def convolutions(module):
    return [layer for layer in module.modules() if isinstance(layer, torch.nn.Conv2d)]


def test_networks_have_the_published_sizes():
    baseline = build("sr", network="edsr").decoder
    assert sum(p.numel() for p in baseline.parameters()) == 1_369_859
    with torch.device("meta"):
        full = build("sr", network={"name": "edsr", "width": 256, "blocks": 32, "scale": 0.1}).decoder
        deep = build("sr", network="vdsr", channels=1).decoder
    assert sum(p.numel() for p in full.parameters()) == 40_729_603
    assert len(convolutions(full)) == 2 * 32 + 4  # the 68 layers named in Table 1
    assert len(convolutions(deep)) == 20
    assert sum(p.weight.numel() for p in convolutions(deep)) == 664_704


@pytest.mark.parametrize("network", SMALL)
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_decoder_handles_any_spec_and_starts_as_a_plain_resize(spec, network):
    decoder = make_decoder(network, spec)
    low = torch.full((2, 3, 6, 6), 0.25)
    low[1] = 0.75
    high = decoder(low)
    assert high.shape[1:] == spec.high_shape((3, 6, 6))
    if network == "vdsr":
        torch.testing.assert_close(high, low.repeat(1, int(spec.t), 1, 1)[:, :, :1, :1].expand_as(high))


def test_vdsr_starts_as_bicubic():
    low = torch.rand(1, 3, 8, 10)
    half = SPECS["x2"].s / 4
    bicubic = ops.resample(low, (16, 20), scale=(half, half))
    torch.testing.assert_close(make_decoder("vdsr")(low), bicubic)


def test_vdsr_refuses_a_fractional_channel_factor():
    with pytest.raises(ResizeShapeError, match="cannot repeat channels 3/2 times"):
        vdsr(ResizeSpec(t="3/2"), 2, VdsrOptions())


def test_edsr_scale_multiplies_the_residual_of_a_block():
    x = torch.rand(1, 8, 5, 5)
    blocks = [edsr(SPECS["x2"], 3, EdsrOptions(width=8, blocks=1, scale=scale))[1].blocks[0] for scale in (1.0, 0.25)]
    blocks[1].load_state_dict(blocks[0].state_dict())
    torch.testing.assert_close(blocks[1](x) - x, 0.25 * (blocks[0](x) - x))


@pytest.mark.parametrize("network", SMALL)
def test_every_parameter_gets_a_gradient(network):
    decoder = make_decoder(network, perturbed=True)
    decoder(torch.rand(2, 3, 8, 8)).square().mean().backward()
    for name, parameter in decoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("network", SMALL)
def test_tiled_decoding_equals_decoding_the_full_image(network, channels):
    _, options = SMALL[network]
    codec = build("sr", channels=channels, network={"name": network, **options.model_dump()}).eval()
    codec.decoder.load_state_dict(make_decoder(network, channels=channels, perturbed=True).state_dict())
    codec.to(memory_format=torch.channels_last)
    low = np.random.default_rng(0).integers(0, 256, (70, 66, channels), np.uint8)
    full = tiled_up(codec, low, "off")
    assert np.array_equal(tiled_up(codec, low, 64), full)
    assert len(np.unique(full)) > 50


@pytest.mark.parametrize("network", SMALL)
def test_autocast_changes_only_the_trunk(network):
    """The initial trunk adds nothing, so an untrained decoder gives the same bits; a perturbed one does not."""
    for perturbed in (False, True):
        decoder, low = make_decoder(network, perturbed=perturbed), torch.rand(1, 3, 8, 8)
        with torch.no_grad():
            full = decoder(low)
            with torch.autocast("cpu", torch.bfloat16):
                half = decoder(low)
        assert half.dtype == torch.float32
        assert torch.equal(half, full) != perturbed


def test_codec_without_an_encoder_stores_the_guide():
    codec = build("sr", network="vdsr").eval()
    assert codec.encoder is None
    high = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        out = codec(high)
    assert torch.equal(out.low, ops.quantize(codec.guide(high)))


def test_vdsr_cost_grows_with_its_layers():
    flops = []
    for layers in (4, 8):
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            vdsr(SPECS["x2"], 3, VdsrOptions(width=8, layers=layers))[1](torch.rand(1, 3, 8, 8))
        flops.append(counter.get_total_flops())
    assert flops[1] - flops[0] == 4 * 2 * 9 * 8 * 8 * 16 * 16


@pytest.mark.parametrize(("name", "option"), [("edsr", "scale"), ("edsr", "width"), ("vdsr", "layers")])
def test_invalid_options_are_refused(name, option):
    with pytest.raises(ConfigError, match=f"{option} = 0"):
        build("sr", network={"name": name, option: 0})
