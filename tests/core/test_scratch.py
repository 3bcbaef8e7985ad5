"""Arrays in temporary files: values, parts, and when memory is used instead."""

import numpy as np
import pytest

from resizekit.system.scratch import Scratch, bands, build, contiguous, empty, is_on_disk, loaded, release, scratch


@pytest.fixture
def on_disk(tmp_path):
    """Arrays above 4 kB go to files."""
    with scratch(Scratch(tmp_path, 4000)):
        yield tmp_path


def test_arrays_in_files_keep_their_values_when_released(on_disk):
    array = empty((1000, 7), np.uint16)
    array[:] = np.arange(7000).reshape(1000, 7)
    view = array[::3, ::-1]
    assert is_on_disk(view)
    release(array, view, None, np.zeros(3))
    assert np.array_equal(view, np.arange(7000).reshape(1000, 7)[::3, ::-1])
    assert np.array_equal(contiguous(view), view)


def test_columns_of_an_array_in_a_file_are_loaded_in_parts(on_disk, monkeypatch):
    monkeypatch.setattr("resizekit.system.scratch._LINES", 3)
    array = empty((50, 40, 3), np.uint8)
    array[:] = np.arange(6000).reshape(50, 40, 3) % 251
    for view in (array[:, 5:7], array.swapaxes(0, 1)[2:4], array[::-1, :, 1]):
        assert not is_on_disk(loaded(view))
        assert np.array_equal(loaded(view), view)


def test_small_arrays_stay_in_memory(on_disk):
    assert not is_on_disk(empty((4000,), np.uint8))
    assert is_on_disk(empty((4001,), np.uint8))


def test_bands_cover_all_rows_once(monkeypatch):
    monkeypatch.setattr("resizekit.system.scratch._BAND", 100)
    assert list(bands((7, 25), 2)) == [slice(k, k + 2) if k < 6 else slice(6, 7) for k in (0, 2, 4, 6)]
    starts = build((7, 25), int, lambda rows: np.full((1, 25), rows.start))
    assert starts[:, 3].tolist() == [0, 1, 2, 3, 4, 5, 6]  # a row of 200 bytes is a band
