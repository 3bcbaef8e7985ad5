"""The networks `wavelet` and `invertible`: orthonormal bands, any spec, initialization as a plain resize."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from resizekit import ResizeSpec, build
from resizekit.errors import ConfigError, ResizeShapeError
from resizekit_sr.bands import Bands, dct_matrix, mix_channels
from resizekit_sr.invertible import Coupling, InvertibleOptions, invertible
from resizekit_sr.wavelet import WaveletOptions, wavelet

factors = st.builds(Fraction, st.integers(1, 4), st.integers(1, 3))
SPECS = {
    "x2": ResizeSpec(s=2, r=2),
    "x4": ResizeSpec(s=4, r=4),
    "x3/2": ResizeSpec(s="3/2", r="3/2"),
    "unequal": ResizeSpec(s=3, r="1/2"),
    "only channels": ResizeSpec(t=3),
    "all three": ResizeSpec(s=2, r=2, t=3),
    "larger": ResizeSpec(s="1/2", r="1/2"),
    "identity": ResizeSpec(),
}
SMALL = {
    "wavelet": (wavelet, WaveletOptions(width=16, down_blocks=1, up_blocks=1)),
    "wavelet with average": (wavelet, WaveletOptions(width=16, down_blocks=1, up_blocks=1, adds_average=True)),
    "invertible": (invertible, InvertibleOptions(width=8, couplings=2)),
}


def identity(n):
    return torch.eye(n, dtype=torch.float64)


@pytest.mark.parametrize("n", range(1, 8))
def test_dct_matrix_is_orthonormal_and_starts_with_the_mean(n):
    matrix = torch.from_numpy(dct_matrix(n))
    torch.testing.assert_close(matrix @ matrix.T, identity(n))
    torch.testing.assert_close(matrix[0], torch.full((n,), n**-0.5, dtype=torch.float64))


def test_dct_matrix_of_two_values_is_the_haar_wavelet():
    torch.testing.assert_close(
        torch.from_numpy(dct_matrix(2)), torch.tensor([[1, 1], [1, -1]], dtype=torch.float64) / 2**0.5
    )


@given(factors, factors, st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=40)
def test_shrink_and_grow_preserve_means_and_shrink_inverts_grow(s, r, t, channels):
    bands = Bands.from_spec(ResizeSpec(s=s, r=r, t=t), channels)
    shrink, grow = bands.shrink, bands.grow
    n_low, n_high = shrink.shape
    for matrix in (bands.high_basis, bands.low_basis):
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(len(matrix)), atol=1e-6, rtol=0)
    torch.testing.assert_close(shrink.sum(1), torch.ones(n_low), atol=1e-5, rtol=0)
    torch.testing.assert_close(grow.sum(1), torch.ones(n_high), atol=1e-5, rtol=0)
    if s >= 1 and r >= 1:
        torch.testing.assert_close(shrink @ grow, torch.eye(n_low), atol=1e-5, rtol=0)
        torch.testing.assert_close(
            shrink @ bands.high_frequencies.T, torch.zeros(n_low, n_high - n_low), atol=1e-5, rtol=0
        )


def test_integer_factors_average_a_block_and_repeat_it():
    bands = Bands.from_spec(ResizeSpec(s=2, r=3), 2)
    torch.testing.assert_close(bands.shrink, torch.kron(torch.eye(2), torch.full((1, 6), 1 / 6)))
    torch.testing.assert_close(bands.grow, torch.kron(torch.eye(2), torch.ones(6, 1)))


def test_channel_factor_averages_each_group():
    bands, x = Bands.from_spec(ResizeSpec(t=3), 2), torch.rand(1, 6, 2, 2)  # (t c)
    torch.testing.assert_close(mix_channels(x, bands.shrink), torch.stack(x.chunk(3, 1)).mean(0))


@pytest.mark.parametrize("network", SMALL)
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_pair_handles_any_spec_and_starts_as_a_plain_resize(spec, network):
    build_pair, options = SMALL[network]
    encoder, decoder = build_pair(spec, 3, options)
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
def test_uint8_input_equals_float_input(network):
    build_pair, options = SMALL[network]
    encoder, _ = build_pair(SPECS["x2"], 3, options)
    codes = torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8)
    torch.testing.assert_close(encoder(codes), encoder(codes.float() / 255), atol=1e-6, rtol=0)


@pytest.mark.parametrize("network", SMALL)
def test_every_parameter_gets_a_gradient(network):
    build_pair, options = SMALL[network]
    encoder, decoder = build_pair(SPECS["x2"], 3, options)
    torch.manual_seed(0)
    pair = torch.nn.ModuleList([encoder, decoder])
    with torch.no_grad():
        for parameter in pair.parameters():  # the initial zeros of the tails would block the gradient
            parameter.add_(0.05 * torch.randn_like(parameter))
    x = torch.rand(2, 3, 16, 16)
    (decoder(encoder(x)) - x).square().mean().backward()
    for name, parameter in pair.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_coupling_inverse_restores_its_input():
    torch.manual_seed(0)
    step = Coupling(3, 9, width=8, clamp=0.5).double()
    for parameter in step.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    low_band, high_band = torch.rand(1, 3, 6, 6).double(), torch.rand(1, 9, 6, 6).double()
    coupled = step(low_band, high_band)
    assert not torch.allclose(coupled[0], low_band)
    torch.testing.assert_close(step.inverse(*coupled), (low_band, high_band))


def test_invertible_encoder_and_decoder_share_their_weights():
    codec = build("sr", network="invertible")
    assert codec.encoder is not None
    down, up = ({p.data_ptr() for p in side.parameters()} for side in (codec.encoder, codec.decoder))
    assert down == up
    assert not codec.traits.residual


def test_autocast_changes_only_the_blocks():
    """Head, tail and skip connection keep full precision, since the last bits of an image hold information."""
    encoder, decoder = wavelet(SPECS["x2"], 3, SMALL["wavelet"][1])
    x = torch.rand(1, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert encoder(x).dtype == decoder(x).dtype == torch.float32
        grown = decoder(x)
    torch.testing.assert_close(grown, x.repeat_interleave(2, 2).repeat_interleave(2, 3), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("name", "option"), [("wavelet", "width"), ("invertible", "width"), ("invertible", "clamp")])
def test_invalid_options_are_refused(name, option):
    with pytest.raises(ConfigError, match=f"{option} = 0"):
        build("sr", network={"name": name, option: 0})


def test_channels_that_t_does_not_divide_are_refused():
    with pytest.raises(ResizeShapeError, match="whole channels"):
        Bands.from_spec(ResizeSpec(t="3/2"), 3)


@pytest.mark.parametrize("network", SMALL)
def test_state_dict_shapes_are_known_on_the_meta_device(network):
    """A checkpoint is compared with these shapes before it is loaded."""
    build_pair, options = SMALL[network]
    real = torch.nn.ModuleList(build_pair(SPECS["all three"], 2, options)).state_dict()
    with torch.device("meta"):
        meta = torch.nn.ModuleList(build_pair(SPECS["all three"], 2, options)).state_dict()
    assert {name: t.shape for name, t in meta.items()} == {name: t.shape for name, t in real.items()}


def test_deeper_pair_initialized_from_a_shallower_pair_is_equal():
    torch.manual_seed(0)
    shallow, _ = wavelet(SPECS["x2"], 3, WaveletOptions(width=16, down_blocks=1))
    with torch.no_grad():
        for parameter in shallow.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    deep, _ = wavelet(SPECS["x2"], 3, WaveletOptions(width=16, down_blocks=3))
    deep.load_state_dict(shallow.state_dict(), strict=False)
    x = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(deep(x), shallow(x))
