"""What a folder says of its own pictures: enough to find and to show them, and nothing that leads out of it."""

import json

import pytest
from PIL import Image

from resizekit.errors import ResizeKitError
from resizekit.images.io.read import read_picture
from resizekit.showcase.metrics_file import RECORD_FILE, read_record
from resizekit.showcase.pyramid import pyramid_file
from resizekit.showcase.roundtrip import roundtrip_file


@pytest.fixture
def source(tmp_path, picture):
    path = tmp_path / "sürce.png"
    Image.fromarray(picture(40, 52)).save(path)
    return path


def test_a_folder_leads_back_to_its_picture(source, weights, tmp_path):
    out = tmp_path / "deep" / "out"
    figures = roundtrip_file(source, out, weights=weights[3], device="cpu")
    kept = read_record(out)
    assert read_picture((out / kept.original).resolve()).digest == kept.digest
    (trip,) = kept.trips
    assert (trip.factor, trip.small, trip.restored) == ("x2", "small.png", "restored.png")
    assert (trip.restored_rgb, trip.bicubic_y) == (figures.restored_rgb, figures.bicubic_y)


def test_a_name_that_is_no_text_is_written_all_the_same(source, weights, tmp_path):
    source = source.rename(tmp_path / "so\udcffurce.png")  # as Linux allows
    pyramid_file(source, tmp_path / "out", weights=weights[3], times=2, device="cpu")
    kept = read_record(tmp_path / "out")
    assert "\ufffd" in kept.original
    assert [trip.small for trip in kept.trips] == ["small-x2.png", "small-x4.png"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (None, "cannot read"),
        ({"format": 2}, "format"),
        ({"trips": [{"small": "../secret.png"}]}, "no name of a file in the same folder"),
        ("x" * (2**20 + 1), "larger than 1 MiB"),
        ("[]", "none of ours"),
    ],
    ids=["missing", "newer", "leading out", "large", "no object"],
)
def test_what_is_none_of_ours(source, weights, tmp_path, change, words):
    roundtrip_file(source, tmp_path / "out", weights=weights[3], device="cpu")
    path = tmp_path / "out" / RECORD_FILE
    if change is None:
        path.unlink()
    elif isinstance(change, str):
        path.write_text(change)
    else:
        told = json.loads(path.read_text())
        change = {key: [told["trips"][0] | value[0]] if key == "trips" else value for key, value in change.items()}
        path.write_text(json.dumps(told | change))
    with pytest.raises(ResizeKitError, match=words):
        read_record(tmp_path / "out")
