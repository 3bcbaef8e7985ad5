"""The side-by-side sheet: the same place in all panels, at every size."""

import numpy as np
import pytest

from resizekit.showcase.panels import side_by_side


def coded(h, w):
    """Make a picture whose colours encode their positions."""
    rows, columns = np.indices((h, w)) // 2
    return np.stack([rows, columns, rows * 0], 2).astype(np.uint8)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (399, 499), (250, 90)])
def test_side_by_side_shows_the_largest_error(row, column):
    original = coded(400, 500)
    baseline = original.copy()
    baseline[5:8, 300:303] += 20  # a small loss elsewhere
    top, left = min(row, 396), min(column, 496)
    baseline[top : top + 4, left : left + 4] ^= 255
    sheet = side_by_side(original, baseline, original, original[::2, ::2])
    assert sheet.shape == (28 + 480, 4 * 480 + 3 * 8, 3)
    panels = [sheet[28:, i * 488 : i * 488 + 480] for i in range(4)]
    first = panels[0][::3, ::3]
    assert (first == original[row, column]).all(2).any()
    assert np.array_equal(panels[0], first.repeat(3, 0).repeat(3, 1))  # enlarged without smoothing
    assert np.array_equal(panels[3], panels[0])  # restored here equals the original
    assert not np.array_equal(panels[1], panels[0])
    # the small picture shows the same place: its colours are those of the first panel
    assert set(map(tuple, panels[2].reshape(-1, 3))) <= set(map(tuple, panels[0].reshape(-1, 3)))


@pytest.mark.parametrize(("h", "w", "channels"), [(1, 1, 3), (2, 3, 1), (1, 300, 3), (170, 5, 1), (161, 161, 1)])
def test_side_by_side_of_tiny_narrow_and_grey_pictures(h, w, channels):
    picture = np.arange(h * w * channels, dtype=np.uint64).astype(np.uint8).reshape(h, w, channels)
    sheet = side_by_side(picture, picture[::-1], picture, picture[: -(-h // 2), : -(-w // 2)])
    assert sheet.shape == (28 + 3 * min(160, h), 4 * 3 * min(160, w) + 3 * 8, 3)
    assert sheet.dtype == np.uint8


def test_side_by_side_of_a_small_picture_with_other_channels():
    grey = np.full((8, 8, 1), 50, np.uint8)
    sheet = side_by_side(grey, grey, grey, np.full((4, 4, 3), (1, 2, 3), np.uint8))
    assert sheet[40, 2 * 32 + 5].tolist() == [1, 2, 3]
