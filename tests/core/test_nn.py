"""Networks: exact merging, the paper's sizes, initialization as a plain resize, receptive field, digest."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from resizekit import ResizeSpec, build, ops
from resizekit.codec.digest import digest
from resizekit.errors import ResizeShapeError
from resizekit.nn import Down, Resizer, TadOptions, Up, high_channels, receptive_field, tad
from resizekit.nn.blocks import ResidualBlock
from resizekit.nn.collapse import compose, polyphase

factors = st.integers(1, 4)
FACTORS = [(1, 2), (2, 2), (3, 1), (2, 3), (4, 4)]
PAPER = TadOptions()


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def zero_pad(x: Tensor, s: int, r: int) -> Tensor:
    return F.pad(x, (r, r, s, s))


# --- merging -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("s", "r"), FACTORS)
def test_down_equals_the_two_convolutions_of_the_paper(s: int, r: int) -> None:
    layer = Down(2, 3, s, r).double()
    x = random(2, 2, 3 * s, 4 * r)
    full = layer.first(zero_pad(x, 2 * s, 2 * r))[:, :, s:-s, r:-r]
    expected = F.conv2d(ops.unshuffle(full, s, r), layer.second.weight, layer.second.bias)
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("s", "r"), FACTORS)
def test_up_equals_the_two_convolutions_of_the_paper(s: int, r: int) -> None:
    layer = Up(2, 3, s, r).double()
    x = random(2, 2, 3, 4)
    full = ops.shuffle(F.conv2d(zero_pad(x, 2, 2), layer.first.weight, layer.first.bias), s, r)
    expected = layer.second(full)[:, :, s:-s, r:-r]
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("layer", [Down(2, 3, 2, 3), Up(2, 3, 2, 3)], ids=["down", "up"])
def test_gradient_flows_through_the_merged_kernel(layer: nn.Module) -> None:
    layer(torch.rand(1, 2, 6, 6)).square().sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.ne(0).any(), name


@given(factors, factors, st.sampled_from([1, 3, 5]), st.sampled_from([1, 3, 5]))
@settings(max_examples=30)
def test_polyphase_commutes_with_unshuffle(s: int, r: int, high: int, wide: int) -> None:
    kernel, x = random(3, 2, high, wide), random(1, 2, 3 * s, 4 * r, seed=1)
    small = polyphase(kernel, s, r)
    unshuffled_last = ops.unshuffle(F.conv2d(x, kernel, padding=(high // 2, wide // 2)), s, r)
    unshuffled_first = F.conv2d(ops.unshuffle(x, s, r), small, padding=(small.shape[2] // 2, small.shape[3] // 2))
    torch.testing.assert_close(unshuffled_first, unshuffled_last, rtol=1e-12, atol=1e-12)


sides = st.tuples(st.integers(1, 4), st.integers(1, 4))


@given(sides, sides)
@settings(max_examples=30)
def test_compose_equals_two_convolutions(first_side: tuple[int, int], second_side: tuple[int, int]) -> None:
    first, second = random(4, 2, *first_side), random(3, 4, *second_side, seed=1)
    biases, x = (random(4, seed=2), random(3, seed=3)), random(2, 2, 9, 10, seed=4)
    expected = F.conv2d(F.conv2d(x, first, biases[0]), second, biases[1])
    torch.testing.assert_close(F.conv2d(x, *compose(first, biases[0], second, biases[1])), expected)


# --- the paper's numbers -----------------------------------------------------------------------


def convolutions(side: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in side.modules() if isinstance(layer, nn.Conv2d)]


@pytest.mark.parametrize(
    ("spec", "low_channels", "count"),
    [
        (ResizeSpec(s=2, r=2), 3, 10),
        (ResizeSpec(r=2), 3, 10),
        (ResizeSpec(s=4, r=4), 1, 10),
        (ResizeSpec(s=2, r=2, t=3), 1, 10),
        (ResizeSpec(t=3), 1, 9),
        (ResizeSpec(), 3, 9),
    ],
    ids=str,
)
def test_tad_has_ten_convolutions_per_side_or_nine_without_scaling(
    spec: ResizeSpec, low_channels: int, count: int
) -> None:
    for side in tad(spec, low_channels, PAPER):
        layers = convolutions(side)
        assert len(layers) == count
        assert {layer.kernel_size for layer in layers} == {(3, 3)}
        assert not any("Norm" in type(module).__name__ for module in side.modules())


def test_tad_has_the_parameter_count_of_the_paper() -> None:
    sides = tad(ResizeSpec(s=2, r=2), 3, PAPER)
    assert sum(p.numel() for side in sides for p in side.parameters()) == 819_270


@given(*[st.sampled_from([(1, 1), (2, 1), (3, 1), (3, 2), (2, 3)])] * 2, st.integers(1, 3))
@settings(max_examples=25)
def test_tad_handles_every_spec(s: tuple[int, int], r: tuple[int, int], t: int) -> None:
    spec = ResizeSpec(s=f"{s[0]}/{s[1]}", r=f"{r[0]}/{r[1]}", t=t)
    encoder, decoder = tad(spec, 2, TadOptions(width=4, blocks=1))
    high = torch.rand(1, 2 * t, spec.s.numerator * 3, spec.r.numerator * 2)
    low = encoder(high)
    assert low.shape == (1, *spec.low_shape(high.shape[1:]))
    assert decoder(low).shape == high.shape


def test_high_channels_must_be_an_integer() -> None:
    assert high_channels(ResizeSpec(t="3/2"), 2) == 3
    with pytest.raises(ResizeShapeError, match="use a multiple of 2 channels"):
        high_channels(ResizeSpec(t="3/2"), 3)


# --- initialization ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "low_channels"),
    [(ResizeSpec(s=2, r=2), 3), (ResizeSpec(s=2, r=3, t=3), 1), (ResizeSpec(t=2), 3), (ResizeSpec(s=4), 1)],
    ids=str,
)
def test_decoder_starts_as_nearest_neighbour(spec: ResizeSpec, low_channels: int) -> None:
    decoder = tad(spec, low_channels, TadOptions(width=8, blocks=1))[1]
    low = torch.rand(2, low_channels, 5, 6)
    nearest = low.repeat_interleave(int(spec.s), 2).repeat_interleave(int(spec.r), 3).repeat(1, int(spec.t), 1, 1)
    torch.testing.assert_close(decoder(low), nearest, rtol=0, atol=1e-5)


def test_decoder_of_a_fraction_starts_as_the_mean_of_its_pixels() -> None:
    decoder = tad(ResizeSpec(s="3/2"), 1, TadOptions(width=8, blocks=1))[1]
    low = torch.tensor([0.2, 0.4, 0.6, 1.0]).reshape(1, 1, 4, 1)
    torch.testing.assert_close(decoder(low).flatten(), torch.tensor([0.3, 0.3, 0.3, 0.8, 0.8, 0.8]))


def test_encoder_starts_as_the_guide() -> None:
    codec = build("sr", spec={"s": 2, "r": 2}, network={"width": 8, "blocks": 1})
    high = torch.rand(1, 3, 8, 10)
    assert torch.equal(codec.encode(high), codec.guide(high))


# --- receptive field ---------------------------------------------------------------------------


def test_receptive_field_of_single_layers() -> None:
    two = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 1, 5, padding=2))
    assert receptive_field(two, 1, (1, 1), (1, 1)) == 1 + 2
    assert receptive_field(ResidualBlock(2), 2, (1, 1), (1, 1)) == 2
    assert receptive_field(Down(1, 1, 2, 3), 1, (2, 3), (1, 1)) == 2
    assert receptive_field(Up(1, 1, 2, 3), 1, (1, 1), (2, 3)) == 2
    assert receptive_field(lambda x: x, 1, (1, 1), (1, 1)) == 0


@pytest.mark.parametrize("blocks", [0, 1, 3, 9])
def test_receptive_field_of_a_pair_is_the_sum_of_its_layers(blocks: int) -> None:
    encoder, decoder = tad(ResizeSpec(s=2, r=2), 1, TadOptions(width=2, blocks=blocks))
    expected = 2 + 2 * blocks + 1 + 1  # scaling layer, blocks, join, convolution
    assert receptive_field(encoder, 1, (2, 2), (1, 1)) == expected
    assert receptive_field(decoder, 1, (1, 1), (2, 2)) == expected


def test_receptive_field_of_a_global_network_is_refused() -> None:
    with pytest.raises(ResizeShapeError, match="tile='off'"):
        receptive_field(lambda x: x + x.mean(), 1, (1, 1), (1, 1))


# --- digest ------------------------------------------------------------------------------------


def test_digest_changes_with_any_weight() -> None:
    side = Resizer(1, 1, down=(2, 2), up=(1, 1), options=TadOptions(width=2, blocks=1))
    digests = {digest(side)}
    with torch.no_grad():
        for parameter in side.parameters():
            value = parameter.view(-1)[-1]
            original = value.clone()
            value.copy_(torch.nextafter(value, torch.tensor(9.0)))
            digests.add(digest(side))
            value.copy_(original)
    assert len(digests) == 1 + len(list(side.parameters()))
    assert digest(side) in digests
    assert len(digest(side)) == 64


def test_digest_depends_on_values_and_names_but_not_on_layout() -> None:
    layer = nn.Conv2d(4, 4, 3)
    before = digest(layer)
    assert digest(layer.to(memory_format=torch.channels_last)) == before
    assert digest(nn.Sequential(layer)) != before
    assert digest(layer.half()) != before


@pytest.mark.parametrize(("s", "r"), [*FACTORS, (1, 1)])
def test_init_as_average_encoder_starts_as_the_mean_of_each_block(s: int, r: int) -> None:
    encoder, _ = tad(ResizeSpec(s=s, r=r), 3, TadOptions(width=16, init_as_average=True))
    high = torch.rand(1, 3, 4 * s, 5 * r)
    torch.testing.assert_close(encoder(high), F.avg_pool2d(high, (s, r)), rtol=0, atol=1e-6)
