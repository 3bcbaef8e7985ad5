"""Crops: pure functions of (seed, step), fair, turned every way, the same batch however many processes share it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from resizekit.errors import ConfigError
from resizekit.training.data import Crops, PixelBuffer

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
NOISE = [torch.from_numpy(RNG.integers(0, 256, (3, h, w), np.uint8)) for h, w in ((20, 30), (24, 24), (16, 40))]


def crops_of(pictures, patch=8, seed=0):
    return Crops(PixelBuffer.of(pictures, CPU), patch=patch, seed=seed)


@given(seed=st.integers(0, 2**63 - 1), step=st.integers(0, 2**40))
def test_a_batch_depends_on_seed_and_step_alone(seed, step):
    one, other = crops_of(NOISE, seed=seed), crops_of(NOISE, seed=seed)
    one.batch(step + 1, 3)  # what was asked before changes nothing
    assert torch.equal(one.batch(step, 3), other.batch(step, 3))


def test_other_seeds_and_steps_give_other_crops():
    batches = [crops_of(NOISE, seed=seed).batch(step, 2) for seed in (0, 1) for step in (0, 1)]
    assert len({batch.numpy().tobytes() for batch in batches}) == 4


def test_crops_are_codes():
    batch = crops_of(NOISE).batch(0, 3)
    assert batch.shape == (3, 3, 8, 8)
    assert batch.dtype == torch.uint8


def test_crops_lie_inside_a_picture():
    picture = torch.arange(100, dtype=torch.uint8).reshape(1, 10, 10)
    for step in range(50):
        crop = crops_of([picture], patch=4).batch(step, 1)[0, 0].int()
        rows, columns = crop // 10, crop % 10
        assert len(rows.unique()) == len(columns.unique()) == 4
        assert int(rows.max() - rows.min()) == int(columns.max() - columns.min()) == 3


def test_all_eight_symmetries_of_the_square_come_and_nothing_else():
    square = np.arange(16, dtype=np.uint8).reshape(4, 4)
    crops = crops_of([torch.from_numpy(square)[None]], patch=4)
    seen = {crop.numpy().tobytes() for crop in crops.batch(0, 100)}
    wanted = {np.rot90(way, turns).tobytes() for way in (square, square.T) for turns in range(4)}
    assert seen == wanted
    assert len(wanted) == 8


def test_each_crop_is_from_another_picture_where_there_are_enough():
    plain = [torch.full((1, 12, 12), i, dtype=torch.uint8) for i in range(6)]
    crops = crops_of(plain)
    for step in range(20):
        assert len(crops.batch(step, 6).unique()) == 6
    assert crops.batch(0, 20).shape[0] == 20  # more than there are: with repetition


def test_every_place_is_as_likely_as_every_other():
    small, large = torch.zeros(1, 8, 8, dtype=torch.uint8), torch.full((1, 8, 15), 255, dtype=torch.uint8)
    crops = crops_of([small, large])
    share = crops.batch(0, 3000).float().mean().item() / 255  # one place in the small picture, eight in the large one
    assert share == pytest.approx(8 / 9, abs=0.02)


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
def test_the_shares_of_several_processes_are_one_batch(processes):
    crops = crops_of(NOISE)
    whole = crops.batch(7, 12)
    shares = [crops.batch(7, 12, part=(i, processes)) for i in range(processes)]
    assert torch.equal(torch.stack(shares, 1).flatten(0, 1), whole)


def test_pictures_smaller_than_a_crop_are_never_taken():
    small, large = torch.zeros(1, 7, 40, dtype=torch.uint8), torch.ones(1, 8, 8, dtype=torch.uint8)
    assert crops_of([small, large]).batch(0, 9).min() > 0
    with pytest.raises(ConfigError, match="no picture is as large as a crop of 9"):
        crops_of([small, large], patch=9)
