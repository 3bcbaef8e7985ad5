"""The codec: every kind of image, shared weights, gradients, export and compile, and refused inputs."""

import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn

import resizekit
from resizekit import Codec, ResizeSpec, guides, ops
from resizekit.codec.convert import to_tensor
from resizekit.codec.tiling import halo
from resizekit.errors import ImageError, ResizeShapeError, UsageError
from resizekit.ops.quantize import SCALE
from resizekit.storage.compressions import Float, Round, Uint8

TINY = {"width": 4, "blocks": 1}


def tiny(**config: object) -> Codec:
    """Build a small codec with random changes to all weights, as the initial ones make both networks trivial."""
    torch.manual_seed(0)
    codec = resizekit.build("sr", network=TINY, **config).eval()
    with torch.no_grad():
        for parameter in codec.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return codec


PIXELS = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)


def test_pil_image_stays_a_pil_image() -> None:
    codec, image = tiny(), PIL.Image.fromarray(PIXELS)
    low = codec.down(image)
    assert (low.mode, low.size) == ("RGB", (6, 4))
    assert (codec.up(low).mode, codec.up(low).size) == ("RGB", (12, 8))


def test_all_image_kinds_have_equal_pixels() -> None:
    codec = tiny()
    pixels = np.tile(PIXELS, (5, 4, 1))
    array, pil = codec.down(pixels), codec.down(PIL.Image.fromarray(pixels))
    assert array.dtype == np.uint8
    assert array.shape == (20, 24, 3)
    assert np.array_equal(np.asarray(pil), array)
    with torch.no_grad():
        low = codec.down(to_tensor(pixels))
        assert torch.equal(low, to_tensor(array))
        up, again = codec.up(low), codec.up(to_tensor(array))
    assert torch.equal(up, again)
    assert np.array_equal(codec.up(array), codec.up(np.asarray(pil)))


def test_one_channel_is_a_grey_image() -> None:
    codec = tiny(channels=1)
    assert codec.down(PIL.Image.fromarray(PIXELS[:, :, 0])).mode == "L"
    assert codec.down(PIXELS[:, :, 0]).shape == (4, 6)
    assert codec.down(PIXELS[:, :, :1]).shape == (4, 6, 1)


def test_strides_do_not_change_a_bit_of_the_result() -> None:
    codec = tiny(channels=1)
    plain = torch.rand(1, 1, 16, 24)
    shapes = [
        plain,
        plain.contiguous(memory_format=torch.channels_last),
        plain[0].permute(1, 2, 0).permute(2, 0, 1)[None],
    ]
    shapes.append(plain.as_strided(plain.shape, (1, 1, 24, 1)))
    with torch.no_grad():
        first, *others = (codec.up(low) for low in shapes)
    assert all(torch.equal(first, other) for other in others)


def test_gradient_flows_for_tensors_and_not_for_arrays() -> None:
    codec = tiny()
    high = torch.rand(1, 3, 8, 8, requires_grad=True)
    codec.up(codec.down(high)).sum().backward()
    assert high.grad is not None
    assert high.grad.ne(0).any()
    codec.zero_grad()
    codec.down(PIXELS)
    assert all(parameter.grad is None for parameter in codec.parameters())


def test_up_clamps_restored_and_forward_does_not() -> None:
    codec = tiny()
    with torch.no_grad():
        codec.decoder.tail.second.bias.fill_(9)
        high = torch.rand(1, 3, 8, 8)
        assert codec(high).restored.min() > 1
        assert codec.up(codec.down(high)).max() == 1


def test_at_shares_weights_and_compresses_once() -> None:
    codec = tiny(compression="none")
    twice = codec.at(2)
    assert (twice.times, twice.spec, codec.times) == (2, ResizeSpec(s=4, r=4), 1)
    assert twice.encoder is codec.encoder
    assert twice.decoder is codec.decoder
    assert twice.training is codec.training is False
    high = torch.rand(1, 3, 16, 16)
    low = codec.encode(codec.encode(high))
    torch.testing.assert_close(twice.encode(high), low)
    rounded = twice.with_compression(Uint8())
    assert rounded.encoder is codec.encoder
    out = rounded(high)
    assert torch.equal(out.low, Uint8()(twice.encode(high)))
    assert torch.equal(out.restored, codec.decode(codec.decode(out.low)))
    assert torch.equal(out.guide, guides.bicubic(twice.spec)(high)), "the guide is that of the entire resize"


def test_replaced_codec_trains_the_shared_weights() -> None:
    codec, before = tiny(), tiny().digest
    twin = codec.with_compression(Float())
    assert codec.digest == twin.digest == before
    twin(torch.rand(1, 3, 8, 8)).restored.sum().backward()
    torch.optim.SGD(twin.parameters(), lr=0.1).step()
    assert codec.digest == twin.digest != before


def test_round_rounds_only_in_eval_mode() -> None:
    x = torch.tensor([0.1234, 1.5])
    assert torch.equal(Round().train()(x), x)
    assert torch.equal(Round().eval()(x), Uint8()(x))
    assert torch.equal(Uint8().train()(x), Uint8().eval()(x))
    assert Float()(x) is x


def test_device_is_that_of_the_weights_or_cpu_without_any() -> None:
    assert tiny().to("meta").device.type == "meta"
    without = Codec(
        step=ResizeSpec(s=2, r=2),
        low_channels=3,
        encoder=None,
        decoder=nn.Upsample(scale_factor=2),
        guide=guides.bicubic,
        compression=Uint8(),
    )
    assert without.device.type == "cpu"
    assert halo(without) > 0
    assert without.up(without.down(PIXELS)).shape == PIXELS.shape


def test_halo_is_the_receptive_field_summed_over_steps() -> None:
    codec = tiny()  # one block: 2 + 2 + 1 + 1 cells per step
    assert halo(codec) == 6
    assert halo(codec.at(2)) == 9
    assert halo(codec.at(3)) == 11  # 10.5


def test_receptive_field_is_measured_once_for_shared_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = tiny()
    measured = halo(codec.at(3))
    monkeypatch.setattr("resizekit.codec.tiling.receptive_field", lambda *_: pytest.fail("measured before"))
    assert halo(codec.at(3)) == measured
    assert halo(codec) == halo(codec.at(1)) == 6


def test_too_many_steps_are_refused() -> None:
    assert tiny().at(19).spec.s == 2**19
    with pytest.raises(UsageError, match="become too large; use at most 19"):
        tiny().at(20)


@pytest.mark.parametrize("times", [1, 3])
def test_single_steps_together_equal_the_entire_codec(times: int) -> None:
    codec = tiny(compression="none").at(times)
    high = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    floats = high * SCALE
    between = high
    for i in range(times):
        between = codec.encode_step(between, i)
    assert torch.equal(between, codec.down_tensor(floats))
    low = torch.randint(0, 256, (1, 3, 4, 4), dtype=torch.uint8)
    between = low
    for i in range(times):
        between = codec.decode_step(between, i)
    assert torch.equal(ops.to_uint8(between), codec.up_codes(low))


# --- tools of PyTorch -------------------------------------------------------------------------


def test_export_returns_the_same_values() -> None:
    codec, high = tiny(), torch.rand(1, 3, 8, 12)
    program = torch.export.export(codec, (high,)).module()
    with torch.no_grad():
        for exported, eager in zip(program(high), codec(high), strict=True):
            torch.testing.assert_close(exported, eager, rtol=0, atol=1e-6)


@pytest.mark.parametrize("task", ["sr", "colorize"])
def test_compiled_codec_is_one_graph_with_the_same_values(task: str) -> None:
    torch.compiler.reset()
    codec, high = resizekit.build(task, network={"width": 8, "blocks": 1}), torch.rand(1, 3, 8, 12)
    compiled = torch.compile(codec, backend="eager", fullgraph=True)
    for fast, eager in zip(compiled(high), codec(high), strict=True):
        torch.testing.assert_close(fast, eager, rtol=0, atol=1e-6)


# --- refused inputs ---------------------------------------------------------------------------


def test_sizes_and_channels_that_do_not_fit_are_refused() -> None:
    codec = tiny()
    with pytest.raises(ResizeShapeError, match=r"\(3, 9, 12\).*crop it to \(3, 8, 12\)"):
        codec.down_tensor(torch.rand(1, 3, 9, 12))
    with pytest.raises(ResizeShapeError, match="low has 1 channels; this codec takes 3"):
        codec.up(PIXELS[:, :, 0])
    with pytest.raises(ResizeShapeError, match=r"crop it to \(3, 2, 4\)"):
        tiny(spec={"s": "3/2"}).up_tensor(torch.rand(1, 3, 3, 4))
    with pytest.raises(ImageError, match="uint8"):
        codec.down(PIXELS.astype(np.float32))


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_down_refuses_other_numbers_of_channels(channels: int) -> None:
    with pytest.raises(ResizeShapeError, match=f"{channels}.*3"):
        tiny().down(torch.rand(1, channels, 8, 8))


def test_invalid_times_are_refused() -> None:
    with pytest.raises(UsageError, match="times=0: expected an integer of 1 or more"):
        tiny().at(0)
    deep = Codec(
        step=ResizeSpec(t=3),
        low_channels=1,
        encoder=None,
        decoder=nn.Conv2d(1, 3, 1),
        guide=guides.channel_mean,
        compression=Float(),
    )
    with pytest.raises(UsageError, match="t=3 changes the channels"):
        deep.at(2)


# --- uint8 to uint8 -----------------------------------------------------------------------


def random_uint8(codec: Codec) -> torch.Tensor:
    shape = (2, 8 * codec.step.s.numerator, 6 * codec.step.r.numerator, codec.channels)
    return torch.randint(0, 256, shape, dtype=torch.uint8).permute(0, 3, 1, 2)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"channels": 1},
        {"spec": {"s": 3}},
        {"spec": {"s": "3/2", "r": 2}},
        {"compression": "round"},
    ],
    ids=str,
)
def test_uint8_input_gives_the_values_of_float_input(config: dict[str, object]) -> None:
    codec = tiny(**config)
    stored = random_uint8(codec)
    with torch.no_grad():
        low = codec.down_codes(stored)
        assert low.dtype == torch.uint8
        assert torch.equal(low.float() * SCALE, codec.down_tensor(stored.float() * SCALE))
        restored = codec.up_codes(low)
        assert torch.equal(restored, ops.to_uint8(codec.up_tensor(low.float() * SCALE)))
        assert restored.shape == stored.shape


def test_uint8_input_works_with_repeated_steps_and_any_module() -> None:
    twice = tiny().at(2)
    stored = torch.randint(0, 256, (1, 3, 16, 16), dtype=torch.uint8)
    plain = Codec(
        step=ResizeSpec(s=2, r=2),
        low_channels=3,
        encoder=nn.AvgPool2d(2),
        decoder=nn.Upsample(scale_factor=2),
        guide=guides.lanczos,
        compression=Uint8(),
    )
    for codec in (twice, plain, plain.at(2), twice.with_compression(Round()).eval()):
        with torch.no_grad():
            low = codec.down_codes(stored)
            assert torch.equal(low, ops.to_uint8(codec.down_tensor(stored.float() * SCALE)))
            assert torch.equal(codec.up_codes(low), ops.to_uint8(codec.up_tensor(low.float() * SCALE)))


def test_training_accepts_uint8_input() -> None:
    codec = tiny().train()
    stored = random_uint8(codec)
    for from_uint8, from_float in zip(codec(stored), codec(stored.float() * SCALE), strict=True):
        torch.testing.assert_close(from_uint8, from_float, rtol=0, atol=1e-6)
    codec(stored).restored.sum().backward()
    assert codec.encoder.tail.weight.grad.ne(0).any()


def test_values_that_8_bits_cannot_hold_are_refused() -> None:
    codec = tiny(compression="none")
    for run in (lambda: codec.down_codes(random_uint8(codec)), lambda: codec.down(PIXELS)):
        with pytest.raises(UsageError, match="'none' produces values that an 8-bit file cannot hold"):
            run()
    with pytest.raises(ResizeShapeError, match="low has 1 channels"):
        codec.up_codes(torch.zeros(1, 1, 4, 4, dtype=torch.uint8))


def test_guide_is_computed_once_in_forward() -> None:
    codec, seen = tiny(), []
    made = codec.step_guide
    codec.step_guide = lambda high: seen.append(high) or made(high)
    codec.guide = None
    high = torch.rand(1, 3, 8, 8)
    assert torch.equal(codec(high).guide, made(high))
    assert len(seen) == 1


@pytest.mark.parametrize("network", ["tad", "wavelet", "invertible"])
def test_compiled_training_step_is_one_graph(network):
    """A training step on a GPU is then one CUDA graph; each graph break would wait for the host."""
    codec = resizekit.build("sr", network=network).train()
    compiled = torch.compile(codec, backend="eager", fullgraph=True)
    crops = torch.randint(0, 256, (1, 3, 16, 16), dtype=torch.uint8)
    torch.testing.assert_close(tuple(compiled(crops)), tuple(codec(crops)))


def test_up_codes_restores_8_bits_from_16() -> None:
    codec = resizekit.load("sr-x2-fast").with_compression("uint16")
    low = codec.down_codes(torch.randint(0, 256, (1, 3, 16, 24), dtype=torch.uint8))
    assert low.dtype == torch.uint16
    restored = codec.up_tensor(ops.uint16_to_float(low))
    assert torch.equal(codec.up_codes(low, torch.uint8), ops.to_uint8(restored))
    assert torch.equal(codec.up_codes(low), ops.to_uint16(restored))
