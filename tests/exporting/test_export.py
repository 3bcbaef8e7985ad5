"""Exported files return the pixel values of the codec at every size, and say what they are."""

import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

import resizekit
from resizekit import ResizeSpec
from resizekit.errors import ImageError, MissingExtraError, ResizeShapeError, UsageError
from resizekit.exporting.calibration import calibration_pictures
from resizekit.exporting.graph import make_graph
from resizekit.exporting.quantize import calibration_inputs

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TINY = {"name": "wavelet", "width": 8, "down_blocks": 1, "up_blocks": 1}


def tiny(task="sr", *, seed=0, network=TINY, **config):
    """Build a small codec with noise in its weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        codec = resizekit.build(task, network=network, **config).eval()
        with torch.no_grad():
            for parameter in codec.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    return codec.requires_grad_(False)


def session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def run(path, x):
    loaded = session(path)
    return loaded.run(None, {loaded.get_inputs()[0].name: x})[0]


def random_codes(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def graph_of(codec, direction, x, dtype="uint8"):
    with torch.inference_mode():
        return make_graph(codec, direction, dtype)(torch.from_numpy(x)).numpy()


@pytest.fixture(scope="module")
def codec():
    return tiny()


@pytest.fixture(scope="module")
def down(codec, tmp_path_factory):
    path = tmp_path_factory.mktemp("down") / "down.onnx"
    resizekit.export(codec, "down", path)
    return path


@pytest.mark.parametrize(("name", "times", "direction"), [("colorize", None, "down"), ("extreme", 2, "up")])
def test_shipped_weights_agree_with_torch(name, times, direction, scripts, tmp_path):
    row = scripts(BENCHMARKS, "export_differences").export_differences.differences(name, times, direction, tmp_path)
    assert row["onnxruntime"]["largest"] <= 1
    assert row["onnxruntime"]["share"] < 1e-3


def test_values_are_those_of_the_codec_for_several_pictures(codec, down):
    high = random_codes(3, 3, 38, 22)
    expected = codec.down_codes(torch.from_numpy(high)).numpy()
    assert np.abs(run(down, high).astype(int) - expected).max() <= 1
    assert np.array_equal(run(down, high[1:2]), run(down, high)[1:2])


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 2), (33, 50)])
def test_size_that_the_factors_do_not_divide_is_reflected(codec, down, size):
    high = random_codes(1, 3, *size)
    padding = [(0, 0), (0, 0), (0, size[0] % 2), (0, size[1] % 2)]
    expected = codec.down_codes(torch.from_numpy(np.pad(high, padding, mode="reflect"))).numpy()
    assert np.abs(run(down, high).astype(int) - expected).max() <= 1


def test_file_describes_itself(codec, down):
    loaded = session(down)
    source, target = loaded.get_inputs()[0], loaded.get_outputs()[0]
    assert (source.name, source.type, source.shape) == ("high", "tensor(uint8)", ["batch", 3, "height", "width"])
    assert (target.name, target.type, target.shape[1]) == ("low", "tensor(uint8)", 3)
    assert all("height" in target.shape[2:][i] or "width" in target.shape[2:][i] for i in range(2))
    metadata = loaded.get_modelmeta().custom_metadata_map
    assert metadata["digest"] == codec.digest
    assert metadata["license"] == "MIT"
    assert {key: metadata[key] for key in ("direction", "layout", "task", "network", "spec", "times", "precision")} == {
        "direction": "down", "layout": "b c h w", "task": "sr", "network": "wavelet", "spec": "s=2 r=2", "times": "1",
        "precision": "float32",
    }  # fmt: skip


def test_file_contains_no_path_of_the_machine(down):
    data = down.read_bytes()
    assert b"site-packages" not in data
    assert str(BENCHMARKS.parent).encode() not in data
    assert b".py" not in data


def test_float32_is_clamped_and_not_rounded(tmp_path):
    codec, low = tiny(channels=1), np.random.default_rng(0).random((2, 1, 9, 14), np.float32)
    resizekit.export(codec, "up", tmp_path / "up.onnx", dtype="float32")
    restored = run(tmp_path / "up.onnx", low)
    np.testing.assert_allclose(restored, codec.up(torch.from_numpy(low)).numpy(), atol=1e-5)
    assert restored.dtype == np.float32
    assert np.abs(255 * restored - np.rint(255 * restored)).max() > 0.1
    assert 0 <= restored.min() < restored.max() == 1


FRACTION = {"spec": ResizeSpec(s="3/2", r=2), "network": {"name": "tad", "width": 8, "blocks": 1}}
BLOCKS = {"spec": ResizeSpec(s=2, r=3), "network": TINY | {"block_size": 2}}
VDSR = {"encoder": "none", "network": {"name": "vdsr", "width": 8, "layers": 3}}
EDSR = {"encoder": "none", "network": {"name": "edsr", "width": 8, "blocks": 1}}
INVERTIBLE = {"network": {"name": "invertible", "width": 8, "couplings": 2}}


@pytest.mark.parametrize(
    ("options", "direction", "sizes"),
    [
        pytest.param(FRACTION, "up", [(8, 5), (2, 3)], id="fraction up"),
        pytest.param(FRACTION, "down", [(9, 5), (7, 4)], id="fraction down", marks=pytest.mark.slow),
        pytest.param(BLOCKS, "down", [(7, 8), (3, 1), (12, 12)], id="blocks down", marks=pytest.mark.slow),
        pytest.param(BLOCKS, "up", [(7, 9), (1, 4)], id="blocks up"),
        pytest.param(VDSR, "up", [(7, 9)], id="vdsr", marks=pytest.mark.slow),
        pytest.param(EDSR, "down", [(7, 10)], id="guide alone", marks=pytest.mark.slow),
        pytest.param(INVERTIBLE, "up", [(5, 4)], id="invertible", marks=pytest.mark.slow),
    ],
)
def test_network_agrees_with_torch(options, direction, sizes, tmp_path):
    codec, path = tiny(**options), tmp_path / "graph.onnx"
    resizekit.export(codec, direction, path)
    for h, w in sizes:
        x = random_codes(1, 3, h, w)
        assert np.abs(run(path, x).astype(int) - graph_of(codec, direction, x)).max() <= 1


@pytest.mark.slow
def test_self_ensemble_agrees_with_torch(tmp_path):
    codec, low = tiny().replace(self_ensemble=True), random_codes(1, 3, 9, 6)
    resizekit.export(codec, "up", tmp_path / "up.onnx")
    expected = codec.up_codes(torch.from_numpy(low)).numpy()
    assert np.abs(run(tmp_path / "up.onnx", low).astype(int) - expected).max() <= 1


class OfValues(torch.nn.Module):
    """A network that looks at pixel values."""

    def forward(self, x):
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3) if x.mean() > 0.1 else x.mean()


class OfSizes(torch.nn.Module):
    """A network that does other things for other sizes."""

    def forward(self, x):
        y = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        return y if x.shape[2] % 4 == 0 else 1 - y


class OfOneSize(torch.nn.Module):
    """A network for one size."""

    def forward(self, x):
        y = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        return y if x.shape[2] == 24 else 1 - y


@pytest.mark.parametrize(
    ("network", "message"),
    [(OfValues, "cannot trace"), (OfSizes, "differs from the codec"), (OfOneSize, "cannot trace")],
)
def test_network_that_cannot_be_exported_is_one_line(network, message, tmp_path):
    codec = tiny()
    codec.decoder = network()
    with pytest.raises(UsageError, match=message) as caught:
        resizekit.export(codec, "up", tmp_path / "up.onnx")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"direction": "sideways"}, "unknown direction 'sideways': expected down or up"),
        ({"dtype": "int4"}, "unknown dtype 'int4': expected uint8 or float32"),
        ({"format": "tflite"}, "unknown format 'tflite': expected onnx"),
        ({"quantized": True}, "quantized=True and calibration"),
        ({"calibration": []}, "quantized=True and calibration"),
        ({"quantized": True, "calibration": []}, "no pictures to calibrate with"),
        (
            {"codec": "sr-x2"},
            r"codec is a str: expected a codec; call resizekit.export\(resizekit.load\('sr-x2'\), ...\)",
        ),
        (
            {"codec": None},
            r"codec is a NoneType: expected a codec; call resizekit.export\(resizekit.load\(NAME\), ...\)",
        ),
    ],
)
def test_bad_argument_is_refused(codec, arguments, message, tmp_path):
    options = {"codec": codec, "direction": "up"} | arguments
    with pytest.raises(UsageError, match=message):
        resizekit.export(path=tmp_path / "up.onnx", **options)
    assert not list(tmp_path.iterdir())


def test_uint8_is_refused_for_a_codec_of_16_bits(codec, tmp_path):
    with pytest.raises(UsageError, match="stores 16 bits per channel; use dtype 'float32'"):
        resizekit.export(codec.with_compression("uint16"), "down", tmp_path / "down.onnx")


def test_existing_file_is_kept(codec, tmp_path):
    (tmp_path / "up.onnx").write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        resizekit.export(codec, "up", tmp_path / "up.onnx")
    assert (tmp_path / "up.onnx").read_text() == "mine"


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_missing_extra_is_named(codec, package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf'needs {package}: pip install "resizekit\[onnx\]"'):
        resizekit.export(codec, "up", tmp_path / "up.onnx")


def test_quantized_file_keeps_the_ends_in_float_and_most_of_the_quality(scripts, tmp_path):
    photo = scripts(BENCHMARKS, "export_differences").export_differences.photo
    codec, path = resizekit.load("sr-x4-fast"), tmp_path / "up.onnx"
    high = np.ascontiguousarray(photo(256, 256, 3)[0].transpose(1, 2, 0))
    resizekit.export(codec, "up", path, quantized=True, calibration=[high])
    low, decibels = codec.down(high), []
    for restored in (codec.up(low), run(path, low.transpose(2, 0, 1)[None])[0].transpose(1, 2, 0)):
        decibels.append(10 * np.log10(255**2 / np.mean((restored.astype(float) - high) ** 2)))
    assert decibels[0] - 1 < decibels[1] < decibels[0]
    model = onnx.load(path)
    assert {entry.key: entry.value for entry in model.metadata_props}["precision"] == "int8"
    dequantized = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    inside = [node.input[1] in dequantized for node in model.graph.node if node.op_type == "Conv"]
    assert len(inside) > 3
    assert inside == [False, *[True] * (len(inside) - 2), False]


@pytest.mark.slow
def test_quantized_down_takes_the_middle_of_large_pictures(tmp_path):
    codec, path = tiny(), tmp_path / "down.onnx"
    pictures = [random_codes(301, 40, 3), random_codes(17, 500, 3)]
    resizekit.export(codec, "down", path, quantized=True, calibration=iter(pictures))
    assert run(path, random_codes(1, 3, 11, 20)).shape == (1, 3, 6, 10)


def test_calibration_accepts_a_folder_a_file_and_paths(codec, tmp_path):
    path = tmp_path / "a.png"
    PIL.Image.fromarray(random_codes(41, 50, 3)).save(path)
    inputs = [
        calibration_inputs(codec, "up", "uint8", calibration_pictures(codec, calibration))
        for calibration in (str(tmp_path), path, [path, str(path)])
    ]
    assert [len(each) for each in inputs] == [1, 1, 2]
    assert np.array_equal(inputs[0][0], inputs[1][0])
    with pytest.raises(ImageError, match="no file or folder calib: check the name"):
        calibration_pictures(codec, "calib")


def test_calibration_picture_with_other_channels_is_refused(codec, tmp_path):
    with pytest.raises(ResizeShapeError, match="a picture has 1 channels; this codec takes 3"):
        resizekit.export(codec, "up", tmp_path / "up.onnx", quantized=True, calibration=[random_codes(40, 40)])
