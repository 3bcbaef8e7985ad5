"""The controllers of the loss weights: direction and speed of their changes, and the losses that they support."""

from dataclasses import replace

import pytest
import torch

from resizekit.codec import Resized
from resizekit.errors import ConfigError
from resizekit.losses import Guided, rate
from resizekit.ops import lossless_bits
from resizekit.training.weight_controllers import GuideWeightController, RateWeightController


def error(psnr):
    return torch.tensor(10 ** (-psnr / 10))


@pytest.mark.parametrize(("low", "sign"), [(30.0, 1), (50.0, -1)])
def test_weight_moves_towards_the_target(low, sign):
    controller = GuideWeightController(40.0, weight=2.0)
    for _ in range(100):
        controller.update(error(low))
    moved = controller.log_weight.item() - torch.tensor(2.0).log().item()
    assert moved * sign > 0.02
    assert abs(moved) < 0.31  # at most 0.003 per step


def test_weight_is_stable_at_the_target():
    controller = GuideWeightController(40.0, weight=0.5)
    for _ in range(1000):
        controller.update(error(40.0))
    assert controller.log_weight.exp().item() == pytest.approx(0.5, rel=1e-4)


def test_weight_converges_for_a_system_that_reacts_slowly():
    """Low follows the weight with a delay of hundreds of steps; the weight must not oscillate."""
    controller, psnr = GuideWeightController(38.0, weight=1.0), 60.0
    for _ in range(12_000):
        psnr += (36.0 + 2 * controller.log_weight.item() - psnr) / 300
        controller.update(error(psnr))
    assert psnr == pytest.approx(38.0, abs=0.05)


def test_low_error_is_measured_against_the_guide():
    low = torch.zeros(2, 1, 4, 4)
    out = Resized(low=low, guide=low + 0.1, restored=low)
    assert GuideWeightController.measure(out, Guided(weight=1.0)).item() == pytest.approx(0.01)


def test_loss_gets_the_weight_and_keeps_its_norms():
    loss = GuideWeightController(40.0, weight=3.0).apply_to(Guided(0.1, "rms", "l2"))
    assert isinstance(loss, Guided)
    assert (loss.restoration, loss.guide, float(loss.weight)) == ("rms", "l2", pytest.approx(3.0))


def test_loss_without_a_weight_is_refused():
    with pytest.raises(ConfigError, match=r"target_low_psnr adjusts the guide weight, but the loss .* has none"):
        GuideWeightController(40.0, weight=1.0).apply_to(lambda out, high: out.low.sum())


@pytest.mark.parametrize(("size", "sign"), [(1.2, 1), (0.8, -1)])
def test_rate_weight_moves_towards_the_target(size, sign):
    controller = RateWeightController(1.0, weight=0.01)
    for _ in range(100):
        controller.update(torch.tensor(size))
    moved = controller.log_weight.item() - torch.tensor(0.01).log().item()
    assert moved * sign > 0.02
    assert abs(moved) < 0.31


def test_rate_weight_converges_for_a_system_that_reacts_slowly():
    controller, size = RateWeightController(0.9, weight=0), 1.2
    for _ in range(12_000):
        size += (1.1 - 0.05 * (controller.log_weight.item() + 7) - size) / 300
        controller.update(torch.tensor(size))
    assert size == pytest.approx(0.9, abs=0.002)


def test_rate_is_measured_relative_to_the_guide():
    guide = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    loss = Guided(weight=1.0)
    out = Resized(low=guide.lerp(guide.mean((2, 3), keepdim=True), 0.5), guide=guide, restored=guide)
    assert RateWeightController.measure(out._replace(low=guide), loss).item() == pytest.approx(1)
    assert 0.7 < RateWeightController.measure(out, loss).item() < 0.9
    halved = replace(loss, bits=lambda low: lossless_bits(low - low.mean()) + 1e6)
    assert RateWeightController.measure(out, halved).item() == pytest.approx(1, abs=1e-4)


def test_loss_gets_both_weights():
    loss = GuideWeightController(40.0, weight=3.0).apply_to(Guided(0.1, "rms", "l2", rate_weight=5.0))
    both = RateWeightController(1.0, weight=0.25).apply_to(loss)
    assert isinstance(both, Guided)
    assert (float(both.weight), float(both.rate_weight)) == (pytest.approx(3.0), pytest.approx(0.25))
    with pytest.raises(ConfigError, match="target_rate adjusts the rate weight"):
        RateWeightController(1.0, weight=1.0).apply_to(lambda out, high: out.low.sum())


def test_rate_term_adds_to_the_loss():
    high = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    out = Resized(low=high, guide=high, restored=high + 0.1)
    plain, with_rate = Guided(1.0)(out, high), Guided(1.0, rate_weight=0.01)(out, high)
    assert (with_rate - plain).item() == pytest.approx(0.01 * rate(high).item(), rel=1e-4)
