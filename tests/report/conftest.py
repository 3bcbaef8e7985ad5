"""Results, a sweep and weights for the tests of the report, made with tiny weights and blocky pictures."""

import json

import numpy as np
import pytest
from PIL import Image

from resizekit import load
from resizekit.evaluation.measure import measure
from resizekit.plugin.records import Weights
from resizekit.plugin.registry import Offer, installed
from resizekit.suites.results import (
    ColumnResult,
    PictureResult,
    Provenance,
    PublishedMetric,
    Results,
    SetResult,
    TimingResult,
)

HOSTILE = "<img src=x onerror=alert(1)>\"'&.png"
"""A valid file name that is also HTML."""
INSTALLED = "tiny-report"
"""Name of the weights that are installed for these tests."""
NAMES = ["a.png", HOSTILE, "c.png", "d.png", "e.png"]


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A folder with one set of five pictures."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "Set").mkdir()
    for i, name in enumerate(NAMES):
        pixels = np.random.default_rng(i).integers(0, 256, (12 + i, 16, 3), np.uint8).repeat(4, 0).repeat(4, 1)
        Image.fromarray(pixels).save(folder / "Set" / name, "png")
    return folder


@pytest.fixture(scope="session")
def results(data, weights_file):
    """Results of these pictures in four columns: bicubic, an untrained one, a competitor, and a featured one."""
    codec = load(weights_file[0])
    pictures = []
    for name in NAMES:
        metrics = measure(codec, np.array(Image.open(data / "Set" / name)))
        where = {"set": "Set", "picture": name}
        high = {f"high_{kind}": metrics[f"bicubic_{kind}"] for kind in ("rgb", "y")}
        pictures.append(PictureResult(column="bicubic-x2", **where, **high))
        networks = {key: value for key, value in metrics.items() if not key.startswith("bicubic")}
        pictures += [PictureResult(column=key, **where, **networks) for key in ("other-x2", "own-x2")]
    mean = sum(item.high_rgb for item in pictures if item.column == "own-x2") / len(NAMES)
    shared = {"factor": 2, "weights": INSTALLED, "digest": codec.digest, "status": "measured"}
    training = {"steps": 12_345, "seconds": 600, "data": "<b>photographs</b>", "hardware": "one core"}
    return Results(
        suite="tiny",
        made_by=Provenance(command="made up", machine="a machine", torch="2.13.0", threads=1),
        sets=(
            SetResult(name="Set", expected=5, found=5, measured=5),
            SetResult(name="Missing", expected=14, found=0, measured=0),
        ),
        columns=(
            ColumnResult(key="bicubic-x2", label="bicubic", group="bicubic", factor=2, status="measured"),
            ColumnResult(key="big-x2", label="BIG+", group="bicubic", factor=2, status="not trained"),
            ColumnResult(key="other-x2", label="OTHER", group="others", **shared),
            ColumnResult(
                key="own-x2",
                label="OWN",
                group="own",
                compare_with="other-x2",
                featured=True,
                training=training,
                **shared,
            ),
        ),
        pictures=tuple(pictures),
        published=(
            PublishedMetric(column="bicubic-x2", set="Set", y=20.0),
            PublishedMetric(column="big-x2", set="Set", rgb=99.25),
            PublishedMetric(column="other-x2", set="Set", rgb=mean + 1.5),
        ),
        timings=(TimingResult(column="own-x2", height=1080, width=1920, seconds=1.25),),
    )


@pytest.fixture(scope="session")
def weights_file(tmp_path_factory, small_weights):
    """Tiny weights, and their digest."""
    path = tmp_path_factory.mktemp("weights") / f"{INSTALLED}.safetensors"
    return path, small_weights(path)


@pytest.fixture(scope="module", autouse=True)
def weights_name(weights_file):
    """Install the tiny weights under their own name for these tests."""
    path, digest = weights_file
    offer = Offer(value=("sr", Weights(file=path, digest=digest)), provider="a test", plugin="test")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(installed().weights, INSTALLED, offer)
        yield INSTALLED


@pytest.fixture
def file(tmp_path, results):
    """The results as a file."""
    path = tmp_path / "results.json"
    results.write(path)
    return path


@pytest.fixture
def sweep(tmp_path):
    """A file of a sweep with an existing picture, one outside the folder, and a missing one."""
    (tmp_path / "sweep").mkdir()
    small = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    Image.fromarray(small).save(tmp_path / "sweep" / "small.png")
    outside = tmp_path.parent / "outside.png"
    Image.fromarray(small).save(outside)
    points = [
        {
            "guide_weight": weight,
            "high": 40 - i,
            "low": 20 + 3 * i,
            "sets": {},
            "steps": 9,
            "digest": "",
            "small": small,
        }
        for i, (weight, small) in enumerate([(0, "sweep/small.png"), (0.1, "../outside.png"), (10, "absent.png")])
    ]
    path = tmp_path / "sweep.json"
    path.write_text(json.dumps({"resizekit": "0.1.0", "config": {}, "sets": ["<i>held</i>"], "points": points[::-1]}))
    return path


@pytest.fixture
def compared(tmp_path):
    """A file of `resizekit compare --json`: a format, bicubic, and weights with a name that is HTML."""
    curves = [
        ("AVIF", "full", (0.1, 26.0), (0.4, 32.0)),
        ("bicubic x2, AVIF", "bicubic", (0.05, 24.0), (0.2, 28.0)),
        (HOSTILE, "small", (0.85, 30.25)),
    ]
    mean = [
        {"name": name, "kind": kind, "points": [{"bpp": bpp, "rgb": rgb, "y": rgb} for bpp, rgb in points]}
        for name, kind, *points in curves
    ]
    rows = [
        {"name": "AVIF", "values": [26.0, None], "bd_rate": None, "single": None},
        {"name": "bicubic x2, AVIF", "values": [27.0, None], "bd_rate": 54.6, "single": None},
        {"name": HOSTILE, "values": [None, None], "bd_rate": None, "single": [0.85, 30.25]},
    ]
    path = tmp_path / "compare.json"
    content = {"anchor": "AVIF", "rates": [0.1, 1.0], "tables": {"rgb": rows}, "mean": mean}
    path.write_text(json.dumps(content | {"pictures": [{"picture": "a.png", "curves": mean}]}))
    return path


@pytest.fixture
def hostile():
    """The hostile name of one of the pictures."""
    return HOSTILE
