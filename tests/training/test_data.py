"""Reading training pictures: order, channels, and a reason for each skipped file."""

import numpy as np
import pytest
from PIL import Image

from resizekit.errors import ConfigError, ImageError
from resizekit.evaluation.metrics import luma
from resizekit.training.data import load_pictures


@pytest.fixture
def mixed(tmp_path):
    colour = np.random.default_rng(1).integers(0, 256, (9, 7, 3), np.uint8)
    Image.fromarray(colour).save(tmp_path / "b.png")
    Image.fromarray(colour[:, :, 0]).save(tmp_path / "a.png")
    (tmp_path / "deep").mkdir()
    Image.fromarray(colour[:5, :5]).save(tmp_path / "deep" / "c.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "b.png").read_bytes()[:60])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path, colour


def test_pictures_are_sorted_by_name_and_have_three_channels(mixed):
    folder, colour = mixed
    pictures = load_pictures([folder], 3).pictures
    assert [p.shape for p in pictures] == [(9, 7, 3), (9, 7, 3), (5, 5, 3)]
    assert np.array_equal(pictures[0], colour[:, :, :1].repeat(3, 2))  # grey, repeated three times
    assert np.array_equal(pictures[1], colour)


def test_one_channel_is_the_luma_of_colour_or_grey_unchanged(mixed):
    folder, colour = mixed
    grey, colour_luma, _ = load_pictures([folder], 1).pictures
    assert np.array_equal(grey[:, :, 0], colour[:, :, 0])
    assert np.array_equal(colour_luma[:, :, 0], luma(colour))


def test_broken_and_small_pictures_are_skipped_by_name(mixed):
    folder, _ = mixed
    loaded = load_pictures([folder], 3, smallest=6)
    assert len(loaded.pictures) == 2
    assert [line.split()[0].removeprefix(f"{folder}/") for line in loaded.skipped] == [
        "broken.png", "deep/c.png", "empty.jpg",
    ]  # fmt: skip
    assert "is 5x5: each side needs at least 6 pixels" in loaded.skipped[1]
    assert all("\n" not in line for line in loaded.skipped)


def test_folder_without_usable_pictures_is_refused_with_a_reason(mixed, tmp_path):
    folder, _ = mixed
    with pytest.raises(ConfigError, match=r"no usable picture .* \(5 skipped, for example: .*a\.png is 7x9"):
        load_pictures([folder], 3, smallest=100)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ConfigError, match=r"no usable picture in .*empty"):
        load_pictures([empty], 3)
    with pytest.raises(ConfigError, match=r"no training pictures: set train\.data .* --data"):
        load_pictures([], 3)
    with pytest.raises(ImageError, match="no file or folder"):
        load_pictures([tmp_path / "absent"], 3)
    with pytest.raises(ConfigError, match="and these weights take 4"):
        load_pictures([folder], 4)
