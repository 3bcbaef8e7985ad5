"""Crops: pure functions of (seed, step), uniform over positions and orientations, shared among processes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from resizekit.errors import ConfigError
from resizekit.training.crops import Crops, PixelBuffer
from resizekit.training.pictures import Pictures

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
NOISE = [RNG.integers(0, 256, (h, w, 3), np.uint8) for h, w in ((20, 30), (24, 24), (16, 40))]


def crops_of(pictures, patch=8, seed=0):
    return Crops(Pictures.of(pictures), patch=patch, seed=seed)


@given(seed=st.integers(0, 2**63 - 1), step=st.integers(0, 2**40), patch=st.integers(1, 20))
def test_crops_from_a_device_equal_those_from_the_host(seed, step, patch):
    pictures = Pictures.of(NOISE)
    host, device = (Crops(source, patch=patch, seed=seed) for source in (pictures, PixelBuffer.of(pictures, CPU)))
    expected, batch = host.batch(step, 5), device.batch(step, 5)
    assert torch.equal(batch, expected)
    assert batch.stride() == expected.stride()


@given(seed=st.integers(0, 2**63 - 1), step=st.integers(0, 2**40))
def test_batch_depends_only_on_seed_and_step(seed, step):
    crops, same = crops_of(NOISE, seed=seed), crops_of(NOISE, seed=seed)
    crops.batch(step + 1, 3)  # earlier calls have no effect
    assert torch.equal(crops.batch(step, 3), same.batch(step, 3))


def test_batch_differs_for_other_seeds_and_steps():
    batches = [crops_of(NOISE, seed=seed).batch(step, 2) for seed in (0, 1) for step in (0, 1)]
    assert len({batch.numpy().tobytes() for batch in batches}) == 4


def test_batch_is_uint8_and_channels_first():
    batch = crops_of(NOISE).batch(0, 3)
    assert batch.shape == (3, 3, 8, 8)
    assert batch.dtype == torch.uint8


def test_crops_lie_inside_a_picture():
    picture = np.arange(100, dtype=np.uint8).reshape(10, 10, 1)
    for step in range(50):
        crop = crops_of([picture], patch=4).batch(step, 1)[0, 0].int()
        rows, columns = crop // 10, crop % 10
        assert len(rows.unique()) == len(columns.unique()) == 4
        assert int(rows.max() - rows.min()) == int(columns.max() - columns.min()) == 3


def test_crops_show_exactly_the_eight_symmetries_of_the_square():
    square = np.arange(16, dtype=np.uint8).reshape(4, 4)
    crops = crops_of([square[:, :, None]], patch=4)
    seen = {crop.numpy().tobytes() for crop in crops.batch(0, 100)}
    expected = {np.rot90(side, turns).tobytes() for side in (square, square.T) for turns in range(4)}
    assert seen == expected
    assert len(expected) == 8


def test_crops_come_from_different_pictures_if_there_are_enough():
    uniform = [np.full((12, 12, 1), i, np.uint8) for i in range(6)]
    crops = crops_of(uniform)
    for step in range(20):
        assert len(crops.batch(step, 6).unique()) == 6
    assert crops.batch(0, 20).shape[0] == 20  # more crops than pictures: some are drawn twice


def test_all_positions_are_equally_likely():
    small, large = np.zeros((8, 8, 1), np.uint8), np.full((8, 15, 1), 255, np.uint8)
    crops = crops_of([small, large])
    share = (
        crops.batch(0, 3000).float().mean().item() / 255
    )  # one position in the small picture, eight in the large one
    assert share == pytest.approx(8 / 9, abs=0.02)


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
def test_shares_of_several_processes_form_one_batch(processes):
    crops = crops_of(NOISE)
    batch = crops.batch(7, 12)
    shares = [crops.batch(7, 12, share=(i, processes)) for i in range(processes)]
    assert torch.equal(torch.stack(shares, 1).flatten(0, 1), batch)


def test_pictures_smaller_than_a_crop_are_never_drawn():
    small, large = np.zeros((7, 40, 1), np.uint8), np.ones((8, 8, 1), np.uint8)
    assert crops_of([small, large]).batch(0, 9).min() > 0
    with pytest.raises(ConfigError, match="no picture is large enough for a crop of 9 pixels"):
        crops_of([small, large], patch=9)
