"""AVIF and lossy WebP as compressions: real files, steps that fit them, several qualities, and the estimated bits."""

from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

import resizekit
from resizekit.errors import ConfigError, MissingExtraError
from resizekit.ops import to_uint8
from resizekit.ops.quantize import SCALE
from resizekit.storage.block_coded import to_ycc
from resizekit.storage.jpeg import Jpeg, JpegOptions
from resizekit.storage.video import Avif, AvifOptions, WebpLossy, WebpLossyOptions, avif

ASTRONAUT = Path(__file__).parents[2] / "examples" / "astronaut.png"
AVIF = {"format": "AVIF", "speed": 6, "subsampling": "4:2:0", "max_threads": 1}
WEBP = {"format": "WEBP", "method": 6}


def photo(size=96, batch=1):
    with PIL.Image.open(ASTRONAUT) as image:
        array = np.asarray(image.convert("RGB"))
    crops = [array[60 * k : 60 * k + size, 150 : 150 + size] for k in range(batch)]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2) * SCALE


def by_pillow(low, **options):
    """Write and read one image with Pillow directly: the values, and the bytes of the file."""
    file = BytesIO()
    PIL.Image.fromarray(to_uint8(low)[0].permute(1, 2, 0).numpy()).save(file, **options)
    with PIL.Image.open(file) as image:
        read = torch.from_numpy(np.array(image.convert("RGB")))
    return read.permute(2, 0, 1)[None] * SCALE, file.tell()


def make(form, quality):
    return Avif(AvifOptions(quality=quality)) if form is AVIF else WebpLossy(WebpLossyOptions(quality=quality))


@pytest.mark.parametrize("form", [AVIF, WEBP], ids=["avif", "webp"])
@pytest.mark.parametrize("size", [(1, 1), (17, 40)], ids=str)
def test_low_in_use_is_read_back_from_one_file_per_image(form, size):
    low = photo(batch=2)[:, :, : size[0], : size[1]]
    got = make(form, 40).eval()(low)
    assert torch.equal(got, torch.cat([by_pillow(x[None], quality=40, **form)[0] for x in low]))


@pytest.mark.parametrize("form", [AVIF, WEBP], ids=["avif", "webp"])
def test_low_in_training_is_read_back_from_one_wide_file(form):
    low = photo(30, batch=3).requires_grad_()
    got = make(form, 40).train()(low)
    padded = torch.nn.functional.pad(low.detach(), (0, 2, 0, 2), mode="replicate")
    wide, _ = by_pillow(torch.cat(list(padded), 2)[None], quality=40, **form)
    assert torch.equal(got, torch.cat([x[:, :, :30, :30] for x in wide.split(32, 3)]))
    got.sum().backward()
    assert low.grad.isfinite().all()


@pytest.mark.parametrize("form", [AVIF, WEBP], ids=["avif", "webp"])
@pytest.mark.parametrize("quality", [25, 50, 75])
def test_smooth_loses_about_as_much_as_the_format(form, quality):
    """On a photograph, which the calibration does not know: luma and colour within 2 dB."""
    module, low = make(form, quality), photo(128)
    read, smooth = (to_ycc(x) - to_ycc(low) for x in (module.eval()(low), module.smooth(low)))
    for plane in (slice(0, 1), slice(1, 3)):
        ratio = (smooth[:, plane].square().mean() / read[:, plane].square().mean()).item()
        assert 0.63 < ratio < 1.58


@pytest.mark.parametrize("form", [AVIF, WEBP], ids=["avif", "webp"])
def test_gradient_descent_through_the_file_reduces_the_loss(form):
    module, expected = make(form, 60), photo(64)
    low = torch.full_like(expected, 0.5).requires_grad_()
    losses = []
    for _ in range(20):
        loss = (module(low) - expected).square().sum()
        (slope,) = torch.autograd.grad(loss, low)
        low = (low - 0.2 * slope).detach().requires_grad_()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]


@pytest.mark.parametrize("form", [AVIF, WEBP], ids=["avif", "webp"])
def test_bits_rank_crops_like_real_files(form):
    crops = [photo(384)[:, :, y : y + 96, x : x + 96] for y in (0, 96, 192, 288) for x in (0, 96, 192, 288)]
    module = make(form, 50).eval()
    bits = torch.tensor([module.bits(module(x)).item() for x in crops])
    sizes = torch.tensor([float(by_pillow(x, quality=50, **form)[1]) for x in crops])
    ranks = torch.stack([values.argsort().argsort().float() for values in (bits, sizes)])
    assert torch.corrcoef(ranks)[0, 1] > 0.95


def test_bits_of_known_blocks():
    """With 4:4:4 and quality 100, all steps of a JPEG are 1: one frequency of 7 steps needs log2(8) bits."""
    module = Jpeg(JpegOptions(quality=100, subsampling="4:4:4"))
    flat = torch.full((1, 1, 8, 16), 128 / 255)
    cosine = torch.cos((2 * torch.arange(8) + 1) * torch.pi / 16) / 2 * 8**-0.5
    assert module.bits(flat).item() == 0
    wave = torch.cat((flat[..., :8] + 7 / 255 * cosine, flat[..., 8:]), 3)
    assert module.bits(wave).item() == pytest.approx(3 / 128, abs=1e-4)
    both = flat.expand(2, 1, 8, 16) + torch.tensor([0, 1]).view(2, 1, 1, 1) * 3 / 8 / 255  # a mean of 3 steps
    assert module.bits(both).tolist() == pytest.approx([0, 2 / 128], abs=1e-4)
    assert module.bits(torch.rand(0, 3, 8, 8)).shape == (0,)


def test_frequencies_below_half_a_step_have_a_gradient():
    """Otherwise training would bring them into the file, where they cost more than they gain."""
    low = photo(32).requires_grad_()
    module = make(AVIF, 10)
    small = (0.5 + 0.02 * (low - 0.5)).clamp(0, 1)  # no frequency but the means survives the rounding
    assert (module.smooth(small.detach()) - module.smooth(small.detach()).mean((2, 3), keepdim=True)).abs().max() < 0.02
    (slope,) = torch.autograd.grad(module.bits(small).sum(), low)
    assert slope.abs().mean() > 0


def test_training_divides_a_batch_among_its_qualities():
    module, low = avif(AvifOptions(quality=40, training_qualities=(10, 80))), photo(32, batch=4)
    coarse, fine = make(AVIF, 10).train(), make(AVIF, 80).train()
    assert torch.equal(module.train()(low), torch.cat((coarse(low[:2]), fine(low[2:]))))
    assert torch.equal(module(low / 2, low / 2), module(low))
    assert torch.equal(module(low[:1]), coarse(low[:1]))
    assert torch.equal(module.eval()(low), make(AVIF, 40).eval()(low))
    assert torch.equal(module.bits(low), make(AVIF, 40).bits(low))


def test_training_takes_batches_of_any_length():
    module = make(WEBP, 40).train()
    assert module(torch.zeros(0, 3, 16, 16)).shape == (0, 3, 16, 16)
    many = torch.rand(1, 3, 2, 16, generator=torch.Generator().manual_seed(0)).expand(1100, 3, 2, 16)
    assert module(many).shape == many.shape  # one file would be wider than a WebP can be


def test_coarse_quality_gives_up_more_error_for_a_bit():
    module, low = avif(AvifOptions(quality=40, training_qualities=(10, 80))).train(), photo(32, batch=2)
    forms = [make(AVIF, quality) for quality in (10, 80)]
    steps = [form.steps[0][0] / make(AVIF, 40).steps[0][0] for form in forms]
    assert steps[0] > 1 > steps[1]
    expected = [form.bits(x[None]) * step for form, x, step in zip(forms, low, steps, strict=True)]
    assert torch.allclose(module.bits(low), torch.cat(expected))


def test_codec_keeps_its_qualities_in_a_copy():
    options = {"name": "avif", "quality": 30, "training_qualities": [20, 40]}
    codec = resizekit.build("sr", compression=options, network={"width": 4, "blocks": 0})
    assert codec.recipe.compression["training_qualities"] == [20, 40]
    assert codec.at(1).storage.options["quality"] == 30


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"name": "avif", "quality": 101}, "quality = 101"),
        ({"name": "webp-lossy", "training_qualities": [50, -1]}, "training_qualities.1 = -1"),
        ({"name": "webp-lossy", "subsampling": "4:4:4"}, "known keys: quality, training_qualities"),
    ],
)
def test_invalid_options_are_refused(options, text):
    with pytest.raises(ConfigError) as refusal:
        resizekit.build("sr", compression=options)
    assert text in str(refusal.value)


def test_grey_is_refused_for_both_formats():
    for name in ("avif", "webp-lossy"):
        with pytest.raises(ConfigError, match="stores 3 channel"):
            resizekit.build("sr", compression=name, channels=1)


def test_pillow_without_the_format_is_one_line(monkeypatch):
    monkeypatch.setattr("PIL.features.check", lambda name: False)
    with pytest.raises(MissingExtraError, match="built without AVIF: install an official wheel of Pillow"):
        make(AVIF, 50)
