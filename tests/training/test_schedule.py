"""Stages and learning rates are functions of the step."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resizekit import Stage, build
from resizekit.config import Phase, TrainConfig
from resizekit.errors import ConfigError
from resizekit.training.schedule import Leg, legs, rate

CODEC = build("sr", network={"width": 1, "blocks": 0})


def stages(*shares):
    return [Stage(codec=CODEC, share=share) for share in shares]


def leg(lr=None, steps=100):
    return Leg(Stage(codec=CODEC, lr=lr), 0, steps, patch=64, batch=8, restoration_loss=None)


def plain(stages, steps):
    return legs(stages, TrainConfig(), steps)


@given(shares=st.lists(st.floats(0.001, 1000), min_size=1, max_size=6), steps=st.integers(1, 100_000))
def test_legs_cover_every_step_once_and_in_order(shares, steps):
    plan = plain(stages(*shares), steps)
    assert plan[0].first == 0
    assert plan[-1].end == steps
    assert all(one.end == other.first for one, other in itertools.pairwise(plan))
    assert all(leg.end > leg.first for leg in plan)
    for leg in plan:  # each as long as its share says, to a step
        assert abs(leg.end - leg.first - steps * leg.stage.share / sum(shares)) <= 1 or len(plan) < len(shares)


def test_only_the_proportion_of_the_shares_counts():
    def ends(*shares):
        return [leg.end for leg in plain(stages(*shares), 1000)]

    assert ends(1, 3) == ends(0.25, 0.75) == [250, 1000]
    assert ends(1) == [1000]
    assert ends(1, 0, 1) == [500, 1000]


@pytest.mark.parametrize("shares", [(), (0,), (0.0, 0.0)])
def test_a_curriculum_without_a_positive_share_is_refused(shares):
    with pytest.raises(ConfigError, match="no stage with a positive share"):
        plain(stages(*shares), 10)


def test_phases_change_crops_batch_and_norm_at_their_share():
    config = TrainConfig(
        batch=8,
        patch=64,
        phases=[Phase(share=3, patch=32), Phase(share=1, patch=96, batch=4, restoration_loss="rms")],
    )
    small, large = legs(stages(1), config, 100)
    assert (small.end, small.patch, small.batch, small.restoration_loss) == (75, 32, 8, None)
    assert (large.end, large.patch, large.batch, large.restoration_loss) == (100, 96, 4, "rms")


def test_stages_and_phases_cross_and_a_stage_has_its_own_way():
    config = TrainConfig(phases=[Phase(share=1, patch=32), Phase(share=1, patch=96)])
    curriculum = [Stage(codec=CODEC, share=0.25), Stage(codec=CODEC, share=0.75, patch=128, batch=2)]
    assert [(leg.first, leg.end, leg.patch, leg.batch) for leg in legs(curriculum, config, 100)] == [
        (0, 25, 32, 8),
        (25, 50, 128, 2),
        (50, 100, 128, 2),
    ]


def test_warm_up_is_linear_and_ends_at_the_peak():
    config = TrainConfig(warmup=4, lr=8.0, schedule="constant")
    assert [rate(step, config, leg(), 100) for step in range(6)] == [2, 4, 6, 8, 8, 8]
    assert rate(0, TrainConfig(lr=8.0, warmup=0, schedule="constant"), leg(), 100) == 8


def test_cosine_falls_from_the_peak_to_a_hundredth():
    config = TrainConfig(warmup=0, lr=1.0)
    rates = [rate(step, config, leg(), 1000) for step in range(1001)]
    assert rates[0] == 1
    assert rates[500] == pytest.approx(0.505)
    assert rates[1000] == pytest.approx(0.01)
    assert rates == sorted(rates, reverse=True)


def test_a_trapezoid_holds_its_peak_and_falls_in_the_last_quarter():
    config = TrainConfig(warmup=0, lr=1.0, schedule="trapezoid")
    rates = [rate(step, config, leg(), 1000) for step in (0, 750, 875, 1000)]
    assert rates == pytest.approx([1, 1, 0.505, 0.01])


def test_a_stage_may_have_its_own_peak():
    config = TrainConfig(warmup=0, lr=1.0)
    assert rate(300, config, leg(lr=0.5), 1000) == rate(300, config, leg(), 1000) / 2


@given(step=st.integers(0, 999), warmup=st.integers(0, 2000))
def test_rates_are_positive_and_never_above_the_peak(step, warmup):
    config = TrainConfig(warmup=warmup, lr=0.5)
    assert 0 < rate(step, config, leg(), 1000) <= 0.5
