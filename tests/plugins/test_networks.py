"""`wavelet` and `invertible`: orthonormal bands, carriers that keep means, any spec, a plain resize to start with."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from resizekit import ResizeSpec, build
from resizekit.errors import ConfigError, ResizeShapeError
from resizekit_sr.bands import Bands, change, cosines
from resizekit_sr.invertible import Coupling, InvertibleOptions, invertible
from resizekit_sr.wavelet import WaveletOptions, wavelet

factors = st.builds(Fraction, st.integers(1, 4), st.integers(1, 3))
SPECS = {
    "x2": ResizeSpec(s=2, r=2),
    "x4": ResizeSpec(s=4, r=4),
    "x3/2": ResizeSpec(s="3/2", r="3/2"),
    "unequal": ResizeSpec(s=3, r="1/2"),
    "channels alone": ResizeSpec(t=3),
    "all three": ResizeSpec(s=2, r=2, t=3),
    "larger": ResizeSpec(s="1/2", r="1/2"),
    "nothing": ResizeSpec(),
}
SMALL = {
    "wavelet": (wavelet, WaveletOptions(width=16, down_blocks=1, up_blocks=1)),
    "wavelet that carries": (wavelet, WaveletOptions(width=16, down_blocks=1, up_blocks=1, adds_average=True)),
    "invertible": (invertible, InvertibleOptions(width=8, couplings=2)),
}


def identity(n):
    return torch.eye(n, dtype=torch.float64)


@pytest.mark.parametrize("n", range(1, 8))
def test_waves_are_orthonormal_and_the_first_is_the_mean(n):
    waves = cosines(n)
    torch.testing.assert_close(waves @ waves.T, identity(n))
    torch.testing.assert_close(waves[0], torch.full((n,), n**-0.5, dtype=torch.float64))


def test_two_values_are_haars_wavelet():
    torch.testing.assert_close(cosines(2), torch.tensor([[1, 1], [1, -1]], dtype=torch.float64) / 2**0.5)


@given(factors, factors, st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=40)
def test_carriers_keep_means_and_growing_then_shrinking_changes_nothing(s, r, t, channels):
    bands = Bands.of(ResizeSpec(s=s, r=r, t=t), channels)
    shrink, grow = bands.shrink, bands.grow
    n_low, n_high = shrink.shape
    for matrix in (bands.high, bands.low):
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(len(matrix)), atol=1e-6, rtol=0)
    torch.testing.assert_close(shrink.sum(1), torch.ones(n_low), atol=1e-5, rtol=0)
    torch.testing.assert_close(grow.sum(1), torch.ones(n_high), atol=1e-5, rtol=0)
    if s >= 1 and r >= 1:
        torch.testing.assert_close(shrink @ grow, torch.eye(n_low), atol=1e-5, rtol=0)
        torch.testing.assert_close(shrink @ bands.details.T, torch.zeros(n_low, n_high - n_low), atol=1e-5, rtol=0)


def test_whole_factors_carry_the_average_of_a_block_and_repeat_it():
    bands = Bands.of(ResizeSpec(s=2, r=3), 2)
    torch.testing.assert_close(bands.shrink, torch.kron(torch.eye(2), torch.full((1, 6), 1 / 6)))
    torch.testing.assert_close(bands.grow, torch.kron(torch.eye(2), torch.ones(6, 1)))


def test_a_factor_of_channels_carries_the_mean_of_each_group():
    bands, x = Bands.of(ResizeSpec(t=3), 2), torch.rand(1, 6, 2, 2)  # (t c)
    torch.testing.assert_close(change(x, bands.shrink), torch.stack(x.chunk(3, 1)).mean(0))


@pytest.mark.parametrize("network", SMALL)
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_any_spec_goes_down_and_up_and_starts_as_a_plain_resize(spec, network):
    make, options = SMALL[network]
    encoder, decoder = make(spec, 3, options)
    low = torch.rand(2, *spec.low_shape(spec.high_shape((3, 6, 6))))
    high = decoder(low)
    assert high.shape[1:] == spec.high_shape((3, 6, 6))
    torch.testing.assert_close(high.mean((1, 2, 3)), low.mean((1, 2, 3)))
    down = encoder(high)
    if network == "wavelet":
        assert not down.any()
    elif spec.s >= 1 and spec.r >= 1:
        torch.testing.assert_close(down, low, atol=1e-5, rtol=0)


@pytest.mark.parametrize("network", SMALL)
def test_codes_and_floats_are_one(network):
    make, options = SMALL[network]
    encoder, _ = make(SPECS["x2"], 3, options)
    codes = torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8)
    torch.testing.assert_close(encoder(codes), encoder(codes.float() / 255), atol=1e-6, rtol=0)


@pytest.mark.parametrize("network", SMALL)
def test_every_parameter_learns(network):
    make, options = SMALL[network]
    encoder, decoder = make(SPECS["x2"], 3, options)
    torch.manual_seed(0)
    pair = torch.nn.ModuleList([encoder, decoder])
    with torch.no_grad():
        for parameter in pair.parameters():  # away from the start, where tails of zero let nothing through
            parameter.add_(0.05 * torch.randn_like(parameter))
    x = torch.rand(2, 3, 16, 16)
    (decoder(encoder(x)) - x).square().mean().backward()
    for name, parameter in pair.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_a_coupling_undoes_itself():
    torch.manual_seed(0)
    step = Coupling(3, 9, width=8, clamp=0.5).double()
    for parameter in step.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    carrier, details = torch.rand(1, 3, 6, 6).double(), torch.rand(1, 9, 6, 6).double()
    there = step(carrier, details)
    assert not torch.allclose(there[0], carrier)
    back = step.inverse(*there)
    torch.testing.assert_close(back, (carrier, details))


def test_both_ways_of_the_invertible_network_are_one_set_of_weights():
    codec = build("sr", network="invertible")
    assert codec.encoder is not None
    down, up = ({p.data_ptr() for p in side.parameters()} for side in (codec.encoder, codec.decoder))
    assert down == up
    assert not codec.traits.residual


def test_only_the_blocks_run_in_half_precision():
    """Head, tail and carrier touch the picture, whose last bits carry the message."""
    encoder, decoder = wavelet(SPECS["x2"], 3, SMALL["wavelet"][1])
    x = torch.rand(1, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert encoder(x).dtype == decoder(x).dtype == torch.float32
        grown = decoder(x)
    torch.testing.assert_close(grown, x.repeat_interleave(2, 2).repeat_interleave(2, 3), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("name", "option"), [("wavelet", "width"), ("invertible", "width"), ("invertible", "clamp")])
def test_bad_options_are_refused(name, option):
    with pytest.raises(ConfigError, match=f"{option} = 0"):
        build("sr", network={"name": name, option: 0})


def test_channels_that_t_does_not_divide_are_refused():
    with pytest.raises(ResizeShapeError, match="whole channels"):
        Bands.of(ResizeSpec(t="3/2"), 3)


@pytest.mark.parametrize("network", SMALL)
def test_sizes_can_be_asked_without_memory(network):
    """As a checkpoint is checked before it is loaded."""
    make, options = SMALL[network]
    real = torch.nn.ModuleList(make(SPECS["all three"], 2, options)).state_dict()
    with torch.device("meta"):
        told = torch.nn.ModuleList(make(SPECS["all three"], 2, options)).state_dict()
    assert {name: t.shape for name, t in told.items()} == {name: t.shape for name, t in real.items()}


def test_a_deeper_pair_can_begin_with_a_shallower_ones_weights():
    torch.manual_seed(0)
    shallow, _ = wavelet(SPECS["x2"], 3, WaveletOptions(width=16, down_blocks=1))
    with torch.no_grad():
        for parameter in shallow.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    deep, _ = wavelet(SPECS["x2"], 3, WaveletOptions(width=16, down_blocks=3))
    deep.load_state_dict(shallow.state_dict(), strict=False)
    x = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(deep(x), shallow(x))
