"""`export-pairs`: small pictures as `down` makes them, and originals cropped to the factors, under the same names."""

import numpy as np
import pytest
from PIL import Image

from resizekit import load
from resizekit.codec.convert import from_batch, to_batch
from resizekit.ops import resample_uint8


def pixels(name):
    with Image.open(name) as image:
        return np.array(image)


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_export_pairs_by_weights(cli, weights, picture, workdir):
    picture("in/odd.png", 41, 53)
    picture("in/deep/b.jpg", 64, 48)
    run = cli("export-pairs", "in", "out", "--weights", weights)
    assert (run.code, run.out) == (0, "out/low, out/high: 2 pairs\n")
    assert files(workdir / "out/low") == files(workdir / "out/high") == ["deep/b.png", "odd.png"]
    high, low = pixels("out/high/odd.png"), pixels("out/low/odd.png")
    assert np.array_equal(high, pixels("in/odd.png")[:40, :52])
    assert np.array_equal(low, load(weights).down(high))


def test_export_pairs_by_bicubic_equals_matlab(cli, weights, picture):
    picture("in/a.png", 41, 53)
    assert cli("export-pairs", "in", "out", "--weights", weights, "--bicubic").code == 0
    high = pixels("out/high/a.png")
    assert np.array_equal(pixels("out/low/a.png"), from_batch(resample_uint8(to_batch(high), (20, 26))))


def test_export_pairs_of_jpeg_weights_as_decoded(cli, jpeg_weights, picture):
    picture("in/a.png", 40, 48)
    assert cli("export-pairs", "in", "out", "--weights", jpeg_weights).code == 0
    assert np.array_equal(pixels("out/low/a.png"), load(jpeg_weights).down(pixels("out/high/a.png")))


@pytest.mark.parametrize(("kind", "source", "ndim_expected"), [("grey_weights", 3, 2), ("weights", 1, 3)])
def test_export_pairs_has_the_channels_of_the_weights(cli, picture, request, kind, source, ndim_expected):
    picture("in/a.png", c=source)
    assert cli("export-pairs", "in", "out", "--weights", request.getfixturevalue(kind)).code == 0
    for side in ("low", "high"):
        assert pixels(f"out/{side}/a.png").ndim == ndim_expected


def test_export_pairs_names_failures_and_continues(cli, weights, picture, workdir):
    picture("in/a.png")
    (workdir / "in/broken.png").write_bytes(b"no")
    Image.new("RGB", (1, 1)).save("in/speck.png")
    run = cli("export-pairs", "in", "out", "--weights", weights)
    assert run.code == 1
    result = run.err.splitlines()
    assert "in/broken.png" in result[0]
    assert "in/speck.png is too small" in result[1]
    assert result[2].startswith("1 done, 0 skipped, 2 failed, ")
    assert files(workdir / "out") == ["high/a.png", "low/a.png"]


def test_export_pairs_overwrites_only_on_request(cli, weights, picture, workdir):
    picture("in/a.png")
    assert cli("export-pairs", "in", "out", "--weights", weights).code == 0
    (workdir / "out/low/a.png").write_bytes(b"mine")
    run = cli("export-pairs", "in", "out", "--weights", weights)
    assert (run.code, (workdir / "out/low/a.png").read_bytes()) == (2, b"mine")
    assert cli("export-pairs", "in", "out", "--weights", weights, "--overwrite").code == 0
    assert pixels("out/low/a.png").shape == (20, 26, 3)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("in/a.png", "out"), "in/a.png is not a folder"),
        (("nowhere", "out"), "nowhere is not a folder"),
        (("in", "in/out"), "in/out lies in the input folder in"),
        (("in", "in/a.png"), "lies in the input folder in"),
        (("in", "file"), "file"),
    ],
    ids=str,
)
def test_export_pairs_refuses_in_one_line(cli, weights, picture, workdir, argv, words):
    picture("in/a.png")
    (workdir / "file").touch()
    run = cli("export-pairs", *argv, "--weights", weights)
    assert run.code in (1, 2)
    assert (run.err.count("\n"), words in run.err) == (1, True)


def test_export_pairs_keeps_pictures_with_one_stem_apart(cli, weights, picture, workdir):
    for name in ("in/a.png", "in/a.jpg"):
        picture(name)
    run = cli("export-pairs", "in", "out", "--weights", weights)
    assert run.code == 0
    names = ["a.jpg.png", "a.png.png"]
    assert files(workdir / "out") == [f"{folder}/{name}" for folder in ("high", "low") for name in names]
