"""Bad options, depths, outputs and folders: one line of error, and no partial files."""

import json
import resource
from dataclasses import replace

import PIL.Image
import pytest
import torch

from resizekit import ResizeSpec, Task, TaskConfig, build, guides, save
from resizekit.plugin.registry import Offer, installed

DATA, USAGE = 1, 2


def noisy(name, h=60, w=60):
    PIL.Image.effect_noise((w, h), 90).convert("RGB").save(name)


def test_impossible_depths(cli, complains, nothing_new, weights, picture, workdir):
    source, speck = picture(h=45), picture("speck.png", 1, 9)
    (workdir / "mine").mkdir()
    (workdir / "mine" / "restored-x4.png").write_text("mine")
    weights_option = "--weights", weights
    with nothing_new(workdir):
        complains(
            cli("pyramid", source, "o", *weights_option, "--times", "6"), USAGE, "52x45 allows 1 to 5", "largest is x32"
        )
        complains(cli("pyramid", speck, "o", *weights_option), DATA, "speck.png has 9x1 pixels, too few for x2")
        complains(cli("pyramid", source, "mine", *weights_option), USAGE, "restored-x4.png exists", "--overwrite")
        complains(cli("pyramid", source, source, *weights_option), USAGE, "cannot make the folder")
        complains(
            cli("down", source, "o.png", *weights_option, "--times", "12"), DATA, "padded to 65536x65536", "too many"
        )
        complains(
            cli("down", source, "o.png", *weights_option, "--times", "20"),
            USAGE,
            "times=20",
            "use at most 19",
        )
        complains(cli("down", source, "o.png", *weights_option, "--times", "99"), USAGE, "times=99", "at most 64")
        complains(cli("evaluate", source, *weights_option, "--times", "1,99"), USAGE, "times=99")
        for text in ("", "0", "1,", "-1", "x2", "1.5", "1;2"):
            complains(
                cli("evaluate", source, *weights_option, "--times", text),
                USAGE,
                f"invalid --times {text!r}: expected a list",
            )


@pytest.mark.parametrize(("r", "t", "why"), [(1, 3, "changes the channels"), ("1/2", 1, "makes nothing smaller")])
def test_weights_that_cannot_be_repeated(cli, complains, nothing_new, half_weights, picture, workdir, r, t, why):
    source, odd = picture(), ("--weights", half_weights(r, t))
    with nothing_new(workdir):
        for run in (
            cli("pyramid", source, "o", *odd),
            cli("evaluate", source, *odd, "--times", "1,2"),
            cli("down", source, "o.png", *odd, "--times", "2"),
            cli("roundtrip", source, *odd, "--times", "2"),
        ):
            complains(run, USAGE, "cannot be repeated", why)


@pytest.fixture
def half_weights(tmp_path, monkeypatch):
    """Write weights of a task whose step cannot be repeated."""

    def write(r, t):
        spec = ResizeSpec(r=r, t=t)
        task = Task(name="once", summary="-", config=TaskConfig, spec=lambda config: spec, guide=guides.bicubic)
        if t != 1:
            task = replace(task, guide=lambda spec, config: lambda high: high.mean(1, keepdim=True))
        offer = Offer(value=task, provider="a test", plugin="test")
        monkeypatch.setitem(installed().tasks, "once", offer)
        path = tmp_path / "once.safetensors"
        save(build("once", channels=3 // t, network={"width": 4, "blocks": 0}), path)
        return path

    return write


OPTIONS = {
    "tile too small": (["--tile", "63"], "invalid tile 63", "at least 64"),
    "tile no number": (["--tile", "big"], "--tile 'big'"),
    "tile negative": (["--tile", "-64"], "--tile '-64'"),
    "device": (["--device", "tpu"], "'tpu'", "auto, cpu or cuda"),
    "precision": (["--precision", "half"], "'half'", "use auto, float32, winograd, bfloat16, float16, int8"),
}


@pytest.mark.parametrize(("options", "words"), [(o, w) for o, *w in OPTIONS.values()], ids=OPTIONS)
@pytest.mark.parametrize("verb", ["down", "roundtrip"])
def test_invalid_options(cli, complains, nothing_new, weights, picture, workdir, verb, options, words):
    out = ["o.png"] if verb == "down" else []
    with nothing_new(workdir / picture().parent):
        complains(cli(verb, "a.png", *out, "--weights", weights, *options), USAGE, *words)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what would be missing")
def test_missing_gpu(cli, complains, nothing_new, weights, picture, workdir):
    with nothing_new(workdir / picture().parent):
        complains(cli("down", "a.png", "o.png", "--weights", weights, "--device", "cuda"), USAGE, "no CUDA device")


def test_impossible_outputs(cli, complains, nothing_new, weights, picture, workdir):
    source = picture()
    (workdir / "link.png").symlink_to("a.png")
    (workdir / "dangling.png").symlink_to("nowhere.png")
    (workdir / "folder.png").mkdir()
    (workdir / "old.png").write_text("mine")
    refused = {
        "old.png": "exists",
        "dangling.png": "exists",
        "a.png": "is the input itself",
        "link.png": "is the input itself",
        "o.jpg": "name it .png",
        "a.png/o.png": "Not a directory",
    }
    with nothing_new(workdir):
        for out, words in refused.items():
            complains(cli("down", source, out, "--weights", weights), USAGE, out.split("/")[0], words)
        for out in ("a.png", "link.png"):
            run = cli("down", source, out, "--weights", weights, "--overwrite")
            complains(run, USAGE, "is the input itself")
        complains(cli("roundtrip", source, "--weights", weights, "--out", "old.png"), USAGE, "cannot make the folder")
    assert cli("down", source, "folder.png", "--weights", weights).out == "folder.png/a.png\n"


def test_full_disk_leaves_no_file(cli, complains, nothing_new, weights, workdir):
    noisy("noise.png", 200, 200)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with nothing_new(workdir):
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
        try:
            run = cli("down", "noise.png", "o.png", "--weights", weights)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    complains(run, DATA, "cannot write o.png")


def test_batch_continues_after_failures_and_names_them(cli, weights, picture, workdir):
    for name in ("in/a.png", "in/z.png"):
        picture(name)
    (workdir / "in" / "empty.png").touch()
    (workdir / "in" / "text.png").write_text("no picture")
    run = cli("down", "in", "out", "--weights", weights)
    assert run.code == DATA
    assert run.out.splitlines() == ["out/a.png", "out/z.png"]
    lines = run.err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("error: ") for line in lines[:2])
    assert "in/empty.png is empty" in lines[0]
    assert "in/text.png is not a picture" in lines[1]
    assert lines[2].startswith("2 done, 0 skipped, 2 failed, ")
    assert sorted(path.name for path in (workdir / "out").iterdir()) == ["a.png", "z.png"]
    run = cli("down", "in", "out", "--weights", weights, "--json")  # everything is there already
    assert (run.code, json.loads(run.out)) == (DATA, [])
    assert run.err.count("exists") == 2
    assert "\n0 done, 0 skipped, 4 failed, " in run.err


def test_impossible_folders(cli, complains, nothing_new, weights, picture, workdir):
    picture("twice/a.png")
    picture("twice/a.jpg")
    (workdir / "bare").mkdir()
    with nothing_new(workdir):
        complains(cli("down", "twice", "twice", "--weights", weights), USAGE, "twice is the input folder")
        complains(cli("down", "twice", "twice/a.png", "--weights", weights), USAGE, "is a file: name a folder")
        complains(cli("down", "bare", "out", "--weights", weights), DATA, "no picture in bare")
        complains(cli("down", "*.tif", "out", "--weights", weights), DATA, "nothing matches *.tif")
        complains(cli("down", "twice/a.png", "absent.png", "out", "--weights", weights), DATA, "absent.png")
        complains(cli("roundtrip", "bare", "--weights", weights), DATA, "bare is a folder")
        complains(cli("roundtrip", ".", "--weights", weights), DATA, "is a folder")
        complains(cli("info", "bare"), DATA, "is a folder")
        complains(cli("evaluate", "bare", "--weights", weights), DATA, "no usable picture in bare")
        complains(cli("evaluate", "absent", "--weights", weights), DATA, "no file or folder absent")


@pytest.mark.parametrize("argv", [["bogus"], ["down", "--bogus"], ["down", "a.png"], ["train", "x", "--steps", "0"]])
def test_unknown_verbs_and_options(cli, argv):
    run = cli(*argv)
    assert run.code == USAGE
    assert run.out == ""
    assert "Usage: " in run.err
    assert "Traceback" not in run.err


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")],
    ids=["python", "torch"],
)
def test_lack_of_memory_suggests_tiles(cli, complains, nothing_new, weights, picture, workdir, monkeypatch, error):
    def fail(*_, **__):
        raise error

    source = picture()
    monkeypatch.setattr("resizekit.images.files.down_picture", fail)
    with nothing_new(workdir):
        complains(cli("down", source, "o.png", "--weights", weights), DATA, "out of memory", "--tile 512")
