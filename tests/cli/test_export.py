"""`resizekit export`."""

import shutil
from pathlib import Path

import numpy as np
import pytest

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")

ASTRONAUT = Path(__file__).parents[2] / "examples/astronaut.png"


@pytest.fixture
def weights(small_weights, tmp_path):
    small_weights(tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def test_export_writes_a_file_that_upscales(cli, weights, tmp_path):
    out = tmp_path / "up.onnx"
    out.touch()
    options = ["--dtype", "float32", "--times", "2"]
    assert cli("export", weights, "up", out, *options).code == 2
    assert cli("export", weights, "up", out, *options, "--overwrite") == (0, f"{out}\n", "")
    session = onnxruntime.InferenceSession(out)
    assert session.run(None, {"low": np.zeros((1, 3, 6, 5), np.float32)})[0].shape == (1, 3, 24, 20)


def test_calibrate_quantizes(cli, weights, tmp_path):
    (tmp_path / "photos").mkdir()
    shutil.copy(ASTRONAUT, tmp_path / "photos")
    result = cli("export", weights, "up", tmp_path / "q.onnx", "--calibrate", tmp_path / "photos")
    assert result == (0, f"{tmp_path / 'q.onnx'}\n", "")
    metadata = onnxruntime.InferenceSession(tmp_path / "q.onnx").get_modelmeta().custom_metadata_map
    assert metadata["precision"] == "int8"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sideways"], "unknown direction 'sideways': expected down or up"),
        (["up", "--dtype", "int4"], "unknown dtype 'int4': expected uint8 or float32"),
        (["up", "--calibrate", "nowhere"], "--calibrate nowhere: not a folder; name one that holds pictures"),
    ],
)
def test_bad_argument_is_one_line(cli, weights, tmp_path, arguments, message):
    direction, *options = arguments
    code, _, err = cli("export", weights, direction, tmp_path / "x.onnx", *options)
    assert code == 2
    assert err.splitlines() == [f"error: {message}"]
