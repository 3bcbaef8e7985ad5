"""The roundtrip of a file: three pictures, and figures that anybody can check on them."""

import math
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from resizekit.errors import ImageError, UsageError
from resizekit.evaluation.measure import bicubic_roundtrip
from resizekit.evaluation.metrics import luma, psnr
from resizekit.images.files import read_small, up_file
from resizekit.showcase.roundtrip import roundtrip_file

NAMES = ["figures.json", "restored.png", "side-by-side.png", "small.png"]


@pytest.fixture
def source(tmp_path, picture):
    path = tmp_path / "source.png"
    Image.fromarray(picture(40, 52)).save(path)
    return path


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_the_figures_are_those_of_the_files(source, weights, codecs, tmp_path):
    out = tmp_path / "deep" / "out"
    figures = roundtrip_file(source, out, weights=weights[3], device="cpu", precision="float32")
    assert sorted(path.name for path in out.iterdir()) == NAMES
    original, small, restored = pixels(source), pixels(out / "small.png"), pixels(out / "restored.png")
    guide, plain = bicubic_roundtrip(codecs[3], original)
    told = figures.as_dict()
    assert told["weights"] == "tiny-3"
    assert told["restored_rgb"] == psnr(restored, original)
    assert told["restored_y"] == psnr(luma(restored), luma(original), border=2)
    assert told["bicubic_rgb"] == psnr(plain, original)
    assert told["bicubic_y"] == psnr(luma(plain), luma(original), border=2)
    assert told["small_rgb"] == psnr(small, guide)
    assert told["small_y"] == psnr(luma(small), luma(guide), border=2)
    assert told["original_bytes"] == source.stat().st_size
    assert told["small_bytes"] == png_size(small) < (out / "small.png").stat().st_size  # without the manifest
    assert told["bicubic_bytes"] == png_size(guide)
    assert [len(row) for row in figures.rows()] == [3] * 6


def png_size(array):
    file = BytesIO()
    Image.fromarray(array).save(file, "png")
    return file.tell()


def test_the_restored_picture_is_what_up_gives(source, weights, tmp_path):
    out = tmp_path / "out"
    roundtrip_file(source, out, weights=weights[3], device="cpu", precision="float32")
    assert read_small(out / "small.png")[1].size == (52, 40)
    up_file(out / "small.png", tmp_path / "up.png", weights=weights[3], device="cpu", precision="float32")
    assert np.array_equal(pixels(tmp_path / "up.png"), pixels(out / "restored.png"))


@pytest.mark.parametrize(
    ("size", "channels", "of_weights"),
    [((1, 1), 3, 3), ((3, 7), 1, 1), ((41, 33), 1, 3), ((5, 90), 3, 3), ((23, 21), 4, 3), ((20, 23), 2, 1)],
    ids=str,
)
def test_any_size_and_mode(picture, weights, tmp_path, size, channels, of_weights):
    source, out = tmp_path / "odd.png", tmp_path / "out"
    array = picture(*size, channels)
    Image.fromarray(array[:, :, 0] if channels == 1 else array).save(source)
    figures = roundtrip_file(source, out, weights=weights[of_weights], device="cpu")
    assert pixels(out / "restored.png").shape == pixels(source).shape
    assert all(not math.isnan(value) for value in figures.as_dict().values() if isinstance(value, float))
    assert figures.restored_rgb > 10


def test_what_exists_is_kept_unless_told_otherwise(source, weights, tmp_path):
    (tmp_path / "restored.png").write_text("mine")
    with pytest.raises(UsageError, match=r"restored\.png exists; pass --overwrite"):
        roundtrip_file(source, tmp_path, weights=weights[3])
    assert (tmp_path / "restored.png").read_text() == "mine"
    assert not (tmp_path / "small.png").exists()
    roundtrip_file(source, tmp_path, weights=weights[3], overwrite=True)
    assert pixels(tmp_path / "restored.png").shape == (40, 52, 3)


def test_bad_input_writes_nothing(source, weights, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ImageError):
        roundtrip_file(tmp_path / "absent.png", out, weights=weights[3])
    with pytest.raises(ImageError, match="these weights take 1: use weights for RGB"):
        roundtrip_file(source, out, weights=weights[1])
    with pytest.raises(UsageError, match="cannot make the folder"):
        roundtrip_file(source, source, weights=weights[3])
    assert list(tmp_path.iterdir()) == [source]


def test_progress_runs_once_from_start_to_end(source, weights, tmp_path):
    seen = []
    roundtrip_file(
        source, tmp_path / "out", weights=weights[3], tile=64, progress=lambda done, of: seen.append(done / of)
    )
    assert seen == sorted(seen)
    assert seen[-1] == 1
