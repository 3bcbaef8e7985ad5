"""Metrics of a folder: means over usable pictures, and a reason for each skipped file."""

import json
from math import inf
from statistics import fmean

import numpy as np
import pytest
from PIL import Image

from resizekit.errors import ImageError
from resizekit.evaluation.folder import evaluate_depths, evaluate_folder
from resizekit.evaluation.measure import measure
from resizekit.evaluation.metrics import luma


@pytest.fixture
def folder(tmp_path, picture):
    """Two colour pictures with the same name, one of odd size; a grey picture; three unusable files."""
    (tmp_path / "deep").mkdir()
    Image.fromarray(picture(24, 32, seed=1)).save(tmp_path / "a.png")
    Image.fromarray(picture(25, 31, seed=2)).save(tmp_path / "deep" / "a.png")
    Image.fromarray(picture(20, 20, 1, seed=3)[:, :, 0]).save(tmp_path / "grey.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    Image.fromarray(picture(1, 40)).save(tmp_path / "line.png")
    Image.fromarray(picture(1, 1)).save(tmp_path / "speck.png")
    return tmp_path


def test_folder_measures_every_picture_and_the_mean(codecs, picture, folder):
    result = evaluate_folder(codecs[3], folder)
    assert result.each == {
        "a.png": measure(codecs[3], picture(24, 32, seed=1)),
        "deep/a.png": measure(codecs[3], np.ascontiguousarray(picture(25, 31, seed=2)[:24, :30])),
        "grey.png": measure(codecs[3], picture(20, 20, 1, seed=3).repeat(3, 2)),
    }
    assert result.pictures == 3
    for key, value in result.mean.items():
        assert value == fmean(row[key] for row in result.each.values())
    assert result.name == folder.name
    assert json.loads(json.dumps(result.as_dict()))["each"] == result.each


def test_folder_lists_skipped_files_with_reasons(codecs, folder):
    skipped = evaluate_folder(codecs[3], folder).skipped
    assert [line.split()[0] for line in skipped] == [str(folder / n) for n in ("broken.png", "line.png", "speck.png")]
    assert all("too small to be measured" in line for line in skipped[1:])


def test_mean_leaves_out_equal_pictures_and_counts_them(codecs, picture, folder):
    def widths(codec, high, alpha):
        return {"some": inf if high.shape[1] == 30 else float(high.shape[1]), "none": inf}

    result = evaluate_folder(codecs[3], folder, measure_with=widths)
    assert result.mean == {"some": 26, "none": inf}
    assert result.equal == {"some": 1, "none": 3}


def test_weights_for_one_channel_are_measured_on_luma(codecs, picture, folder):
    each = evaluate_folder(codecs[1], folder).each
    assert each["a.png"] == measure(codecs[1], luma(picture(24, 32, seed=1))[:, :, None])
    assert each["grey.png"] == measure(codecs[1], picture(20, 20, 1, seed=3))
    assert each["a.png"]["high_rgb"] == pytest.approx(each["a.png"]["high_y"], abs=2)  # the same channel


def test_limit_samples_pictures_evenly(codecs, picture, tmp_path):
    for i in range(6):
        Image.fromarray(picture(12, 12, seed=i)).save(tmp_path / f"{i}.png")
    seen = []
    result = evaluate_folder(codecs[3], tmp_path, limit=3, progress=lambda done, of: seen.append((done, of)))
    assert list(result.each) == ["0.png", "2.png", "4.png"]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert len(evaluate_folder(codecs[3], tmp_path, limit=99).each) == 6


def test_folder_without_usable_pictures_raises_the_first_reason(codecs, tmp_path):
    with pytest.raises(ImageError, match="no usable picture"):
        evaluate_folder(codecs[3], tmp_path)
    (tmp_path / "empty.png").touch()
    with pytest.raises(ImageError, match=r"the first: .*empty\.png is empty"):
        evaluate_folder(codecs[3], tmp_path)


def test_depths_are_measured_and_too_deep_ones_report_an_error(codecs, picture, tmp_path):
    Image.fromarray(picture(24, 40)).save(tmp_path / "a.png")
    seen = []
    result = evaluate_depths(codecs[3], tmp_path, (3, 1, 5), progress=lambda done, of: seen.append(done / of))
    assert list(result) == [3, 1, 5]
    assert result[3] == evaluate_folder(codecs[3].at(3), tmp_path)
    assert result[1] == evaluate_folder(codecs[3], tmp_path)
    assert "too small to be measured" in str(result[5])
    assert seen == [1 / 3, 2 / 3]
    with pytest.raises(ImageError, match="no usable picture"):
        evaluate_depths(codecs[3], tmp_path, (5, 6))
