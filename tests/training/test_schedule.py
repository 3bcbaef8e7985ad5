"""Stages and learning rates are functions of the step."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resizekit import Stage, StageMixture, build
from resizekit.errors import ConfigError
from resizekit.recipes.config import Phase, TrainConfig
from resizekit.training.schedule import StepSettings, rate, segments

CODEC = build("sr", network={"width": 1, "blocks": 0})


def stages(*shares):
    return [Stage(codec=CODEC, share=share) for share in shares]


def part(lr=None):
    return StepSettings(Stage(codec=CODEC, lr=lr), patch=64, batch=8, restoration_loss=None)


def only(leg):
    assert len(leg.parts) == 1
    return leg.parts[0]


def plain(stages, steps):
    return segments(stages, TrainConfig(), steps)


@given(shares=st.lists(st.floats(0.001, 1000), min_size=1, max_size=6), steps=st.integers(1, 100_000))
def test_legs_cover_every_step_once_and_in_order(shares, steps):
    plan = plain(stages(*shares), steps)
    assert plan[0].first == 0
    assert plan[-1].end == steps
    assert all(one.end == other.first for one, other in itertools.pairwise(plan))
    assert all(leg.end > leg.first for leg in plan)
    for leg in plan:  # each as long as its share says, to a step
        assert abs(leg.end - leg.first - steps * only(leg).stage.share / sum(shares)) <= 1 or len(plan) < len(shares)


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
    plan = segments(stages(1), config, 100)
    assert [leg.end for leg in plan] == [75, 100]
    small, large = (only(leg) for leg in plan)
    assert (small.patch, small.batch, small.restoration_loss) == (32, 8, None)
    assert (large.patch, large.batch, large.restoration_loss) == (96, 4, "rms")


def test_stages_and_phases_cross_and_a_stage_has_its_own_way():
    config = TrainConfig(phases=[Phase(share=1, patch=32), Phase(share=1, patch=96)])
    curriculum = [Stage(codec=CODEC, share=0.25), Stage(codec=CODEC, share=0.75, patch=128, batch=2)]
    assert [(leg.first, leg.end, only(leg).patch, only(leg).batch) for leg in segments(curriculum, config, 100)] == [
        (0, 25, 32, 8),
        (25, 50, 128, 2),
        (50, 100, 128, 2),
    ]


def test_larger_crops_are_fewer_so_that_a_step_costs_the_same():
    config = TrainConfig(batch=8, patch=64)
    curriculum = [Stage(codec=CODEC, enlarge=2), Stage(codec=CODEC, enlarge=4)]
    assert [(only(leg).patch, only(leg).batch) for leg in segments(curriculum, config, 100)] == [(128, 2), (256, 1)]


def test_a_mixture_is_one_leg_that_draws_each_step_by_the_shares():
    parts = (Stage(codec=CODEC, share=3), Stage(codec=CODEC, share=1, patch=32), Stage(codec=CODEC, share=0))
    first, mixed = plain([Stage(codec=CODEC), StageMixture(stages=parts, share=3)], 100)
    assert (first.end, mixed.first, mixed.end) == (25, 25, 100)
    assert [part.patch for part in mixed.parts] == [64, 32], "what is never drawn is no part"
    drawn = [mixed.drawn(0, step) for step in range(4000)]
    assert drawn.count(0) / 4000 == pytest.approx(0.75, abs=0.02)
    assert drawn == [mixed.drawn(0, step) for step in range(4000)], "a function of seed and step"
    assert drawn != [mixed.drawn(1, step) for step in range(4000)]


def test_a_mixture_without_a_positive_share_is_refused():
    with pytest.raises(ConfigError, match="a mixture of the task's curriculum has no stage with a positive share"):
        plain([StageMixture(stages=(Stage(codec=CODEC, share=0),))], 10)


def test_warm_up_is_linear_and_ends_at_the_peak():
    config = TrainConfig(warmup=4, lr=8.0, schedule="constant")
    assert [rate(step, config, part(), 100) for step in range(6)] == [2, 4, 6, 8, 8, 8]
    assert rate(0, TrainConfig(lr=8.0, warmup=0, schedule="constant"), part(), 100) == 8


def test_cosine_falls_from_the_peak_to_a_hundredth():
    config = TrainConfig(warmup=0, lr=1.0)
    rates = [rate(step, config, part(), 1000) for step in range(1001)]
    assert rates[0] == 1
    assert rates[500] == pytest.approx(0.505)
    assert rates[1000] == pytest.approx(0.01)
    assert rates == sorted(rates, reverse=True)


def test_a_trapezoid_holds_its_peak_and_falls_in_the_last_quarter():
    config = TrainConfig(warmup=0, lr=1.0, schedule="trapezoid")
    rates = [rate(step, config, part(), 1000) for step in (0, 750, 875, 1000)]
    assert rates == pytest.approx([1, 1, 0.505, 0.01])


def test_a_stage_may_have_its_own_peak():
    config = TrainConfig(warmup=0, lr=1.0)
    assert rate(300, config, part(lr=0.5), 1000) == rate(300, config, part(), 1000) / 2


@given(step=st.integers(0, 999), warmup=st.integers(0, 2000))
def test_rates_are_positive_and_never_above_the_peak(step, warmup):
    config = TrainConfig(warmup=warmup, lr=0.5)
    assert 0 < rate(step, config, part(), 1000) <= 0.5
