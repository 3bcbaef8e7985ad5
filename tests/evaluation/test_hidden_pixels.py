"""Pixels with alpha 0 count nowhere: not in figures, not in training, and not for the effort."""

import numpy as np
import PIL.Image
import pytest

import resizekit
from resizekit.evaluation.channels import read_for_evaluation
from resizekit.evaluation.folder import evaluate_folder
from resizekit.evaluation.measure import measure
from resizekit.evaluation.metrics import psnr
from resizekit.showcase.roundtrip import roundtrip_file
from resizekit.training.data import load_pictures

MAGENTA = 255, 0, 255


@pytest.fixture(scope="module")
def codec():
    return resizekit.load("sr-x2-fast")


@pytest.fixture
def visible():
    """A smooth picture, and an alpha whose left half hides it."""
    rows, columns = np.mgrid[:32, :48]
    pixels = np.stack((80 + 2 * rows, 60 + 3 * columns, 90 + rows + columns), 2).astype(np.uint8)
    alpha = np.where(columns < 24, 0, 255).astype(np.uint8)
    return pixels, alpha


def save(path, pixels, alpha, hidden):
    colours = np.where(alpha[:, :, None] > 0, pixels, np.array(hidden, np.uint8))
    PIL.Image.fromarray(np.dstack((colours, alpha))).save(path)
    return path


def test_weighted_psnr_counts_each_pixel_by_its_alpha():
    a, b = np.zeros((1, 2, 3), np.uint8), np.array([[[10] * 3, [20] * 3]], np.uint8)
    weight = np.array([[255, 51]], np.uint8)
    assert psnr(a, b, weight=weight) == pytest.approx(10 * np.log10(255**2 / ((100 * 5 + 400) / 6)))
    assert psnr(a, b, weight=np.array([[1, 1]], np.uint8)) == pytest.approx(psnr(a, b))
    assert psnr(a, b, weight=np.array([[0, 0]], np.uint8)) == np.inf
    assert psnr(a[:, :, 0], b[:, :, 0], weight=weight) == pytest.approx(psnr(a, b, weight=weight))


def test_hidden_colours_change_no_figure(tmp_path, codec, visible):
    pixels, alpha = visible
    results = []
    for i, hidden in enumerate((MAGENTA, (0, 0, 0))):
        path = save(tmp_path / f"{i}.png", pixels, alpha, hidden)
        results.append(evaluate_folder(codec, path).mean)
    assert results[0] == results[1]
    assert results[0]["high_rgb"] > 36


def test_evaluate_and_roundtrip_agree(tmp_path, codec, visible):
    path = save(tmp_path / "x.png", *visible, MAGENTA)
    by_folder = evaluate_folder(codec, path).mean
    by_file = roundtrip_file(path, tmp_path / "out", weights=codec)
    assert by_file.restored_rgb == pytest.approx(by_folder["high_rgb"], abs=0.01)
    assert by_file.small_rgb == pytest.approx(by_folder["low_rgb"], abs=0.01)
    assert by_file.bicubic_rgb == pytest.approx(by_folder["bicubic_rgb"], abs=0.01)


def test_effort_ignores_hidden_pixels(tmp_path, codec, visible):
    path = save(tmp_path / "x.png", *visible, MAGENTA)
    high, alpha = read_for_evaluation(codec, path)
    plain = measure(codec, high, alpha=alpha)["high_rgb"]
    assert measure(codec, high, alpha=alpha, effort=1)["high_rgb"] >= plain


def test_training_never_reads_hidden_colours(tmp_path, visible):
    path = save(tmp_path / "x.png", *visible, MAGENTA)
    (picture,) = load_pictures([path], 3).pictures
    assert not (picture == np.array(MAGENTA, np.uint8)).all(2).any()
    assert np.array_equal(picture[:, 24:], visible[0][:, 24:])


def test_opaque_alpha_is_no_alpha(tmp_path, visible):
    pixels, alpha = visible
    path = tmp_path / "x.png"
    PIL.Image.fromarray(np.dstack((pixels, np.full_like(alpha, 255)))).save(path)
    resizekit.down_file(path, tmp_path / "small.jpg", weights="sr-x2-jpeg75")
    resizekit.down_file(path, tmp_path / "small.png", weights="sr-x2-fast")
    resizekit.up_file(tmp_path / "small.png", tmp_path / "back.png")
    with PIL.Image.open(tmp_path / "back.png") as back:
        assert back.mode == "RGB"
