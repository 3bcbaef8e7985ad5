"""The roundtrip of a file: three pictures, and metrics that can be computed again from them."""

import math
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from resizekit.errors import ImageError, UsageError
from resizekit.evaluation.measure import bicubic_roundtrip
from resizekit.evaluation.metrics import luma, psnr
from resizekit.images.files import up_file
from resizekit.images.run_options import RunOptions
from resizekit.images.small_files import read_small
from resizekit.showcase.roundtrip import roundtrip_file

CPU = RunOptions(device="cpu")
NAMES = ["metrics.json", "restored.png", "side-by-side.png", "small.png"]


@pytest.fixture
def source(tmp_path, picture):
    path = tmp_path / "source.png"
    Image.fromarray(picture(40, 52)).save(path)
    return path


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_metrics_are_those_of_the_files(source, weights, codecs, tmp_path):
    out = tmp_path / "deep" / "out"
    metrics = roundtrip_file(source, out, weights=weights[3], options=CPU)
    assert sorted(path.name for path in out.iterdir()) == NAMES
    original, small, restored = pixels(source), pixels(out / "small.png"), pixels(out / "restored.png")
    guide, baseline = bicubic_roundtrip(codecs[3], original)
    fields = metrics.as_dict()
    assert (fields["weights"], fields["precision"]) == ("tiny-3", "float32")
    assert fields["restored_rgb"] == psnr(restored, original)
    assert fields["restored_y"] == psnr(luma(restored), luma(original), border=2)
    assert fields["bicubic_rgb"] == psnr(baseline, original)
    assert fields["bicubic_y"] == psnr(luma(baseline), luma(original), border=2)
    assert fields["small_rgb"] == psnr(small, guide)
    assert fields["small_y"] == psnr(luma(small), luma(guide), border=2)
    assert fields["original_bytes"] == source.stat().st_size
    assert fields["small_bytes"] == png_size(small) < (out / "small.png").stat().st_size  # without the manifest
    assert fields["bicubic_bytes"] == png_size(guide)
    assert [len(row) for row in metrics.rows()] == [3] * 6


def test_hidden_colours_do_not_count(picture, weights, tmp_path):
    colours, alpha, results = picture(40, 52), np.full((40, 52, 1), 255, np.uint8), []
    alpha[:, 20:] = 0
    for seed in range(2):
        hidden = np.random.default_rng(seed).integers(0, 256, colours.shape, np.uint8)
        path = tmp_path / f"{seed}.png"
        Image.fromarray(np.concatenate((np.where(alpha > 0, colours, hidden), alpha), 2)).save(path)
        results.append(roundtrip_file(path, tmp_path / f"{seed}", weights=weights[3], options=CPU).as_dict())
    names = [f"{kind}_{space}" for kind in ("restored", "bicubic", "small") for space in ("rgb", "y")]
    assert [results[0][name] for name in names] == [results[1][name] for name in names]
    restored = pixels(tmp_path / "0" / "restored.png")[:, :20, :3]
    assert results[0]["restored_rgb"] == psnr(restored, colours[:, :20])


def png_size(array):
    file = BytesIO()
    Image.fromarray(array).save(file, "png")
    return file.tell()


def test_restored_picture_is_the_result_of_up(source, weights, tmp_path):
    out = tmp_path / "out"
    roundtrip_file(source, out, weights=weights[3], options=CPU)
    assert read_small(out / "small.png")[1].size == (52, 40)
    up_file(
        out / "small.png",
        tmp_path / "up.png",
        weights=weights[3],
        options=CPU,
    )
    assert np.array_equal(pixels(tmp_path / "up.png"), pixels(out / "restored.png"))


@pytest.mark.parametrize(
    ("size", "channels", "of_weights"),
    [((1, 1), 3, 3), ((3, 7), 1, 1), ((41, 33), 1, 3), ((5, 90), 3, 3), ((23, 21), 4, 3), ((20, 23), 2, 1)],
    ids=str,
)
def test_roundtrip_of_every_size_and_mode(picture, weights, tmp_path, size, channels, of_weights):
    source, out = tmp_path / "odd.png", tmp_path / "out"
    array = picture(*size, channels)
    Image.fromarray(array[:, :, 0] if channels == 1 else array).save(source)
    metrics = roundtrip_file(source, out, weights=weights[of_weights], options=CPU)
    assert pixels(out / "restored.png").shape == pixels(source).shape
    assert all(not math.isnan(value) for value in metrics.as_dict().values() if isinstance(value, float))
    assert metrics.restored_rgb > 10


def test_roundtrip_overwrites_only_on_request(source, weights, tmp_path):
    (tmp_path / "restored.png").write_text("mine")
    with pytest.raises(UsageError, match=r"restored\.png exists: pass --overwrite"):
        roundtrip_file(source, tmp_path, weights=weights[3])
    assert (tmp_path / "restored.png").read_text() == "mine"
    assert not (tmp_path / "small.png").exists()
    roundtrip_file(source, tmp_path, weights=weights[3], options=RunOptions(overwrite=True))
    assert pixels(tmp_path / "restored.png").shape == (40, 52, 3)


def test_roundtrip_of_bad_input_writes_nothing(source, weights, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ImageError):
        roundtrip_file(tmp_path / "absent.png", out, weights=weights[3])
    with pytest.raises(ImageError, match="these weights take 1: use weights for RGB"):
        roundtrip_file(source, out, weights=weights[1])
    with pytest.raises(UsageError, match="cannot make the folder"):
        roundtrip_file(source, source, weights=weights[3])
    assert list(tmp_path.iterdir()) == [source]


def test_roundtrip_progress_runs_once_from_start_to_end(source, weights, tmp_path):
    seen = []
    roundtrip_file(
        source,
        tmp_path / "out",
        weights=weights[3],
        options=RunOptions(tile=64, progress=lambda done, of: seen.append(done / of)),
    )
    assert seen == sorted(seen)
    assert seen[-1] == 1
