"""`export-pairs`: the small pictures are those of `down`, the large ones what the factors divide, and names agree."""

import numpy as np
import pytest
from PIL import Image

from resizekit import load
from resizekit.codec.convert import from_codes, to_codes
from resizekit.ops import resample_uint8


def pixels(name):
    with Image.open(name) as image:
        return np.array(image)


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_pairs_of_weights(cli, weights, picture, room):
    picture("in/odd.png", 41, 53)
    picture("in/deep/b.jpg", 64, 48)
    run = cli("export-pairs", "in", "out", "--weights", weights)
    assert (run.code, run.out) == (0, "out/low, out/high: 2 pairs\n")
    assert files(room / "out/low") == files(room / "out/high") == ["deep/b.png", "odd.png"]
    high, low = pixels("out/high/odd.png"), pixels("out/low/odd.png")
    assert np.array_equal(high, pixels("in/odd.png")[:40, :52])
    assert np.array_equal(low, load(weights).down(high))


def test_pairs_of_bicubic_are_matlabs(cli, weights, picture):
    picture("in/a.png", 41, 53)
    assert cli("export-pairs", "in", "out", "--weights", weights, "--bicubic").code == 0
    high = pixels("out/high/a.png")
    assert np.array_equal(pixels("out/low/a.png"), from_codes(resample_uint8(to_codes(high), (20, 26)), like=high))


def test_small_pictures_that_were_a_jpeg_are_as_it_is_read(cli, jpeg_weights, picture):
    picture("in/a.png", 40, 48)
    assert cli("export-pairs", "in", "out", "--weights", jpeg_weights).code == 0
    assert np.array_equal(pixels("out/low/a.png"), load(jpeg_weights).down(pixels("out/high/a.png")))


@pytest.mark.parametrize(("kind", "source", "wanted"), [("grey_weights", 3, 2), ("weights", 1, 3)])
def test_channels_are_those_of_the_weights(cli, picture, request, kind, source, wanted):
    picture("in/a.png", c=source)
    assert cli("export-pairs", "in", "out", "--weights", request.getfixturevalue(kind)).code == 0
    for side in ("low", "high"):
        assert pixels(f"out/{side}/a.png").ndim == wanted


def test_one_that_fails_is_named_and_the_others_are_there(cli, weights, picture, room):
    picture("in/a.png")
    (room / "in/broken.png").write_bytes(b"no")
    Image.new("RGB", (1, 1)).save("in/speck.png")
    run = cli("export-pairs", "in", "out", "--weights", weights)
    assert run.code == 1
    told = run.err.splitlines()
    assert "in/broken.png" in told[0]
    assert "in/speck.png is too small" in told[1]
    assert "2 of 3 pictures could not be done" in told[2]
    assert files(room / "out") == ["high/a.png", "low/a.png"]


def test_what_is_there_stays_unless_it_may_go(cli, weights, picture, room):
    picture("in/a.png")
    assert cli("export-pairs", "in", "out", "--weights", weights).code == 0
    (room / "out/low/a.png").write_bytes(b"mine")
    run = cli("export-pairs", "in", "out", "--weights", weights)
    assert (run.code, (room / "out/low/a.png").read_bytes()) == (2, b"mine")
    assert cli("export-pairs", "in", "out", "--weights", weights, "--overwrite").code == 0
    assert pixels("out/low/a.png").shape == (20, 26, 3)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("in/a.png", "out"), "in/a.png is no folder"),
        (("nowhere", "out"), "nowhere is no folder"),
        (("in", "in/out"), "in/out lies in in itself"),
        (("in", "in/a.png"), "lies in in itself"),
        (("in", "file"), "file"),
    ],
    ids=str,
)
def test_what_cannot_be_is_said_in_one_line(cli, weights, picture, room, argv, words):
    picture("in/a.png")
    (room / "file").touch()
    run = cli("export-pairs", *argv, "--weights", weights)
    assert run.code in (1, 2)
    assert (run.err.count("\n"), words in run.err) == (1, True)


def test_two_pictures_of_one_name_are_refused(cli, weights, picture, room):
    for name in ("in/a.png", "in/a.jpg"):
        picture(name)
    run = cli("export-pairs", "in", "out", "--weights", weights)
    assert (run.code, "would both become out/high/a.png" in run.err) == (2, True)
    assert not (room / "out").exists()
