"""Bad input: the exit code, one line on stderr, no partial files, and never a traceback."""

import contextlib
import json
import resource
from dataclasses import replace
from pathlib import Path

import PIL.Image
import pytest
import torch
from PIL.PngImagePlugin import PngInfo
from safetensors import safe_open
from safetensors.torch import save_file

from resizekit import ResizeSpec, Task, TaskConfig, build, guides, save
from resizekit.plugin.registry import Offer, installed

DATA, USAGE = 1, 2


@pytest.fixture
def small(cli, weights, picture, workdir):
    """Write a small image, and return its manifest."""
    cli("down", picture("made.png"), "small.png", "--weights", weights)
    (workdir / "made.png").unlink()
    with PIL.Image.open("small.png") as image:
        return json.loads(image.text["resizekit"])


def complains(run, code, *words):
    """Check that a run printed one line of error with these words."""
    assert run.code == code, run
    assert run.out == ""
    lines = run.err.splitlines()
    assert len(lines) == 1, run.err
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]


@contextlib.contextmanager
def nothing_new(folder):
    """Check that no file below the folder is added, removed or changed."""

    def seen():
        return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}

    before = seen()
    yield
    assert seen() == before


def noisy(name, h=60, w=60):
    PIL.Image.effect_noise((w, h), 90).convert("RGB").save(name)


def truncated(name):
    noisy(name)
    Path(name).write_bytes(Path(name).read_bytes()[:2000])


def written(content):
    def write(name):
        Path(name).write_bytes(content)

    return write


PICTURES = {
    "missing": (lambda name: None, "does not exist"),
    "empty": (written(b""), "is empty"),
    "truncated": (truncated, "truncated"),
    "text": (written(b"hello, this is text"), "not a picture"),
    "zip": (written(b"PK\x03\x04" + bytes(200)), "not a picture"),
    "16 bit, but a PPM": (written(b"P5 1 1 65535\n" + bytes(2)), "more than 8 bits"),
    "folder of its name": (lambda name: None, "does not exist"),
}


@pytest.mark.parametrize(("make", "words"), PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize("verb", ["down", "up", "roundtrip", "info"])
def test_broken_pictures(cli, weights, workdir, verb, make, words):
    make("bad.png")
    rest = {"down": ["o.png", "--weights", weights], "up": ["o.png"], "roundtrip": ["--weights", weights], "info": []}
    with nothing_new(workdir):
        complains(cli(verb, "bad.png", *rest[verb]), DATA, "bad.png", words)


def test_cmyk_jpeg_is_refused(cli, weights, workdir):
    PIL.Image.new("CMYK", (9, 9)).save("ink.jpg")
    with nothing_new(workdir):
        complains(cli("down", "ink.jpg", "o.png", "--weights", weights), DATA, "ink.jpg", "CMYK")


@pytest.mark.parametrize("verb", ["down", "roundtrip", "info"])
def test_picture_beyond_the_pixel_limit_is_refused(cli, weights, picture, workdir, monkeypatch, verb):
    picture()
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 500)
    rest = {"down": ["o.png", "--weights", weights], "roundtrip": ["--weights", weights], "info": []}
    with nothing_new(workdir):
        complains(cli(verb, "a.png", *rest[verb]), DATA, "too many pixels", "the limit is 500")


MANIFESTS = {
    "none": (None, DATA, "carries no manifest"),
    "broken": ("{not json", DATA, "broken manifest"),
    "a list": ("[]", DATA, "broken manifest"),
    "far too long": ("x" * 5000, DATA, "2048 bytes"),
    "newer": ({"format": 4, "resizekit": "9.9"}, DATA, "resizekit 9.9", "upgrade"),
    "newer and unknown": ({"format": 7, "resizekit": "9.9", "more": [1]}, DATA, "upgrade"),
    "unknown weights": ({"weights": "nope"}, DATA, "'nope'", "--weights"),
    "unknown task": ({"task": "nope", "weights": "nope"}, USAGE, "'nope'", "installed: "),
    "a path for weights": ({"weights": "../../tiny.safetensors"}, DATA, "broken manifest (weights"),
    "an absolute path": ({"weights": "/tiny"}, DATA, "broken manifest (weights"),
    "pixels of others": ({"pixels": "0" * 64}, DATA, "changed after it was made"),
    "a huge original": ({"size": [100_000, 100_000]}, DATA, "too many"),
    "an unknown key": ({"run": "rm"}, DATA, "broken manifest (run"),
}


@pytest.mark.parametrize(("change", "code", "words"), [(c, n, w) for c, n, *w in MANIFESTS.values()], ids=MANIFESTS)
def test_invalid_manifests(cli, small, workdir, change, code, words):
    text = json.dumps(small | change) if isinstance(change, dict) else change
    note = PngInfo()
    if text is not None:
        note.add_itxt("resizekit", text)
    with PIL.Image.open("small.png") as image:
        image.save("odd.png", pnginfo=note)
    with nothing_new(workdir):
        complains(cli("up", "odd.png", "o.png"), code, *words)


FITTING = {
    "other weights": ({"digest": "0" * 64}, "other weights 'tiny'"),
    "another task": ({"task": "colorize"}, "do something else"),
    "another spec": ({"spec": {"s": 3, "r": 3}}, "do something else"),
    "another size": ({"size": [53, 40]}, "does not fit its own manifest"),
    "another mode": ({"mode": "RGBA"}, "does not fit its own manifest"),
}


@pytest.mark.parametrize(("change", "words"), FITTING.values(), ids=FITTING)
def test_manifests_that_do_not_fit_the_weights(cli, small, weights, workdir, change, words):
    note = PngInfo()
    note.add_itxt("resizekit", json.dumps(small | change))
    with PIL.Image.open("small.png") as image:
        image.save("odd.png", pnginfo=note)
    with nothing_new(workdir):
        complains(cli("up", "odd.png", "o.png", "--weights", weights), DATA, words)


def test_changed_small_images(cli, small, weights, grey_weights, workdir):
    note = PngInfo()
    note.add_itxt("resizekit", json.dumps(small))
    with PIL.Image.open("small.png") as image:
        image.resize((13, 10)).save("resized.png", pnginfo=note)
        image.convert("P").save("palette.png", pnginfo=note)
        image.save("lossy.jpg")
    with nothing_new(workdir):
        for name in ("resized.png", "palette.png"):
            complains(cli("up", name, "o.png", "--weights", weights), DATA, "was changed after it was made small")
        complains(cli("up", "lossy.jpg", "o.png", "--weights", weights), DATA, "carries no manifest")
        complains(cli("up", "small.png", "o.png", "--weights", grey_weights), DATA, "other weights")
        complains(cli("up", "small.png", "o.png"), DATA, "'tiny'", "not installed", "--weights")


def header_of(weights, **change):
    """Write a copy of the weights file with another header."""
    with safe_open(weights, "pt") as file:
        texts, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, "odd.safetensors", metadata=texts | {key: json.dumps(value) for key, value in change.items()})


def other_width(weights):
    with safe_open(weights, "pt") as file:
        recipe = json.loads(file.metadata()["recipe"])
    header_of(weights, recipe=recipe | {"network": {"width": 9, "blocks": 1}})


WEIGHTS = {
    "missing": (lambda weights: None, DATA, "no weights file"),
    "empty": (lambda weights: written(b"")("odd.safetensors"), DATA, "not a safetensors file"),
    "junk": (lambda weights: written(b"junk" * 99)("odd.safetensors"), DATA, "not a safetensors file"),
    "truncated": (
        lambda weights: written(weights.read_bytes()[:-9])("odd.safetensors"),
        DATA,
        "not a safetensors file",
    ),
    "a pickle": (lambda weights: torch.save({}, "odd.safetensors"), DATA, "not a safetensors file"),
    "of another program": (
        lambda weights: save_file({"x": torch.ones(2)}, "odd.safetensors"),
        DATA,
        "no resizekit header",
    ),
    "newer": (lambda weights: header_of(weights, format=2, resizekit="9.9"), DATA, "resizekit 9.9", "upgrade"),
    "other digest": (lambda weights: header_of(weights, digest="0" * 64), DATA, "digest differs"),
    "other network": (other_width, DATA, "does not fit its own header"),
    "unknown task": (lambda weights: header_of(weights, recipe={"task": "nope"}), USAGE, "no task 'nope'"),
}


@pytest.mark.parametrize(("make", "code", "words"), [(m, n, w) for m, n, *w in WEIGHTS.values()], ids=WEIGHTS)
def test_broken_weights_files(cli, weights, picture, workdir, make, code, words):
    make(weights)
    source = picture()
    with nothing_new(workdir):
        complains(cli("down", source, "o.png", "--weights", "odd.safetensors"), code, *words)


def test_weights_that_do_not_exist_or_fit(cli, weights, grey_weights, picture, workdir):
    source = picture()
    (workdir / "folder.safetensors").mkdir()
    with nothing_new(workdir):
        complains(cli("down", source, "o.png", "--weights", "nope"), USAGE, "no weights 'nope' is installed")
        complains(cli("down", source, "o.png", "--weights", "x" * 300), USAGE, "xxx", "installed")
        complains(cli("down", source, "o.png", "--weights", "folder.safetensors"), DATA, "no weights file")
        complains(cli("down", source, "o.png", "--weights", workdir), DATA, "no weights file")
        complains(cli("down", source, "o.png", "--task", "nope"), USAGE, "no task 'nope' is installed")
        complains(cli("down", source, "o.png", "--weights", weights, "--task", "sr"), USAGE, "contradict")
        complains(cli("down", source, "o.png", "--weights", grey_weights), DATA, "take 1: use weights for RGB")
        complains(cli("info", "folder.safetensors"), DATA, "no weights file")


def test_impossible_depths(cli, weights, picture, workdir):
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
def test_weights_that_cannot_be_repeated(cli, half_weights, picture, workdir, r, t, why):
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
    "precision": (["--precision", "half"], "'half'", "auto, float32 or bfloat16"),
}


@pytest.mark.parametrize(("options", "words"), [(o, w) for o, *w in OPTIONS.values()], ids=OPTIONS)
@pytest.mark.parametrize("verb", ["down", "roundtrip"])
def test_invalid_options(cli, weights, picture, workdir, verb, options, words):
    out = ["o.png"] if verb == "down" else []
    with nothing_new(workdir / picture().parent):
        complains(cli(verb, "a.png", *out, "--weights", weights, *options), USAGE, *words)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what would be missing")
def test_missing_gpu(cli, weights, picture, workdir):
    with nothing_new(workdir / picture().parent):
        complains(cli("down", "a.png", "o.png", "--weights", weights, "--device", "cuda"), USAGE, "no CUDA device")


def test_impossible_outputs(cli, weights, picture, workdir):
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
        "o": "name it .png",
        "absent/o.png": "the folder absent does not exist",
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


def test_up_refuses_unknown_formats_and_its_input(cli, small, weights, workdir):
    with nothing_new(workdir):
        complains(cli("up", "small.png", "o.gif", "--weights", weights), USAGE, "unknown format", ".png")
        complains(cli("up", "small.png", "small.png", "--weights", weights, "--overwrite"), USAGE, "input itself")


def test_full_disk_leaves_no_file(cli, weights, workdir):
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
    assert all(line.startswith("error: ") for line in lines)
    assert "in/empty.png is empty" in lines[0]
    assert "in/text.png is not a picture" in lines[1]
    assert "2 of 4 pictures failed; the others are done" in lines[2]
    assert sorted(path.name for path in (workdir / "out").iterdir()) == ["a.png", "z.png"]
    run = cli("down", "in", "out", "--weights", weights, "--json")  # everything is there already
    assert (run.code, json.loads(run.out)) == (DATA, [])
    assert run.err.count("exists") == 2
    assert "all 4 pictures failed" in run.err


def test_impossible_folders(cli, weights, picture, workdir):
    picture("twice/a.png")
    picture("twice/a.jpg")
    (workdir / "bare").mkdir()
    with nothing_new(workdir):
        run = cli("down", "twice", "out", "--weights", weights)
        complains(run, USAGE, "twice/a.jpg and twice/a.png would both become out/a.png")
        complains(cli("down", "twice", "twice/a.png", "--weights", weights), USAGE, "is a file: name a folder")
        complains(cli("down", "bare", "out", "--weights", weights), DATA, "no picture in bare")
        complains(cli("down", "*.tif", "out", "--weights", weights), DATA, "nothing matches *.tif")
        complains(cli("down", "twice/a.png", "absent.png", "out", "--weights", weights), DATA, "absent.png")
        complains(cli("roundtrip", "bare", "--weights", weights), DATA, "bare is a folder")
        complains(cli("roundtrip", ".", "--weights", weights), DATA, "is a folder")
        complains(cli("info", "bare"), DATA, "is a folder")
        complains(cli("evaluate", "bare", "--weights", weights), DATA, "no usable picture in bare")
        complains(cli("evaluate", "absent", "--weights", weights), DATA, "no file or folder absent")


TRAIN = 'task = "sr"\n[network]\nwidth = 8\nblocks = 1\n[train]\ndata = ["data"]\nsteps = 2\nbatch = 1\npatch = 16\n'
CONFIGS = {
    "empty": (b"", "key 'task' is missing"),
    "binary": (bytes(range(256)), "is not TOML"),
    "no TOML": (b"task = = 3", "is not TOML", "line 1"),
    "unknown task": (b'task = "nope"', "no task 'nope'", "sr"),
    "unknown network": (b'task = "sr"\n[config]\nnetwork = "nope"', "no network 'nope'", "tad"),
    "unknown compression": (b'task = "sr"\n[config]\ncompression = "nope"', "no compression 'nope'", "uint8"),
    "unknown table": (b'task = "sr"\n[trian]\nsteps = 3', "trian", "known keys", "train"),
    "unknown key": (TRAIN.replace("steps", "stepps").encode(), "train.stepps", "known keys", "steps"),
    "a budget that is no time": (TRAIN.encode() + b'budget = "soon"', "train.budget = 'soon'", "20 min"),
    "a phase without a share": (TRAIN.encode() + b"phases = [{ patch = 8 }]", "train.phases.0.share", "missing"),
    "an unknown norm": (
        TRAIN.replace("[net", '[config]\nguide_loss = "l3"\n[net').encode(),
        "guide_loss = 'l3'",
        "'rms'",
    ),
    "negative rate": (TRAIN.encode() + b"lr = -1", "train.lr = -1", "greater than 0"),
    "text for a number": (TRAIN.replace("steps = 2", 'steps = "many"').encode(), "train.steps = 'many'", "integer"),
    "no width": (TRAIN.replace("width = 8", "width = 0").encode(), "width = 0", "greater than or equal to 1"),
    "inexact factor": (TRAIN.replace("[net", "[config]\nspec = { s = 2.5 }\n[net").encode(), "spec.s", "exact", "3/2"),
    "patch": (TRAIN.replace("patch = 16", "patch = 15").encode(), "train.patch = 15", "multiple"),
    "patch too large": (TRAIN.replace("patch = 16", "patch = 64").encode(), "each side needs at least 64 pixels"),
    "no data": (TRAIN.replace('"data"', "").encode(), "--data"),
}


@pytest.mark.parametrize(("text", "words"), [(t, w) for t, *w in CONFIGS.values()], ids=CONFIGS)
def test_invalid_configs(cli, picture, workdir, text, words):
    picture("data/a.png")
    (workdir / "run.toml").write_bytes(text)
    with nothing_new(workdir):
        complains(cli("train", "run.toml", "--device", "cpu"), USAGE, *words)


def test_impossible_training_inputs_and_outputs(cli, picture, workdir):
    picture("data/a.png")
    (workdir / "run.toml").write_text(TRAIN)
    (workdir / "bare").mkdir()
    (workdir / "broken").mkdir()
    (workdir / "broken" / "a.png").write_bytes(b"no picture")
    with nothing_new(workdir):
        complains(cli("train", "absent.toml"), USAGE, "cannot read the config absent.toml")
        complains(cli("train", "data"), USAGE, "cannot read the config data", "directory")
        complains(cli("train", "run.toml", "--data", "absent"), DATA, "no file or folder absent")
        complains(cli("train", "run.toml", "--data", "bare"), USAGE, "no usable picture in bare")
        complains(cli("train", "run.toml", "--data", "broken"), USAGE, "1 skipped", "broken/a.png")
        complains(cli("train", "run.toml", "--validation", "bare"), USAGE, "no usable picture in bare")
        complains(cli("train", "run.toml", "--out", "run.toml"), USAGE, "cannot create the folder run.toml")
        complains(cli("train", "run.toml", "--device", "tpu"), USAGE, "'tpu'")
        complains(cli("train", "run.toml", "--budget", ""), USAGE, "command line: budget = ''", "20 min")
        complains(cli("schema", "nope"), USAGE, "no task 'nope'")
    (workdir / "out" / "log.csv").mkdir(parents=True)
    with nothing_new(workdir):
        complains(cli("train", "run.toml", "--out", "out"), DATA, "out/log.csv: Is a directory")


@pytest.mark.parametrize("argv", [["bogus"], ["down", "--bogus"], ["down", "a.png"], ["train", "x", "--steps", "0"]])
def test_unknown_verbs_and_options(cli, argv):
    run = cli(*argv)
    assert run.code == USAGE
    assert run.out == ""
    assert "Usage: " in run.err
    assert "Traceback" not in run.err


def test_control_characters_are_escaped(cli, weights, workdir):
    header_of(weights, provider="\x1b[31mred\nline")
    assert '\nprovider   "\\u001b[31mred\\nline"\n' in cli("info", "odd.safetensors").out
    header_of(weights, format=2, resizekit="\x1b]0;title\x07")
    complains(cli("info", "odd.safetensors"), DATA, r"resizekit \x1b]0;title\x07 in format 2")
    complains(cli("info", "\x1b[31m.png"), DATA, r"\x1b[31m.png does not exist")


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")],
    ids=["python", "torch"],
)
def test_lack_of_memory_suggests_tiles(cli, weights, picture, workdir, monkeypatch, error):
    def fail(*_, **__):
        raise error

    source = picture()
    monkeypatch.setattr("resizekit.images.files.down_picture", fail)
    with nothing_new(workdir):
        complains(cli("down", source, "o.png", "--weights", weights), DATA, "out of memory", "--tile 512")
