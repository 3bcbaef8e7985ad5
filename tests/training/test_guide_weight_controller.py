"""The guide weight controller: direction and speed of its changes, and the losses that it supports."""

import pytest
import torch

from resizekit.codec import Resized
from resizekit.errors import ConfigError
from resizekit.losses import Guided
from resizekit.training.guide_weight_controller import GuideWeightController


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
    assert GuideWeightController.low_error(out).item() == pytest.approx(0.01)


def test_loss_gets_the_weight_and_keeps_its_norms():
    loss = GuideWeightController(40.0, weight=3.0).apply_to(Guided(0.1, "rms", "l2"))
    assert isinstance(loss, Guided)
    assert (loss.restoration, loss.guide, float(loss.weight)) == ("rms", "l2", pytest.approx(3.0))


def test_loss_without_a_weight_is_refused():
    with pytest.raises(ConfigError, match=r"target_low_psnr adjusts the guide weight, but the loss .* has none"):
        GuideWeightController(40.0, weight=1.0).apply_to(lambda out, high: out.low.sum())
