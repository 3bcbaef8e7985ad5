"""`--frame` of down, roundtrip and pyramid."""

import json

import numpy as np
import PIL.Image
import pytest

from resizekit.pictures.io.read import read_picture
from resizekit.report.folders import roundtrip_view

DATA, USAGE = 1, 2


@pytest.fixture
def frames(workdir):
    """Write an animation, and each of its frames as a picture."""
    rows, columns = np.mgrid[:40, :52]
    sources = [np.stack((6 * rows, 4 * columns, (rows * columns + 80 * i) % 256), 2).astype(np.uint8) for i in range(3)]
    images = [PIL.Image.fromarray(source) for source in sources]
    images[0].save("dance.webp", save_all=True, append_images=images[1:], lossless=True)
    for number, image in enumerate(images, 1):
        image.save(f"frame{number}.png")
    return [f"frame{number}.png" for number in range(1, 4)]


def test_down_makes_the_chosen_frame_small(cli, weights, frames):
    for number, source in enumerate(frames, 1):
        assert cli("down", "dance.webp", "small.png", "--weights", weights, "--frame", number, "--overwrite").code == 0
        assert cli("down", source, "expected.png", "--weights", weights, "--overwrite").code == 0
        assert np.array_equal(read_picture("small.png").pixels, read_picture("expected.png").pixels)


def test_plan_and_byte_limits_use_the_frame(cli, jpeg_weights, frames):
    plan = cli("down", "dance.webp", "small.jpg", "--weights", jpeg_weights, "--frame", 2, "--plan")
    assert (plan.code, "52x40" in plan.out) == (0, True)
    options = "--weights", jpeg_weights, "--max-bytes", "2k", "--json"
    chosen = json.loads(cli("down", "dance.webp", "small.jpg", *options, "--frame", 2).out)
    expected = json.loads(cli("down", frames[1], "expected.jpg", *options).out)
    assert chosen[0]["full_size"] == expected[0]["full_size"]


def test_animations_name_the_option(cli, complains, nothing_new, weights, frames, workdir):
    rest = {"down": ["o.png", "--weights", weights], "roundtrip": ["--weights", weights]}
    with nothing_new(workdir):
        for verb, more in rest.items():
            complains(cli(verb, "dance.webp", *more), DATA, "several frames", "choose one with --frame")
            complains(cli(verb, "dance.webp", *more, "--frame", 4), DATA, "no frame 4: it has 3 frames")
            assert cli(verb, "dance.webp", *more, "--frame", 0).code == USAGE


def test_report_reads_the_frame_of_a_roundtrip(cli, weights, frames, workdir):
    run = cli("roundtrip", "dance.webp", "--out", "trip", "--weights", weights, "--frame", 3, "--json")
    assert run.code == 0
    assert json.loads((workdir / "trip" / "metrics.json").read_text())["frame"] == 3
    assert roundtrip_view(workdir / "trip").size == (20, 26)
    expected = json.loads(cli("roundtrip", frames[2], "--out", "other", "--weights", weights, "--json").out)
    assert json.loads(run.out)["restored_rgb"] == expected["restored_rgb"]


def test_pyramid_of_a_frame(cli, weights, frames):
    options = "--weights", weights, "--times", 1, "--json"
    chosen = cli("pyramid", "dance.webp", "out", *options, "--frame", 2)
    assert chosen.code == 0
    expected = cli("pyramid", frames[1], "other", *options)
    restored = [json.loads(run.out)["depths"][0]["metrics"]["restored_rgb"] for run in (chosen, expected)]
    assert restored[0] == restored[1]
