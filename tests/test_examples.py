"""The scripts in examples/ run: cubes, exported files, bytes, folders, clusters, a classifier, videos, a server."""

import io
import json
import os
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
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


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    with Image.open(EXAMPLES / "astronaut.png") as image:
        for index in range(2):
            image.crop((180 + index, 60, 240 + index, 110)).save(folder / f"{index}.png")
    return folder


def test_bytes_pipeline_restores_as_up_file_does(scripts, photos, tmp_path, monkeypatch, capsys):
    script = scripts(EXAMPLES, "bytes_pipeline").bytes_pipeline
    monkeypatch.setattr("sys.argv", ["bytes_pipeline", str(photos / "0.png"), str(tmp_path / "restored.png")])
    script.main()
    resizekit.down_file(photos / "0.png", tmp_path / "small.png", weights="sr-x2-fast")
    resizekit.up_file(tmp_path / "small.png", tmp_path / "expected.png")
    size = (tmp_path / "small.png").stat().st_size
    assert capsys.readouterr().out == f"{size} bytes, 60x50 pixels\n"
    restored, expected = (read_picture(tmp_path / name).pixels for name in ("restored.png", "expected.png"))
    assert np.array_equal(restored, expected)


def test_many_pictures_continues_in_a_second_run(photos, tmp_path):
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")

    def run():
        command = [sys.executable, EXAMPLES / "many_pictures.py", photos, tmp_path / "out"]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)

    first, second = run(), run()
    assert (first.stdout, second.stdout) == ("2 done, 1 failed\n", "1 failed, 2 skipped\n")
    assert first.stderr.startswith(f"{photos / 'broken.png'} ")
    for index in range(2):
        expected = resizekit.down_bytes(photos / f"{index}.png", weights="sr-x2-fast")
        assert (tmp_path / "out" / f"{index}.png").read_bytes() == expected


def test_ray_cluster_writes_the_files_of_down_bytes(photos, tmp_path):
    pytest.importorskip("ray.data", reason="ray[data] is not installed")
    command = [sys.executable, "-W", "ignore", EXAMPLES / "ray_cluster.py", photos, tmp_path / "out"]
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == "2 done"
    for index in range(2):
        expected = resizekit.down_bytes(photos / f"{index}.png", weights="sr-x2-fast")
        assert (tmp_path / "out" / f"{index}.png.png").read_bytes() == expected


def test_documented_cluster_script_is_that_of_the_example():
    page = (EXAMPLES.parent / "docs" / "scaling.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```py\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    example = {line.strip() for line in (EXAMPLES / "ray_cluster.py").read_text(encoding="utf-8").splitlines()}
    lines = {line for line in code.splitlines() if line}
    assert len(lines) == 5
    assert lines <= example


def test_documented_sizes_follow_from_the_throughput():
    page = (EXAMPLES.parent / "docs" / "scaling.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    rates = {name: [float(cell) for cell in cells] for name, *cells in rows if len(cells) == 3}
    sizes = {name: cells for name, *cells in rows if len(cells) == 4}
    assert rates.keys() == sizes.keys() != set()
    for name, (down, up, kilobytes) in rates.items():
        hours, days, up_hours, terabytes = (float(re.sub(r"[^\d.]", "", cell)) for cell in sizes[name])
        assert hours == pytest.approx(down * 1e9 / 3600, rel=0.01)
        assert days == pytest.approx(hours / 1000 / 24, abs=0.06)
        assert up_hours == pytest.approx(up * 1e9 / 3600, rel=0.01)
        assert terabytes == kilobytes


# --- a classifier ------------------------------------------------------------------------------


def test_classifier_learns_behind_a_frozen_codec(scripts, monkeypatch, capsys):
    script = scripts(EXAMPLES, "classifier").classifier
    monkeypatch.setattr("sys.argv", ["classifier", "--steps", "40"])
    script.main()
    accuracy, gradient = re.fullmatch(
        r"accuracy ([\d.]+), gradient of the pictures (\S+)\n", capsys.readouterr().out
    ).groups()
    assert float(accuracy) > 0.9
    assert float(gradient) > 0


def test_classifier_leaves_the_codec_as_it_is(scripts):
    codec = resizekit.load("sr-x2-fast")
    model = scripts(EXAMPLES, "classifier").classifier.model(codec).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1)
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0), requires_grad=True)
    torch.nn.functional.cross_entropy(model(pictures), torch.tensor([0, 1])).backward()
    before = model[-1].weight.clone()
    optimizer.step()
    assert pictures.grad.abs().sum() > 0
    assert not torch.equal(model[-1].weight, before)
    assert model[0].codec.digest == codec.digest


# --- video -------------------------------------------------------------------------------------

SIDE, COUNT = 128, 12


@pytest.fixture
def video(scripts, tmp_path):
    """The script, and a clip of a crop that moves over a photograph."""
    pytest.importorskip("av", reason="PyAV is not installed")
    script = scripts(EXAMPLES, "video_pyav").video_pyav
    photo = np.asarray(Image.open(EXAMPLES / "astronaut.png").convert("RGB"))
    clip = [photo[40 + 2 * i :, 100 + 3 * i :][:SIDE, :SIDE] for i in range(COUNT)]
    script.write(tmp_path / "clip.mkv", clip, Fraction(24), "ffv1", 0)
    return script, clip, tmp_path


def run(script, monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["video_pyav", *map(str, arguments)])
    script.main()


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean(np.square(np.subtract(a, b, dtype=float))))


@pytest.mark.parametrize("encoder", ["ffv1", "libx264rgb"])
def test_video_comes_back_exactly(video, monkeypatch, encoder):
    script, clip, folder = video
    run(script, monkeypatch, "down", folder / "clip.mkv", folder / "small.mkv", "--encoder", encoder)
    codec = resizekit.load("sr-x2-fast")
    lows = list(script.frames(folder / "small.mkv"))
    assert np.array_equal(lows, [codec.down(frame) for frame in clip])
    assert json.loads((folder / "small.mkv.json").read_text())["weights"] == "sr-x2-fast"
    run(script, monkeypatch, "up", folder / "small.mkv", folder / "restored.mkv")
    assert np.array_equal(list(script.frames(folder / "restored.mkv")), [codec.up(low) for low in lows])
    assert script.rate_of(folder / "restored.mkv") == 24


def test_video_refuses_a_lossy_encoder_with_its_cost(video, monkeypatch, capsys):
    script, clip, folder = video
    lossy = "down", folder / "clip.mkv", folder / "small.mkv", "--encoder", "libx264"
    with pytest.raises(SystemExit) as refusal:
        run(script, monkeypatch, *lossy)
    assert refusal.value.code == 2
    error = capsys.readouterr().err
    assert "libx264 is lossy" in error
    assert not (folder / "small.mkv").exists()
    run(script, monkeypatch, *lossy, "--lossy")
    with pytest.raises(SystemExit, match="store them in a lossless video file"):
        run(script, monkeypatch, "up", folder / "small.mkv", folder / "restored.mkv")
    with pytest.warns(UserWarning, match="are not those of its manifest"):
        run(script, monkeypatch, "up", folder / "small.mkv", folder / "restored.mkv", "--lossy")
    codec = resizekit.load("sr-x2-fast")
    exact = psnr(clip, [codec.up(codec.down(frame)) for frame in clip])
    loss = exact - psnr(clip, list(script.frames(folder / "restored.mkv")))
    assert loss == pytest.approx(float(re.search(r"about (\d+) dB", error)[1]), abs=2)


def test_video_problems_are_one_line(video, monkeypatch):
    script, clip, folder = video
    script.write(folder / "odd.mkv", [frame[:, :90] for frame in clip[:2]], Fraction(24), "ffv1", 0)
    lossy = "--encoder", "libx264", "--lossy"
    for arguments, message in (
        (("down", folder / "odd.mkv", folder / "x.mkv", *lossy), "needs even sizes, and the frames have 45x64: use"),
        (("down", folder / "absent.mkv", folder / "x.mkv"), "No such file or directory: .*absent.mkv"),
        (("up", folder / "clip.mkv", folder / "x.mkv"), "clip.mkv has no manifest: keep its sidecar next to it"),
    ):
        with pytest.raises(SystemExit, match=f"^error: .*{message}"):
            run(script, monkeypatch, *arguments)
        assert not (folder / "x.mkv").exists()


# --- a server ----------------------------------------------------------------------------------


def test_server_returns_the_small_file_and_the_picture(scripts):
    pytest.importorskip("fastapi", reason="FastAPI is not installed")
    pytest.importorskip("httpx", reason="httpx is not installed")
    from fastapi.testclient import TestClient

    client = TestClient(scripts(EXAMPLES, "serve").serve.app)
    with Image.open(EXAMPLES / "astronaut.png") as image:
        photo = image.convert("RGB").crop((180, 60, 281, 123))
    file = io.BytesIO()
    photo.save(file, "PNG")
    small = client.post("/down", content=file.getvalue())
    assert (small.status_code, small.headers["content-type"]) == (200, "image/png")
    codec = resizekit.load("sr-x2-fast")
    assert np.array_equal(Image.open(io.BytesIO(small.content)), codec.down(photo))
    restored = client.post("/up", content=small.content, headers={"Content-Type": "image/png"})
    assert restored.status_code == 200
    assert np.array_equal(Image.open(io.BytesIO(restored.content)), codec.up(codec.down(photo)))
    refusal = client.post("/up", content=file.getvalue())
    assert (refusal.status_code, refusal.text.count("\n")) == (422, 0)
    assert "carries no manifest" in refusal.text
    assert client.post("/down", content=b"text").status_code == 422


def test_every_script_is_described():
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in EXAMPLES.glob("*.py")} <= set(re.findall(r"^\| `(\S+)`", table, flags=re.MULTILINE))
