"""The schedule: stages, settings and learning rates as functions of the step."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resizekit import Stage, StageMixture, build
from resizekit.errors import ConfigError
from resizekit.recipes.config import Phase, TrainConfig
from resizekit.training.schedule import StepSettings, learning_rate, segments

CODEC = build("sr", network={"width": 1, "blocks": 0})


def stages(*shares):
    return [Stage(codec=CODEC, share=share) for share in shares]


def settings(lr=None):
    return StepSettings(Stage(codec=CODEC, lr=lr), patch=64, batch=8, restoration_loss=None)


def only(segment):
    assert len(segment.settings) == 1
    return segment.settings[0]


def without_phases(stages, steps):
    return segments(stages, TrainConfig(), steps)


@given(shares=st.lists(st.floats(0.001, 1000), min_size=1, max_size=6), steps=st.integers(1, 100_000))
def test_segments_cover_every_step_once_and_in_order(shares, steps):
    curriculum = stages(*shares)
    plan = without_phases(curriculum, steps)
    assert plan[0].first == 0
    assert plan[-1].end == steps
    assert all(segment.end == following.first for segment, following in itertools.pairwise(plan))
    assert all(segment.end > segment.first for segment in plan)
    lengths = dict.fromkeys(range(len(shares)), 0)
    curriculum_index = {id(stage): i for i, stage in enumerate(curriculum)}
    for segment in plan:
        lengths[curriculum_index[id(only(segment).stage)]] += segment.end - segment.first
    for i, share in enumerate(shares):  # a share that rounds to zero steps has no segment
        assert abs(lengths[i] - steps * share / sum(shares)) <= 1 + 1e-6


def test_segments_depend_only_on_the_proportions_of_the_shares():
    def ends(*shares):
        return [segment.end for segment in without_phases(stages(*shares), 1000)]

    assert ends(1, 3) == ends(0.25, 0.75) == [250, 1000]
    assert ends(1) == [1000]
    assert ends(1, 0, 1) == [500, 1000]


@pytest.mark.parametrize("shares", [(), (0,), (0.0, 0.0)])
def test_curriculum_without_a_positive_share_is_refused(shares):
    with pytest.raises(ConfigError, match="no stage with a positive share"):
        without_phases(stages(*shares), 10)


def test_phases_change_crop_size_batch_and_norm():
    config = TrainConfig(
        batch=8,
        patch=64,
        phases=[Phase(share=3, patch=32), Phase(share=1, patch=96, batch=4, restoration_loss="rms")],
    )
    plan = segments(stages(1), config, 100)
    assert [segment.end for segment in plan] == [75, 100]
    small, large = (only(segment) for segment in plan)
    assert (small.patch, small.batch, small.restoration_loss) == (32, 8, None)
    assert (large.patch, large.batch, large.restoration_loss) == (96, 4, "rms")


def test_stage_settings_take_precedence_over_those_of_a_phase():
    config = TrainConfig(phases=[Phase(share=1, patch=32), Phase(share=1, patch=96)])
    curriculum = [Stage(codec=CODEC, share=0.25), Stage(codec=CODEC, share=0.75, patch=128, batch=2)]
    plan = segments(curriculum, config, 100)
    assert [(segment.first, segment.end, only(segment).patch, only(segment).batch) for segment in plan] == [
        (0, 25, 32, 8),
        (25, 50, 128, 2),
        (50, 100, 128, 2),
    ]


def test_enlarged_crops_are_fewer_so_that_a_step_costs_the_same():
    config = TrainConfig(batch=8, patch=64)
    curriculum = [Stage(codec=CODEC, enlarge=2), Stage(codec=CODEC, enlarge=4)]
    plan = segments(curriculum, config, 100)
    assert [(only(segment).patch, only(segment).batch) for segment in plan] == [(128, 2), (256, 1)]


def test_mixture_is_one_segment_that_draws_by_the_shares():
    mixture = (Stage(codec=CODEC, share=3), Stage(codec=CODEC, share=1, patch=32), Stage(codec=CODEC, share=0))
    first, mixed = without_phases([Stage(codec=CODEC), StageMixture(stages=mixture, share=3)], 100)
    assert (first.end, mixed.first, mixed.end) == (25, 25, 100)
    assert [settings.patch for settings in mixed.settings] == [64, 32], "stages without a share are left out"
    drawn = [mixed.draw(0, step) for step in range(4000)]
    assert drawn.count(0) / 4000 == pytest.approx(0.75, abs=0.02)
    assert drawn == [mixed.draw(0, step) for step in range(4000)], "a function of seed and step"
    assert drawn != [mixed.draw(1, step) for step in range(4000)]


def test_mixture_without_a_positive_share_is_refused():
    with pytest.raises(ConfigError, match="a mixture of the task's curriculum has no stage with a positive share"):
        without_phases([StageMixture(stages=(Stage(codec=CODEC, share=0),))], 10)


def test_warm_up_is_linear_and_ends_at_the_peak():
    config = TrainConfig(warmup=4, lr=8.0, schedule="constant")
    assert [learning_rate(step, config, settings(), 100) for step in range(6)] == [2, 4, 6, 8, 8, 8]
    assert learning_rate(0, TrainConfig(lr=8.0, warmup=0, schedule="constant"), settings(), 100) == 8


def test_cosine_falls_from_the_peak_to_a_hundredth():
    config = TrainConfig(warmup=0, lr=1.0)
    rates = [learning_rate(step, config, settings(), 1000) for step in range(1001)]
    assert rates[0] == 1
    assert rates[500] == pytest.approx(0.505)
    assert rates[1000] == pytest.approx(0.01)
    assert rates == sorted(rates, reverse=True)


def test_trapezoid_falls_only_in_the_last_quarter():
    config = TrainConfig(warmup=0, lr=1.0, schedule="trapezoid")
    rates = [learning_rate(step, config, settings(), 1000) for step in (0, 750, 875, 1000)]
    assert rates == pytest.approx([1, 1, 0.505, 0.01])


def test_stage_can_set_its_own_peak_rate():
    config = TrainConfig(warmup=0, lr=1.0)
    assert learning_rate(300, config, settings(lr=0.5), 1000) == learning_rate(300, config, settings(), 1000) / 2


@given(step=st.integers(0, 999), warmup=st.integers(0, 2000))
def test_rates_are_positive_and_never_above_the_peak(step, warmup):
    config = TrainConfig(warmup=warmup, lr=0.5)
    assert 0 < learning_rate(step, config, settings(), 1000) <= 0.5
