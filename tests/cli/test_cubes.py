"""Cubes on the command line, by a task of a stranger's: 31 bands to a grey picture."""

import json

import numpy as np
import pytest

from resizekit import ResizeSpec, Task, TaskConfig, guides, hookimpl
from resizekit.images.io.read import read_picture
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
def cubes(room):
    """A folder of two cubes of uint16, and one of floats beside it."""
    y, x, k = np.mgrid[:24, :28, :31] / 6
    waves = 0.5 + 0.4 * np.sin(x + k / 3) * np.cos(y)
    (room / "cubes").mkdir()
    for name in ("a", "b"):
        np.save(f"cubes/{name}.npy", (waves * 65535).astype(np.uint16))
    np.save("floats.npy", (100 * waves - 20).astype(np.float32))


def test_train_down_up_and_figures(cli, bands, cubes, room):
    run = cli("train", "run.toml") if (room / "run.toml").write_text(TRAIN) else None
    assert run.code == 0, run.err
    weights = ("--weights", "runs/run/weights.safetensors", "--precision", "float32")
    assert cli("down", "cubes/a.npy", "small.png", *weights).out == "small.png\n"
    told = json.loads(cli("info", "small.png", "--json").out)
    assert (told["mode"], told["bits"], told["channels"]) == ("CUBE", 16, 31)
    assert "value_range" not in told
    assert cli("up", "small.png", "again.npy", *weights).code == 0
    again = np.load("again.npy")
    assert (again.dtype, again.shape) == (np.uint16, (24, 28, 31))

    told = json.loads(cli("roundtrip", "cubes/a.npy", *weights, "--json").out)
    assert (told["restored_y"], told["plain"]) == (None, "guide")
    assert np.array_equal(np.load("cubes/a-roundtrip/restored.npy"), again)
    assert read_picture("cubes/a-roundtrip/side-by-side.png").mode == "RGB"
    mean = json.loads(cli("evaluate", "cubes", *weights, "--json").out)["sets"][0]["mean"]
    assert set(mean) == {"high_rgb", "low_rgb", "bicubic_rgb"}
    assert abs(mean["high_rgb"] - told["restored_rgb"]) < 1e-9
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
    assert abs(again.mean() - np.load("floats.npy").mean()) < 20
    assert cli("evaluate", "floats.npy", *weights, "--value-range", "-20,80").code == 0

    (room / "floats.toml").write_text(
        TRAIN.replace('"cubes"', '"floats.npy"').replace("steps", "value_range = [-20, 80]\nsteps")
    )
    assert cli("train", "floats.toml").code == 0


def test_a_folder_comes_back_as_what_its_pictures_were(cli, bands, cubes, picture, weights, room, small_weights):
    small_weights(room / "bands.safetensors", 1, task="bands")
    picture("photo.png")
    assert cli("down", "cubes", "small", "--weights", "bands.safetensors").code == 0
    assert cli("down", "photo.png", "small/photo.png", "--weights", weights).code == 0
    (room / "small/note.png").write_bytes((room / "photo.png").read_bytes())
    run = cli("up", "small", "again", "--weights", "bands.safetensors")
    assert run.code == DATA
    assert run.out.split() == ["again/a.npy", "again/b.npy"]
    assert [path.name for path in sorted((room / "again").iterdir())] == ["a.npy", "b.npy"]
    assert np.load("again/a.npy").shape == (24, 28, 31)
    run = cli("up", "small/photo.png", "small/note.png", "again", "--weights", weights)
    assert run.out.split() == ["again/photo.png"]
    assert "note.png carries no manifest" in run.err


def test_a_sweep_measures_floats_and_shows_8_bits(cli, bands, cubes, room):
    (room / "c.toml").write_text(
        TRAIN.replace('"cubes"', '"floats.npy"').replace("steps", "value_range = [-20, 80]\nsteps")
    )
    files = ("--sets", "floats.npy", "--out", "r.json")
    run = cli("sweep", "c.toml", *files, "--guide-weight", "1", "--compression", "uint16", "--device", "cpu", "--json")
    assert run.code == 0, run.err
    (point,) = json.loads(run.out)["points"]
    assert set(point["sets"]["floats.npy"]) == {"high_rgb", "low_rgb", "bicubic_rgb"}
    assert read_picture(room / point["small"]).bits == 8


def test_what_does_not_fit(cli, bands, cubes, weights, room):
    np.save("colour.npy", np.zeros((20, 20, 3), np.uint8))
    np.save("objects.npy", np.array([[[None]]], object), allow_pickle=True)
    np.savez("two.npz", a=np.zeros((1, 1, 1), np.uint8), b=np.zeros((1, 1, 1), np.uint8))
    before = sorted(room.rglob("*"))
    for source, options, code, words in (
        ("cubes/a.npy", (), DATA, "cubes/a.npy has 31 channels, and these weights take 3: give a picture of 3"),
        ("objects.npy", (), DATA, "Python objects"),
        ("two.npz", (), DATA, "holds 2 arrays"),
        ("floats.npy", ("--value-range", "1"), USAGE, "--value-range '1': say LOW,HIGH"),
        ("floats.npy", ("--value-range", "1,0"), USAGE, "LOW,HIGH"),
        ("floats.npy", ("--value-range", "0,1"), DATA, "outside the value_range 0,1"),
    ):
        run = cli("down", source, "o.png", "--weights", weights, *options)
        assert (run.code, run.out, run.err.count("\n")) == (code, "", 1), run
        assert words in run.err
    assert sorted(room.rglob("*")) == before
    assert cli("down", "colour.npy", "small.png", "--weights", weights).code == 0
    assert cli("up", "small.png", "o.npz", "--weights", weights).code == 0
    assert read_picture("o.npz").pixels.shape == (20, 20, 3)
