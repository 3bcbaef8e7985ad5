"""Refinement: a higher effort is never worse, low stays near its guide, and nothing else changes."""

import copy
import threading
from io import BytesIO

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from resizekit import Codec, ResizeSpec, build, guides, load
from resizekit.codec.refine import Effort, refine, refine_pixels
from resizekit.codec.refine import objective as objective_module
from resizekit.codec.refine.objective import Objective, guide_of
from resizekit.codec.refine.pixels import squared_error
from resizekit.codec.tiling import tiled_encode
from resizekit.codec.traits import Traits
from resizekit.evaluation.measure import measure
from resizekit.nn import to_float
from resizekit.ops import lossless_bits, quantize
from resizekit.storage.compressions import CompressionModule, Round, Uint8, Uint16
from resizekit.storage.jpeg import Jpeg, JpegOptions

WEIGHTS = ["sr-x2-fast", "sr-x4-fast", "sr-x4-y", "colorize", "thumb-grey-x2", "sr-x2-jpeg75"]


def psnr(a, b):
    return float(-10 * (to_float(a) - to_float(b)).square().mean(dtype=torch.float64).log10())


def qualities(codec, high, efforts):
    """PSNR of restored and low at each effort, measured with what `up` and a file give."""
    guide = guide_of(codec, high)
    for effort in efforts:
        low = codec.read_back(codec.down_codes(high, effort=effort))
        yield psnr(codec.up_codes(low, high.dtype), high), psnr(low, guide)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", WEIGHTS)
def test_effort_is_never_worse_than_a_lower_one(crop_for, name, precision, monkeypatch):
    monkeypatch.setattr(objective_module, "pick_precision", lambda *_: precision)
    codec = load(name)
    high = crop_for(codec)
    restored, low = zip(*qualities(codec, high, (0, 1, 2, 3)), strict=True)
    assert list(restored) == sorted(restored)
    assert restored[2] > restored[0] + (0.1 if codec.storage.format == "JPEG" else 0.2)
    assert min(low) > low[0] - 0.1


def test_effort_4_gains_over_3_by_flips_and_annealing(crop_for):
    codec = load("sr-x2-fast")
    (third, _), (fourth, low) = qualities(codec, crop_for(codec, 160), (3, 4))
    assert fourth > third + 0.005
    assert low > next(qualities(codec, crop_for(codec, 160), (0,)))[1] - 0.1


@pytest.mark.parametrize("times", [1, 3])
def test_effort_works_through_repeated_steps(crop_for, times):
    codec = load("extreme").at(times)
    restored, low = zip(*qualities(codec, crop_for(codec, 128), (0, 2)), strict=True)
    assert restored[1] > restored[0] + 0.2
    assert low[1] > low[0] - 0.1


@settings(max_examples=12)
@given(
    seed=st.integers(0, 99),
    spec=st.sampled_from(
        [ResizeSpec(s=2, r=2), ResizeSpec(s=3, r=1), ResizeSpec(s=2, r=2, t=3), ResizeSpec(s="3/2", r="3/2")]
    ),
    compression=st.sampled_from([Uint8(), Round(), Uint16(), Jpeg(JpegOptions())]),
    size=st.sampled_from([(12, 18), (6, 24)]),
)
def test_effort_holds_its_promises_for_every_codec(seed, spec, compression, size):
    torch.manual_seed(seed)
    low_channels = 1 if spec.t == 3 else 3
    codec = Codec(
        step=spec,
        low_channels=low_channels,
        encoder=None,
        decoder=Blurred(spec, low_channels),
        guide=guides.luma if spec.t == 3 else guides.bicubic,
        compression=compression,
    ).eval()
    high = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    low = to_float(guide_of(codec, high)) + 0.02 * torch.randn(2, low_channels, *spec.low_shape((3, *size))[1:])
    objective = Objective(codec, high, low.clamp(0, 1))
    before = objective.score(low.clamp(0, 1))
    for effort in (1, 3):
        after = objective.score(refine(codec, high, low.clamp(0, 1), effort=effort))
        assert (after.cost <= before.cost).all(), "in each picture of the batch"
        assert (after.excess == 0).all()
        before = after


class Blurred(nn.Module):
    """A decoder with a few random weights."""

    def __init__(self, spec, low_channels):
        super().__init__()
        self.spec = spec
        self.mix = nn.Conv2d(low_channels, 3, 3, padding=1)

    def forward(self, low):
        size = [int(n * f) for n, f in zip(low.shape[2:], (self.spec.s, self.spec.r), strict=True)]
        return torch.sigmoid(self.mix(nn.functional.interpolate(low, size, mode="bilinear")))


@pytest.mark.parametrize("target", [37.0, 45.0])
def test_target_low_psnr_sets_the_distance_to_the_guide(crop_for, target):
    codec = load("sr-x2-fast")
    high = crop_for(codec)
    (restored, low), (free, freer_low) = qualities(codec, high, (2, Effort(2, target_low_psnr=target)))
    assert freer_low >= target
    assert (free > restored) == (target < low), "more freedom restores better"


def test_down_takes_effort_for_every_kind_of_image(crop_for):
    codec = load("sr-x2-fast")
    high = crop_for(codec, 32)
    array = high[0].permute(1, 2, 0).contiguous().numpy()
    low = codec.down(array, effort=1)
    assert np.array_equal(low, codec.down_pixels(array, effort=1))
    assert not np.array_equal(low, codec.down(array))
    assert np.array_equal(np.asarray(codec.down(PIL.Image.fromarray(array), effort=1)), low)
    floats = codec.down(to_float(high), effort=1)
    assert floats.dtype == torch.float32
    assert torch.equal(floats, to_float(codec.to_stored(floats))), "values that a file holds"
    deep = codec.with_compression("uint16")
    assert deep.down(array.astype(np.uint16) * 257, effort=1).dtype == np.uint16


def test_refinement_is_deterministic_and_changes_no_codec(crop_for):
    codec = load("sr-x2-fast")
    high, before = crop_for(codec, 32), copy.deepcopy(codec.state_dict())
    first = codec.down_codes(high, effort=3)
    with torch.inference_mode():
        assert torch.equal(codec.down_codes(high, effort=3), first)
    assert all(torch.equal(value, before[name]) for name, value in codec.state_dict().items())
    trainable = build("sr", network={"width": 8, "blocks": 1}).eval()
    trainable.down_codes(high, effort=1)
    assert all(p.requires_grad and p.grad is None for p in trainable.parameters())


def test_hidden_pixels_have_no_gradient(crop_for):
    codec = load("sr-x2-fast")
    high = crop_for(codec, 128)
    weight = torch.ones(1, 1, 128, 128)
    weight[..., 64:] = 0
    low = to_float(codec.down_codes(high))
    gradient = Objective(codec, high, low, weight=weight).evaluate(low).gradient
    assert gradient[..., 48:].abs().max() == 0
    assert gradient[..., :16].abs().max() > 0


def test_low_that_must_equal_its_guide_stays(crop_for):
    codec = load("tad-grey")
    high = crop_for(codec, 32)
    assert torch.equal(codec.down_codes(high, effort=2), codec.down_codes(high))
    assert not torch.equal(codec.down_codes(high, effort=Effort(2, target_low_psnr=40)), codec.down_codes(high))


class Softened(CompressionModule):
    """A compression that changes values when it is applied twice."""

    def forward(self, low):
        return quantize(0.98 * low + 0.01)


def test_effort_keeps_its_promises_where_compressing_twice_changes_values(crop_for):
    codec = load("sr-x2-fast").with_compression(Softened())
    restored, low = zip(*qualities(codec, crop_for(codec), (0, 1, 2)), strict=True)
    assert list(restored) == sorted(restored)
    assert restored[2] > restored[0] + 0.1
    assert min(low) > low[0] - 0.1


@pytest.mark.parametrize("target", [45.0, 90.0])
def test_targets_above_effort_0_are_reached(crop_for, target):
    codec = load("sr-x2-fast")
    high = crop_for(codec)
    (first, low), (second, _) = qualities(codec, high, [Effort(n, target_low_psnr=target) for n in (1, 2)])
    assert low >= target
    assert second >= first


def test_low_keeps_its_psnr_against_matlab_at_hard_edges():
    pixels = np.full((64, 64, 3), 255, np.uint8)
    pixels[10:50:7], pixels[:, 20:40] = 0, (200, 0, 0)
    codec = load("sr-x2-fast")
    plain, refined = (measure(codec, pixels, effort=n)["low_rgb"] for n in (0, 2))
    assert refined > plain - 0.1


class InPlace(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner, self.lock = inner, threading.Lock()

    def forward(self, low):
        return self.inner(low.mul_(2) / 2)


def test_decoders_that_work_in_place_or_cannot_be_copied_are_refined(crop_for):
    codec = load("sr-x2-fast")
    high = crop_for(codec)
    (before,) = qualities(codec, high, (1,))
    codec.decoder, codec.traits = InPlace(codec.decoder).eval(), Traits(encoder=codec.traits.encoder)
    (after,) = qualities(codec, high, (1,))
    assert after == pytest.approx(before, abs=0.02)


def lossless_size(codes):
    file = BytesIO()
    PIL.Image.fromarray(codes[0].permute(1, 2, 0).numpy()).save(file, "WEBP", lossless=True, quality=100)
    return file.tell()


def test_smaller_spends_a_part_of_the_gain_on_bytes(crop_for):
    codec = load("sr-x4-fast")
    high = crop_for(codec, 256)
    lows = [
        codec.down_codes(high, effort=effort) for effort in (0, 2, Effort(1, smaller=True), Effort(2, smaller=True))
    ]
    plain, refined, first, second = (psnr(codec.up_codes(low), high) for low in lows)
    assert plain < second < refined
    assert plain <= first
    assert lossless_size(lows[3]) < 0.98 * lossless_size(lows[0]) < lossless_size(lows[1])


def test_smaller_works_in_tiles(crop_for):
    codec = load("sr-x4-fast")
    high = np.ascontiguousarray(crop_for(codec, 256)[0].permute(1, 2, 0).numpy())
    start = tiled_encode(codec, high)
    lows = [refine_pixels(codec, high, start, Effort(1, smaller=smaller), tile=64) for smaller in (False, True)]
    before = codec.down_pixels(high)
    bits = [float(lossless_bits(to_float(torch.from_numpy(x).permute(2, 0, 1)[None]))) for x in (before, *lows)]
    errors = [squared_error(codec.up_pixels(x, high.dtype), high) for x in (before, *lows)]
    assert bits[2] < 0.99 * min(bits[:2])
    assert errors[1] < errors[2] <= errors[0]
