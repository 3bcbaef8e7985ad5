"""The steered guide weight: it moves the right way, at a bounded pace, and only where there is a weight."""

import pytest
import torch

from resizekit.codec import Resized
from resizekit.errors import ConfigError
from resizekit.losses import Guided
from resizekit.training.guide_weight_controller import GuideWeightController


def error(psnr):
    return torch.tensor(10 ** (-psnr / 10))


@pytest.mark.parametrize(("low", "way"), [(30.0, 1), (50.0, -1)])
def test_the_weight_moves_towards_the_target(low, way):
    balance = GuideWeightController(40.0, weight=2.0)
    for _ in range(100):
        balance.update(error(low))
    moved = balance.log_weight.item() - torch.tensor(2.0).log().item()
    assert moved * way > 0.02
    assert abs(moved) < 0.31  # at most 0.003 a step


def test_the_weight_rests_on_the_target():
    balance = GuideWeightController(40.0, weight=0.5)
    for _ in range(1000):
        balance.update(error(40.0))
    assert balance.log_weight.exp().item() == pytest.approx(0.5, rel=1e-4)


def test_it_finds_the_weight_of_a_system_that_answers_slowly():
    """Low follows the weight with a lag of hundreds of steps: no swinging, and there in the end."""
    balance, psnr = GuideWeightController(38.0, weight=1.0), 60.0
    for _ in range(12_000):
        psnr += (36.0 + 2 * balance.log_weight.item() - psnr) / 300
        balance.update(error(psnr))
    assert psnr == pytest.approx(38.0, abs=0.05)


def test_it_measures_low_against_its_guide():
    low = torch.zeros(2, 1, 4, 4)
    out = Resized(low=low, guide=low + 0.1, restored=low)
    assert GuideWeightController.measure(out).item() == pytest.approx(0.01)


def test_a_loss_gets_the_weight_and_keeps_its_norms():
    loss = GuideWeightController(40.0, weight=3.0).weigh(Guided(0.1, "rms", "l2"))
    assert isinstance(loss, Guided)
    assert (loss.restoration, loss.guide, float(loss.weight)) == ("rms", "l2", pytest.approx(3.0))


def test_a_loss_without_a_weight_is_refused():
    with pytest.raises(ConfigError, match="target_low_psnr steers a guide weight"):
        GuideWeightController(40.0, weight=1.0).weigh(lambda out, high: out.low.sum())
