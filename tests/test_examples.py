"""The scripts in examples/ make a picture of many bands, and restore a small picture without PyTorch."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import resizekit
from resizekit.pictures.io.read import read_picture

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_make_cube_is_deterministic_and_adds_to_three_channels(scripts, tmp_path, monkeypatch):
    make = scripts(EXAMPLES, "make_cube").make_cube
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        argv = ["make_cube", str(EXAMPLES / "astronaut.png"), str(tmp_path / f"{name}.npy"), "--side", "48"]
        monkeypatch.setattr("sys.argv", [*argv, "--seed", str(seed)])
        make.main()
    a, b, c = (read_picture(tmp_path / f"{name}.npy") for name in "abc")
    assert (a.mode, a.bits, a.pixels.shape) == ("CUBE", 16, (48, 48, 31))
    assert np.array_equal(a.pixels, b.pixels)
    assert not np.array_equal(a.pixels, c.pixels)
    strength = np.linalg.svd(a.pixels.reshape(-1, 31) / 65535, compute_uv=False)
    assert strength[4] > 0.005 * strength[0]


def test_export_onnx_restores_as_up_file_does(scripts, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    small, restored, expected = (tmp_path / name for name in ("small.png", "restored.png", "expected.png"))
    with Image.open(EXAMPLES / "astronaut.png") as image:
        image.crop((180, 60, 310, 160)).save(tmp_path / "photo.png")
    resizekit.down_file(tmp_path / "photo.png", small, weights="sr-x2-fast")
    resizekit.up_file(small, expected)
    resizekit.export(resizekit.load("sr-x2-fast"), "up", tmp_path / "up.onnx")
    script = scripts(EXAMPLES, "export_onnx").export_onnx
    monkeypatch.setattr("sys.argv", ["export_onnx", *map(str, (tmp_path / "up.onnx", small, restored))])
    script.main()
    a, b = (read_picture(path).pixels.astype(int) for path in (restored, expected))
    assert a.shape == (100, 130, 3)
    assert np.abs(a - b).max() <= 1
