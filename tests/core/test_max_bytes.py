"""A limit on the size of the small file: the search, the files that it leads to, and requests that are refused."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import resizekit
from resizekit.errors import UsageError
from resizekit.evaluation.full_size import against_full_size
from resizekit.evaluation.metrics import psnr
from resizekit.images.files import down_file, plan_file, up_file
from resizekit.images.max_bytes import MaxBytes, best_to_bytes, largest_quality
from resizekit.images.pipeline import up_picture
from resizekit.images.run_options import RunOptions
from resizekit.images.small_files import read_small
from resizekit.pictures.io.read import read_picture
from resizekit.spec import HW
from resizekit.storage.formats import Storage

ASTRONAUT = Path(__file__).parents[2] / "examples" / "astronaut.png"
REPLACE = RunOptions(overwrite=True)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Save weights for each lossy format, under the name of the compression."""
    folder = tmp_path_factory.mktemp("weights")
    for name in ("avif", "webp-lossy", "jpeg"):
        torch.manual_seed(0)
        resizekit.save(
            resizekit.build("sr", compression=name, network={"width": 8, "blocks": 1}), folder / f"{name}.safetensors"
        )
    return folder


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    with PIL.Image.open(ASTRONAUT) as image:
        image.crop((130, 10, 361, 200)).save(path)
    return path


@given(
    sizes=st.lists(st.integers(1, 60), min_size=101, max_size=101).map(lambda steps: np.cumsum(steps).tolist()),
    limit=st.integers(1, 4000),
)
def test_search_finds_the_best_quality_in_seven_encodes(sizes, limit):
    calls = []
    found = largest_quality(lambda quality: calls.append(quality) or sizes[quality], range(101), limit)
    best = max((quality for quality in range(101) if sizes[quality] <= limit), default=None)
    assert len(calls) <= 7
    assert found == best or 0.98 * limit <= sizes[found] <= limit


@pytest.mark.parametrize(("name", "suffix"), [("avif", ".avif"), ("webp-lossy", ".webp"), ("jpeg", ".jpg")])
@pytest.mark.parametrize("limit", [3000, 6000])
def test_file_is_the_largest_that_fits(weights, photo, tmp_path, monkeypatch, name, suffix, limit):
    encodes = []
    original = Storage.encode
    monkeypatch.setattr(Storage, "encode", lambda self, low: encodes.append(low.shape) or original(self, low))
    chosen, small = weights / f"{name}.safetensors", tmp_path / f"small{suffix}"
    manifest = down_file(photo, small, weights=chosen, max_bytes=limit)
    size = small.stat().st_size
    assert 0.9 * limit <= size <= limit  # AVIF has 64 qualities, about 7 % apart
    assert sum(shape[0] > 1 for shape in encodes) <= 7
    assert read_small(small)[1] == manifest
    assert up_file(small, tmp_path / "restored.png", weights=chosen).size == (231, 190)


def test_file_has_the_bytes_of_codec_at_that_quality(weights, photo, tmp_path):
    codec = resizekit.load(weights / "jpeg.safetensors")
    manifest = down_file(photo, tmp_path / "small.jpg", weights=codec, max_bytes=5000)
    same = [q for q in codec.compression.qualities if _down(codec.at_quality(q), photo, tmp_path) == manifest]
    assert len(same) == 1


def _down(codec, photo, folder):
    return down_file(photo, folder / "again.jpg", weights=codec, options=REPLACE)


def test_manifest_and_profile_count(weights, photo, tmp_path):
    with PIL.Image.open(photo) as image:
        image.save(tmp_path / "profile.png", icc_profile=bytes(16) + b"RGB " + bytes(3000))
    for source in (photo, tmp_path / "profile.png"):
        down_file(source, tmp_path / "small.jpg", weights=weights / "jpeg.safetensors", max_bytes=7000, options=REPLACE)
        assert 6600 <= (tmp_path / "small.jpg").stat().st_size <= 7000
    with pytest.raises(UsageError, match="at the lowest quality"):
        down_file(source, tmp_path / "x.jpg", weights=weights / "jpeg.safetensors", max_bytes=3000)


def test_effort_stays_within_the_limit_and_is_not_worse(weights, photo, tmp_path):
    chosen, high = weights / "webp-lossy.safetensors", read_picture(photo).pixels
    results: list[float] = []
    gains: list[float] = []
    options = RunOptions(overwrite=True, on_gain=gains.append)
    for effort in (0, 1):
        down_file(photo, tmp_path / "s.webp", weights=chosen, max_bytes=4000, effort=effort, options=options)
        up_file(tmp_path / "s.webp", tmp_path / "r.png", weights=chosen, options=REPLACE)
        assert (tmp_path / "s.webp").stat().st_size <= 4000
        results.append(psnr(read_picture(tmp_path / "r.png").pixels, high))
    assert results[1] >= results[0]
    assert gains[-1] == pytest.approx(results[1] - results[0], abs=1e-6)


def test_best_of_several_weights_is_taken(weights, photo):
    high, good = read_picture(photo), resizekit.load("sr-x2-jpeg75")
    poor = resizekit.load(weights / "jpeg.safetensors")
    for order in ([poor, good], [good, poor]):
        codec, small, manifest = best_to_bytes(order, high, 6000)
        assert manifest.weights == "sr-x2-jpeg75"
        assert codec.digest == good.digest
        assert best_to_bytes(order, high, 6000, effort=1)[2].weights == "sr-x2-jpeg75"
    with pytest.raises(UsageError, match="too few"):
        best_to_bytes([poor, good], high, 300)
    assert up_picture(codec, small, manifest).hw == high.hw


def test_comparison_with_the_full_size_file(weights, photo, tmp_path):
    chosen, small = weights / "jpeg.safetensors", tmp_path / "small.jpg"
    down_file(photo, small, weights=chosen, max_bytes=6000)
    up_file(small, tmp_path / "restored.png", weights=chosen)
    found, high = against_full_size(photo, small, weights=chosen), read_picture(photo).pixels
    assert (found.format, found.small_bytes) == ("JPEG", small.stat().st_size)
    assert found.restored_psnr == psnr(read_picture(tmp_path / "restored.png").pixels, high)
    qualities = {}
    for quality in range(1, 101):
        PIL.Image.fromarray(high).save(
            tmp_path / "full.jpg", quality=quality, subsampling="4:2:0", optimize=True, progressive=True
        )
        qualities[(tmp_path / "full.jpg").stat().st_size] = psnr(read_picture(tmp_path / "full.jpg").pixels, high)
    assert 0.9 * found.small_bytes <= found.full_size_bytes <= found.small_bytes
    assert found.full_size_psnr == qualities[found.full_size_bytes]
    assert found.full_size_is_better == (found.full_size_psnr > found.restored_psnr)
    assert found.lines()[1].endswith("use it instead") == found.full_size_is_better
    assert found.lines()[1].endswith("the small file is better") != found.full_size_is_better


def test_comparison_of_grey_and_of_pictures_that_the_format_cannot_hold(weights, tmp_path):
    grey, deep = np.arange(40 * 48, dtype=np.uint16).reshape(40, 48) // 8, tmp_path / "deep.npy"
    PIL.Image.fromarray(grey.astype(np.uint8)).save(tmp_path / "grey.png")
    down_file(tmp_path / "grey.png", tmp_path / "grey.avif", weights=weights / "avif.safetensors", max_bytes=3000)
    found = against_full_size(tmp_path / "grey.png", tmp_path / "grey.avif", weights=weights / "avif.safetensors")
    assert found.full_size_psnr > 20
    np.save(deep, np.random.default_rng(0).random((40, 48, 3), np.float32))
    options = {"weights": weights / "jpeg.safetensors", "value_range": (0.0, 1.0)}
    down_file(deep, tmp_path / "deep.jpg", max_bytes=3000, **options)
    assert against_full_size(deep, tmp_path / "deep.jpg", **options) is None


def test_plan_chooses_the_weights_that_the_file_would_get(photo, tmp_path):
    for suffix in (".jpg", ".png"):
        _, name, _ = plan_file(photo, f"x{suffix}", task="sr")
        assert down_file(photo, tmp_path / f"x{suffix}", task="sr").weights == name
    with pytest.raises(UsageError, match="stores PNG without loss"):
        plan_file(photo, "x.png", task="sr", has_quality=True)


def test_limits_in_bits_per_pixel():
    assert MaxBytes(bpp=0.25).of(HW(10, 20)) == 6
    assert MaxBytes(np.int64(77)).of(HW(10, 20)) == 77


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"count": 5, "bpp": 1.0},
        {"count": 0},
        {"count": True},
        {"count": 5.0},
        {"count": "5"},
        {"bpp": 0.0},
        {"bpp": float("nan")},
        {"bpp": 1e308},
    ],
    ids=str,
)
def test_invalid_limits_are_refused(arguments):
    with pytest.raises(UsageError):
        MaxBytes(**arguments)


def test_refusals_name_the_smallest_file_and_the_way_out(weights, photo, tmp_path):
    with pytest.raises(UsageError, match=r"300 bytes are too few for a small AVIF .* at the lowest quality it has"):
        down_file(photo, tmp_path / "x.avif", weights=weights / "avif.safetensors", max_bytes=300)
    with pytest.raises(UsageError, match=r"'sr-x2' stores PNG without loss: use lossy weights, or another"):
        down_file(photo, tmp_path / "x.png", task="sr", max_bytes=3000)
    PIL.Image.new("RGBA", (20, 20), (9, 9, 9, 9)).save(tmp_path / "clear.png")
    with pytest.raises(UsageError, match="cannot hold transparency"):
        down_file(tmp_path / "clear.png", tmp_path / "x.avif", weights=weights / "avif.safetensors", max_bytes=3000)
    assert not list(tmp_path.glob("x.*"))


def test_quality_outside_of_the_format_is_refused(weights):
    codec = resizekit.load(weights / "jpeg.safetensors")
    assert codec.at_quality(30).recipe.compression["quality"] == 30
    for quality in (True, 50.0, "50"):
        with pytest.raises(UsageError, match="expected an integer from 1 to 100"):
            codec.at_quality(quality)
    assert codec.at_quality(np.int64(30)).recipe == codec.at_quality(30).recipe
    with pytest.raises(UsageError, match="quality 0: expected an integer from 1 to 100"):
        codec.at_quality(0)
    with pytest.raises(UsageError, match="compression 'uint8' has no quality"):
        codec.with_compression("uint8").at_quality(50)
