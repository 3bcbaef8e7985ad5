"""Rate-distortion curves, their comparison, and `resizekit compare`."""

import json
import math
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

import resizekit
from resizekit.errors import ImageError, UsageError
from resizekit.evaluation.compare import RATES, Comparison, compare, lossy_weights
from resizekit.evaluation.curves import Curve, Point, bd_rate, mean_curve, value_at
from resizekit.evaluation.metrics import psnr
from resizekit.evaluation.perceptual import ssimulacra2
from resizekit.evaluation.rate_distortion import bicubic_curve, full_size_curve, small_curve
from resizekit.images.files import down_file, up_file
from resizekit.pictures.io.read import read_picture
from resizekit.spec import ResizeSpec

ASTRONAUT = Path(__file__).parents[2] / "examples" / "astronaut.png"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny-jpeg.safetensors"
    torch.manual_seed(0)
    resizekit.save(resizekit.build("sr", compression="jpeg", network={"width": 8, "blocks": 1}), path)
    return path


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    with PIL.Image.open(ASTRONAUT) as image:
        image.convert("RGB").crop((130, 10, 231, 100)).save(path)
    return path


def curve(name, *points):
    return Curve(name, tuple(Point(*point) for point in points))


def test_bd_rate_of_known_curves():
    anchor = curve("a", (0.1, 30, 30), (0.2, 32, 33), (0.4, 34, 36))
    shifted = curve("b", *((0.75 * bpp, rgb, y) for bpp, rgb, y, *_ in anchor.points))
    assert bd_rate(shifted, anchor) == pytest.approx(-25)
    assert bd_rate(anchor, shifted, "y") == pytest.approx(100 / 3)
    assert bd_rate(anchor, anchor) == pytest.approx(0)
    assert bd_rate(curve("c", (0.1, 40, 40), (0.2, 41, 41)), anchor) is None
    assert bd_rate(curve("d", (0.1, 31, 31)), anchor) is None
    assert bd_rate(shifted, anchor, "perceptual") is None


def test_value_at_a_rate_is_on_a_line_over_the_logarithm():
    known = curve("a", (0.4, 34, 36), (0.1, 30, 30))
    assert value_at(known, 0.2) == pytest.approx(32)
    assert value_at(known, 0.1, "y") == pytest.approx(30)
    assert value_at(known, 0.05) is None
    assert value_at(known, 0.5) is None


def test_perfect_restorations_do_not_spoil_the_bd_rate():
    anchor = curve("a", (0.1, 30, 30), (0.2, 32, 33), (0.4, math.inf, math.inf))
    assert bd_rate(curve("b", (0.05, 30, 30), (0.1, 32, 33), (0.2, math.inf, 40)), anchor) == pytest.approx(-50)


def test_bicubic_rival_has_the_factors_of_the_weights(photo):
    points = bicubic_curve(read_picture(photo).pixels, "jpeg", ResizeSpec(s=1, r=3))
    assert points.name == "bicubic x1x3, JPEG" or "3" in points.name
    assert points.points[0].bpp > bicubic_curve(read_picture(photo).pixels, "jpeg", ResizeSpec(s=3, r=3)).points[0].bpp


def test_mean_curve_averages_points_of_equal_quality():
    mean = mean_curve([curve("a", (0.1, 30, 31), (0.3, 33, 34)), curve("a", (0.3, 32, 33), (0.5, 35, 36))])
    assert mean.points[0] == pytest.approx((0.2, 31, 32, None, None))
    assert mean.points[1] == pytest.approx((0.4, 34, 35, None, None))


def test_full_size_points_are_those_of_pillow(photo, tmp_path):
    high = read_picture(photo).pixels
    points = full_size_curve(high, "jpeg").points
    for point, quality in zip(points, (4, 7, 10, 14, 18, 26, 34, 42, 50, 60, 72, 86), strict=True):
        PIL.Image.fromarray(high).save(
            tmp_path / "x.jpg", quality=quality, subsampling="4:2:0", optimize=True, progressive=True
        )
        assert point.quality == quality
        assert point.bpp == 8 * (tmp_path / "x.jpg").stat().st_size / (90 * 101)
        assert point.rgb == pytest.approx(psnr(read_picture(tmp_path / "x.jpg").pixels, high))


def test_small_points_are_those_of_files_without_their_manifest(photo, weights, tmp_path):
    codec = resizekit.load(weights)
    found = small_curve(codec, read_picture(photo))
    assert (found.name, found.kind) == ("tiny-jpeg", "small")
    for point, quality in ((found.points[2], 10), (found.points[10], 72)):
        down_file(photo, tmp_path / f"{quality}.jpg", weights=codec.at_quality(quality))
        up_file(tmp_path / f"{quality}.jpg", tmp_path / f"{quality}.png", weights=codec)
        with PIL.Image.open(tmp_path / f"{quality}.jpg") as image:
            pixels, manifest = np.array(image), image.info["exif"]
        assert point.rgb == pytest.approx(
            psnr(read_picture(tmp_path / f"{quality}.png").pixels, read_picture(photo).pixels)
        )
        size = (tmp_path / f"{quality}.jpg").stat().st_size
        assert 0 <= size - len(manifest) - point.bpp * 90 * 101 / 8 <= 8
        assert pixels.shape == (45, 51, 3)


def test_exact_weights_have_one_point(photo):
    points = small_curve(resizekit.load("sr-x2-fast"), read_picture(photo)).points
    assert len(points) == 1
    assert points[0].rgb > 30


def test_luma_is_better_than_rgb_where_colour_is_lost(photo):
    points = bicubic_curve(read_picture(photo).pixels, "jpeg", ResizeSpec(s=2, r=2)).points
    assert all(point.y > point.rgb for point in points)
    assert [point.bpp for point in points] == sorted(point.bpp for point in points)


def test_comparison_averages_over_pictures(photo, weights):
    other = photo.with_name("other.png")
    with PIL.Image.open(photo) as image:
        image.convert("L").save(other)
    found = list(compare([photo, other], {"ours": resizekit.load(weights)}))
    comparison = Comparison(tuple(name for name, _ in found), tuple(curves for _, curves in found))
    assert comparison.pictures == ("photo.png", "other.png")
    names = [one.name for one in comparison.means]
    assert names == ["JPEG", "WebP", "AVIF", "AVIF 4:4:4", "bicubic x2, JPEG", "ours"]
    both = [value_at(curves[0], 1.0) for curves in comparison.curves]
    assert comparison.mean_at(0, 1.0) == pytest.approx(sum(both) / 2)
    assert comparison.mean_at(0, 1e-3) is None
    row = comparison.rows()[0]
    assert row.values[RATES.index(1.0)] == comparison.mean_at(0, 1.0)
    assert (row.name, row.bd_rate) == ("JPEG", comparison.mean_bd_rate(0, 2))
    assert comparison.rows()[2].bd_rate is None  # AVIF itself
    assert comparison.mean_bd_rate(0, 2) > 50  # JPEG needs far more bytes than AVIF


def test_perceptual_score_orders_blurred_pictures(photo):
    high = read_picture(photo).pixels
    with PIL.Image.open(photo) as image:
        scores = [ssimulacra2(high, np.asarray(image.reduce(n).resize(image.size))) for n in (1, 2, 4)]
    assert scores[0] == pytest.approx(100)
    assert scores[0] > scores[1] + 10 > scores[2] + 20
    assert ssimulacra2(high[:7], high[:7] // 2) is None


def test_pictures_and_tasks_that_do_not_fit_are_refused(tmp_path, weights):
    PIL.Image.new("RGBA", (20, 20), (9, 9, 9, 9)).save(tmp_path / "clear.png")
    with pytest.raises(ImageError, match="8 bits without transparency: convert it first"):
        next(compare([tmp_path / "clear.png"], {"ours": resizekit.load(weights)}))
    with pytest.raises(ImageError, match="no pictures to compare"):
        next(compare([], {"ours": resizekit.load(weights)}))
    (tmp_path / "broken.png").write_bytes(b"x")
    PIL.Image.new("RGB", (20, 20)).save(tmp_path / "good.png")
    with pytest.raises(ImageError, match=r"broken.png"):
        next(compare([tmp_path / "good.png", tmp_path / "broken.png"], {"ours": resizekit.load(weights)}))
    with pytest.raises(UsageError, match="has no weights that store a lossy format"):
        lossy_weights("colorize")


def test_compare_prints_tables_draws_a_plot_and_writes_json(cli, photo, weights, tmp_path):
    arguments = ("compare", photo, "--weights", weights)
    run = cli(*arguments, "--plot", tmp_path / "curves.svg")
    assert (run.code, run.err) == (0, "")
    rows = [line.split("│")[1].strip() for line in run.out.splitlines() if line.startswith("│")]
    assert rows == ["JPEG", "WebP", "AVIF", "AVIF 4:4:4", "bicubic x2, JPEG", str(weights)] * 2
    assert "tiny-jpeg" in (tmp_path / "curves.svg").read_text()
    data = json.loads(cli(*arguments, "--json").out)
    assert data["pictures"][0]["picture"] == "photo.png"
    assert len(data["mean"]) == 6
    assert [row["name"] for row in data["tables"]["y"]] == [one["name"] for one in data["mean"]]
    assert data["mean"][5]["points"][2]["quality"] == 10
    assert len(data["tables"]["rgb"][0]["values"]) == len(data["rates"])
    assert all(math.isfinite(point["rgb"]) for one in data["mean"] for point in one["points"])
