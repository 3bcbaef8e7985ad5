"""Guides and the loss of Equation 4, compared with numbers computed by hand."""

import pytest
import torch

from resizekit import Resized, ResizeSpec, TaskConfig, guides, losses, ops
from resizekit.errors import ConfigError, ResizeShapeError
from resizekit.losses import Guided, guided

HIGH = torch.tensor([0.0, 0.2, 0.4, 0.6]).reshape(1, 1, 2, 2)
OUT = Resized(low=torch.tensor([[[[0.5]]]]), guide=torch.tensor([[[[0.3]]]]), restored=HIGH + torch.tensor([0.1, -0.3]))
# |restored - high| alternates between 0.1 and 0.3; |low - guide| is 0.2


@pytest.mark.parametrize(
    ("config", "value"),
    [
        ({}, 0.2 + 0.1 * 0.2),
        ({"guide_weight": 5}, 0.2 + 5 * 0.2),
        ({"guide_weight": 0}, 0.2),
        ({"guide_loss": "l2"}, 0.2 + 0.1 * 0.04),
        ({"restoration_loss": "l2"}, 0.05 + 0.1 * 0.2),
        ({"restoration_loss": "l2", "guide_loss": "l2", "guide_weight": 2}, 0.05 + 2 * 0.04),
    ],
)
def test_guided_loss_is_equation_4(config: dict[str, object], value: float) -> None:
    loss = losses.guided(ResizeSpec(s=2, r=2), TaskConfig(**config))
    assert loss(OUT, HIGH).item() == pytest.approx(value, rel=1e-6)


def test_guided_with_default_norms_equals_the_papers_loss() -> None:
    spec, config = ResizeSpec(s=2, r=2), TaskConfig()
    assert torch.equal(losses.guided(spec, config)(OUT, HIGH), losses.guided_l1(spec, config)(OUT, HIGH))
    assert losses.guided_l1(spec, TaskConfig(guide_loss="l2"))(OUT, HIGH).item() == pytest.approx(0.22)


def test_luma_weighs_the_three_colours() -> None:
    red, green, blue = torch.eye(3).reshape(3, 3, 1, 1)
    guide = guides.luma(ResizeSpec(t=3))
    weights = [guide(colour[None]).item() for colour in (red, green, blue)]
    assert weights == pytest.approx([0.299, 0.587, 0.114])
    assert guide(torch.ones(1, 3, 1, 1)).item() == pytest.approx(1)


def test_luma_may_also_scale_space() -> None:
    high = torch.rand(1, 3, 6, 8)
    spec = ResizeSpec(s=2, r=2)
    grey = guides.luma(ResizeSpec(t=3))(high)
    assert torch.equal(guides.luma(spec * ResizeSpec(t=3))(high), guides.bicubic(spec)(grey))


def test_channel_mean_folds_groups() -> None:
    high = torch.arange(6.0).reshape(1, 6, 1, 1)  # (t c) with t = 3, c = 2
    assert guides.channel_mean(ResizeSpec(t=3))(high).flatten().tolist() == [2.0, 3.0]


@pytest.mark.parametrize("kernel", ["bicubic", "lanczos"])
def test_spatial_guides_are_the_ops(kernel: str) -> None:
    high, spec = torch.rand(1, 2, 9, 8), ResizeSpec(s="3/2", r=2)
    wanted = ops.resample(high, (6, 4), scale=(spec.s, spec.r), kernel=kernel)
    assert torch.equal(getattr(guides, kernel)(spec)(high), wanted)


def test_identity_is_the_picture_itself() -> None:
    assert guides.bicubic(ResizeSpec())(HIGH) is HIGH


def test_channels_that_no_guide_can_fold() -> None:
    with pytest.raises(ResizeShapeError, match="use channel_mean"):
        guides.luma(ResizeSpec(t=2))
    with pytest.raises(ResizeShapeError, match="use a whole t"):
        guides.bicubic(ResizeSpec(t="3/2"))(torch.zeros(1, 3, 2, 2))


def test_stored_bicubic_is_that_of_matlab() -> None:
    high = torch.randint(0, 256, (1, 3, 12, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    guide = guides.bicubic(ResizeSpec(s=2, r=4))
    assert guide.as_stored(high, 8).equal(ops.resample_uint8(high, (6, 4)))
    assert guide.as_stored(high / 255, 8).dtype == torch.uint8
    assert guide.as_stored(high, 16).dtype == torch.uint16
    grey = guides.luma(ResizeSpec(t=3))
    assert grey.as_stored(high, 8).equal(ops.to_uint8(grey(high / 255)))


def test_luma_term_measures_luma_alone():
    high = torch.zeros(1, 3, 2, 2)
    low = torch.zeros(1, 3, 1, 1)
    red = Resized(low=low, guide=low, restored=high + torch.tensor([0.5, 0, 0]).view(1, 3, 1, 1))
    assert Guided(weight=0)(red, high).item() == pytest.approx(0.5 / 3)
    assert Guided(weight=0, luma_weight=2)(red, high).item() == pytest.approx(0.5 / 3 + 2 * 0.5 * 0.299)
    config = TaskConfig(luma_weight=2.0)
    assert guided(ResizeSpec(s=2, r=2), config).luma_weight == 2
    with pytest.raises(ConfigError, match="luma_weight needs pictures of 3 channels, not 1: remove it"):
        guided(ResizeSpec(s=2, r=2), TaskConfig(luma_weight=2.0, channels=1))


def test_psnr_norm_is_the_mean_of_decibels():
    high = torch.zeros(2, 1, 2, 2)
    restored = high + torch.tensor([0.1, 0.01]).view(2, 1, 1, 1)
    out = Resized(low=high, guide=high, restored=restored)
    assert Guided(weight=0, restoration="psnr")(out, high).item() == pytest.approx(-(20 + 38.86) / 2, abs=0.02)


def test_rate_term_in_octaves_weighs_each_picture_equally():
    x = torch.zeros(2, 3, 4, 4)
    out = Resized(low=x, guide=x, restored=x)
    bits = torch.tensor([1.0, 0.25])
    octaves = [Guided(0, rate_weight=0.5, rate_scale="log2", bits=lambda low, k=k: bits * k)(out, x) for k in (1, 2)]
    assert octaves[0].item() == pytest.approx(0.5 * (0 - 2) / 2, abs=0.02)
    assert (octaves[1] - octaves[0]).item() == pytest.approx(0.5, abs=0.02)


def test_rate_term_takes_the_bits_of_the_loss():
    x = torch.zeros(2, 3, 4, 4)
    out = Resized(low=x, guide=x, restored=x)
    loss = Guided(weight=0, rate_weight=0.5, bits=lambda low: torch.tensor([1.0, 3.0]))
    assert loss(out, x).item() == pytest.approx(0.5 * 2)
