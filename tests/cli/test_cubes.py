"""Cubes on the command line, by a task of another plugin: 31 bands to a grey picture."""

import json

import numpy as np
import pytest

from resizekit import ResizeSpec, Task, TaskConfig, guides, hookimpl
from resizekit.pictures.io.read import read_picture
from resizekit.plugin.registry import installed

DATA, USAGE = 1, 2
TRAIN = """
task = "bands"
[config]
channels = 1
[network]
width = 8
blocks = 0
[train]
data = ["cubes"]
validation = ["cubes"]
steps = 2
batch = 1
patch = 16
warmup = 0
"""


class Bands:
    @hookimpl
    def resizekit_register_tasks(self):
        yield Task(
            name="bands",
            summary="31 bands to grey",
            config=TaskConfig,
            spec=lambda config: ResizeSpec(t=31),
            guide=guides.channel_mean,
        )


@pytest.fixture
def bands(monkeypatch):
    registry = installed()
    monkeypatch.setattr(registry, "tasks", dict(registry.tasks))
    registry.add(Bands(), "bands", "bands 1.0")


@pytest.fixture
def cubes(workdir):
    """Write a folder of two uint16 cubes, and a float32 cube next to it."""
    y, x, k = np.mgrid[:24, :28, :31] / 6
    waves = 0.5 + 0.4 * np.sin(x + k / 3) * np.cos(y)
    (workdir / "cubes").mkdir()
    for name in ("a", "b"):
        np.save(f"cubes/{name}.npy", (waves * 65535).astype(np.uint16))
    np.save("floats.npy", (100 * waves - 20).astype(np.float32))


def test_cubes_train_and_go_down_and_up(cli, bands, cubes, workdir):
    run = cli("train", "run.toml") if (workdir / "run.toml").write_text(TRAIN) else None
    assert run.code == 0, run.err
    weights = ("--weights", "runs/run/weights.safetensors", "--precision", "float32")
    assert cli("down", "cubes/a.npy", "small.png", *weights).out == "small.png\n"
    result = json.loads(cli("info", "small.png", "--json").out)
    assert (result["mode"], result["bits"], result["channels"]) == ("CUBE", 16, 31)
    assert "value_range" not in result
    assert cli("up", "small.png", "again.npy", *weights).code == 0
    again = np.load("again.npy")
    assert (again.dtype, again.shape) == (np.uint16, (24, 28, 31))

    result = json.loads(cli("roundtrip", "cubes/a.npy", *weights, "--json").out)
    assert (result["restored_y"], result["baseline"]) == (None, "guide")
    assert np.array_equal(np.load("cubes/a-roundtrip/restored.npy"), again)
    assert read_picture("cubes/a-roundtrip/side-by-side.png").mode == "RGB"
    mean = json.loads(cli("evaluate", "cubes", *weights, "--json").out)["sets"][0]["mean"]
    assert set(mean) == {"high_rgb", "low_rgb", "bicubic_rgb"}
    assert abs(mean["high_rgb"] - result["restored_rgb"]) < 1e-9
    table = cli("evaluate", "cubes", *weights).out
    assert "over all channels" in table
    assert "RGB" not in table
    assert "PSNR Y" not in cli("roundtrip", "cubes/a.npy", *weights, "--overwrite").out

    run = cli("down", "floats.npy", "floats.png", *weights)
    assert (run.code, run.err.count("\n")) == (DATA, 1)
    assert "floats.npy holds float32 values" in run.err
    assert "--value-range LOW,HIGH" in run.err
    assert cli("down", "floats.npy", "floats.png", *weights, "--value-range", "-20,80").code == 0
    assert json.loads(cli("info", "floats.png", "--json").out)["value_range"] == [-20, 80]
    assert cli("up", "floats.png", "floats.tif", *weights).code == 0
    again = read_picture("floats.tif", (-20, 80)).pixels
    assert (again.dtype, again.shape) == (np.float32, (24, 28, 31))
    # the small picture holds the mean of the bands, on a range of 100; two steps of training change it by 0.66
    assert np.abs(again.mean(2) - np.load("floats.npy").mean(2)).mean() < 1
    assert cli("evaluate", "floats.npy", *weights, "--value-range", "-20,80").code == 0

    (workdir / "floats.toml").write_text(
        TRAIN.replace('"cubes"', '"floats.npy"').replace("steps", "value_range = [-20, 80]\nsteps")
    )
    assert cli("train", "floats.toml").code == 0


def test_up_of_a_folder_restores_cubes_and_pictures(cli, bands, cubes, picture, weights, workdir, small_weights):
    small_weights(workdir / "bands.safetensors", 1, task="bands")
    picture("photo.png")
    assert cli("down", "cubes", "small", "--weights", "bands.safetensors").code == 0
    assert cli("down", "photo.png", "small/photo.png", "--weights", weights).code == 0
    (workdir / "small/note.png").write_bytes((workdir / "photo.png").read_bytes())
    run = cli("up", "small", "again", "--weights", "bands.safetensors")
    assert run.code == DATA
    assert run.out.split() == ["again/a.npy", "again/b.npy"]
    assert [path.name for path in sorted((workdir / "again").iterdir())] == ["a.npy", "b.npy"]
    assert np.load("again/a.npy").shape == (24, 28, 31)
    run = cli("up", "small/photo.png", "again/photo.png", "--weights", weights)
    assert run.out.split() == ["again/photo.png"]
    assert "note.png carries no manifest" in cli("up", "small/note.png", "again/note.png").err


def test_sweep_measures_floats_and_writes_8_bits(cli, bands, cubes, workdir):
    (workdir / "c.toml").write_text(
        TRAIN.replace('"cubes"', '"floats.npy"').replace("steps", "value_range = [-20, 80]\nsteps")
    )
    files = ("--sets", "floats.npy", "--out", "r.json")
    run = cli("sweep", "c.toml", *files, "--guide-weight", "1", "--compression", "uint16", "--device", "cpu", "--json")
    assert run.code == 0, run.err
    (point,) = json.loads(run.out)["points"]
    assert set(point["sets"]["floats.npy"]) == {"high_rgb", "low_rgb", "bicubic_rgb"}
    assert read_picture(workdir / point["small"]).bits == 8


def test_unsupported_arrays_and_ranges(cli, bands, cubes, weights, workdir):
    np.save("colour.npy", np.zeros((20, 20, 3), np.uint8))
    np.save("objects.npy", np.array([[[None]]], object), allow_pickle=True)
    np.savez("two.npz", a=np.zeros((1, 1, 1), np.uint8), b=np.zeros((1, 1, 1), np.uint8))
    before = sorted(workdir.rglob("*"))
    for source, options, code, words in (
        ("cubes/a.npy", (), DATA, "cubes/a.npy has 31 channels, and these weights take 3: give a picture of 3"),
        ("objects.npy", (), DATA, "Python objects"),
        ("two.npz", (), DATA, "holds 2 arrays"),
        ("floats.npy", ("--value-range", "1"), USAGE, "invalid --value-range '1': expected LOW,HIGH"),
        ("floats.npy", ("--value-range", "1,0"), USAGE, "LOW,HIGH"),
        ("floats.npy", ("--value-range", "0,1"), DATA, "outside the value range 0,1"),
    ):
        run = cli("down", source, "o.png", "--weights", weights, *options)
        assert (run.code, run.out, run.err.count("\n")) == (code, "", 1), run
        assert words in run.err
    assert sorted(workdir.rglob("*")) == before
    assert cli("down", "colour.npy", "small.png", "--weights", weights).code == 0
    assert cli("up", "small.png", "o.npz", "--weights", weights).code == 0
    assert read_picture("o.npz").pixels.shape == (20, 20, 3)
