"""The metrics file of a folder: enough to find and show its pictures, and no path out of the folder."""

import json

import pytest
from PIL import Image

from resizekit.errors import ResizeKitError
from resizekit.images.run_options import RunOptions
from resizekit.pictures.io.read import read_picture
from resizekit.showcase.metrics_file import RECORD_FILE, read_record
from resizekit.showcase.pyramid import pyramid_file
from resizekit.showcase.roundtrip import roundtrip_file


@pytest.fixture
def source(tmp_path, picture):
    path = tmp_path / "sürce.png"
    Image.fromarray(picture(40, 52)).save(path)
    return path


def test_record_leads_back_to_the_picture(source, weights, tmp_path):
    out = tmp_path / "deep" / "out"
    metrics = roundtrip_file(source, out, weights=weights[3], options=RunOptions(device="cpu"))
    record = read_record(out)
    assert read_picture((out / record.original).resolve()).digest == record.digest
    (roundtrip,) = record.roundtrips
    assert (roundtrip.factor, roundtrip.small, roundtrip.restored) == ("x2", "small.png", "restored.png")
    assert (roundtrip.restored_rgb, roundtrip.bicubic_y) == (metrics.restored_rgb, metrics.bicubic_y)


def test_record_accepts_names_that_are_not_text(source, weights, tmp_path):
    source = source.rename(tmp_path / "so\udcffurce.png")  # as Linux allows
    pyramid_file(source, tmp_path / "out", weights=weights[3], times=2, options=RunOptions(device="cpu"))
    record = read_record(tmp_path / "out")
    assert "\ufffd" in record.original
    assert [roundtrip.small for roundtrip in record.roundtrips] == ["small-x2.png", "small-x4.png"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (None, "cannot read"),
        ({"format": 2}, "format"),
        ({"roundtrips": [{"small": "../secret.png"}]}, "is not the name of a file in the same folder"),
        ("x" * (2**20 + 1), "larger than 1 MiB"),
        ("[]", "is not a valid record"),
    ],
    ids=["missing", "newer", "path outside", "large", "not an object"],
)
def test_read_record_refuses_invalid_files(source, weights, tmp_path, change, words):
    roundtrip_file(source, tmp_path / "out", weights=weights[3], options=RunOptions(device="cpu"))
    path = tmp_path / "out" / RECORD_FILE
    if change is None:
        path.unlink()
    elif isinstance(change, str):
        path.write_text(change)
    else:
        fields = json.loads(path.read_text())
        change = {
            key: [fields["roundtrips"][0] | value[0]] if key == "roundtrips" else value for key, value in change.items()
        }
        path.write_text(json.dumps(fields | change))
    with pytest.raises(ResizeKitError, match=words):
        read_record(tmp_path / "out")
