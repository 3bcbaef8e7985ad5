"""Bad pictures, small images and weights files: one line of error, and no partial files."""

import json
from pathlib import Path

import PIL.Image
import pytest
import torch
from PIL.PngImagePlugin import PngInfo
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import save_file

from resizekit.pictures.manifest import Manifest

DATA, USAGE = 1, 2


@pytest.fixture
def small(cli, weights, picture, workdir):
    """Write a small image, and return its manifest without the checksum, so that a field can be replaced."""
    cli("down", picture("made.png"), "small.png", "--weights", weights)
    (workdir / "made.png").unlink()
    with PIL.Image.open("small.png") as image:
        fields = json.loads(image.text["resizekit"])
    del fields["checksum"]
    return fields


def sealed(fields):
    """Return the text of a manifest, with its checksum if its fields are valid."""
    text = json.dumps(fields)
    try:
        return text if "checksum" in fields else Manifest.model_validate_json(text).to_text()
    except ValidationError:
        return text


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
def test_broken_pictures(cli, complains, nothing_new, weights, workdir, verb, make, words):
    make("bad.png")
    rest = {"down": ["o.png", "--weights", weights], "up": ["o.png"], "roundtrip": ["--weights", weights], "info": []}
    with nothing_new(workdir):
        complains(cli(verb, "bad.png", *rest[verb]), DATA, "bad.png", words)


def test_cmyk_jpeg_is_refused(cli, complains, nothing_new, weights, workdir):
    PIL.Image.new("CMYK", (9, 9)).save("ink.jpg")
    with nothing_new(workdir):
        complains(cli("down", "ink.jpg", "o.png", "--weights", weights), DATA, "ink.jpg", "CMYK")


@pytest.mark.parametrize("verb", ["down", "roundtrip", "info"])
def test_picture_beyond_the_pixel_limit_is_refused(
    cli, complains, nothing_new, weights, picture, workdir, monkeypatch, verb
):
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
    "a changed size": ({"size": [52, 38], "checksum": "0" * 64}, DATA, "manifest that was changed"),
    "an unknown key": ({"run": "rm"}, DATA, "broken manifest (run"),
}


@pytest.mark.parametrize(("change", "code", "words"), [(c, n, w) for c, n, *w in MANIFESTS.values()], ids=MANIFESTS)
def test_invalid_manifests(cli, complains, nothing_new, small, workdir, change, code, words):
    text = sealed(small | change) if isinstance(change, dict) else change
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
def test_manifests_that_do_not_fit_the_weights(cli, complains, nothing_new, small, weights, workdir, change, words):
    note = PngInfo()
    note.add_itxt("resizekit", sealed(small | change))
    with PIL.Image.open("small.png") as image:
        image.save("odd.png", pnginfo=note)
    with nothing_new(workdir):
        complains(cli("up", "odd.png", "o.png", "--weights", weights), DATA, words)


def test_changed_small_images(cli, complains, nothing_new, small, weights, grey_weights, workdir):
    note = PngInfo()
    note.add_itxt("resizekit", sealed(small))
    with PIL.Image.open("small.png") as image:
        image.resize((13, 10)).save("resized.png", pnginfo=note)
        image.convert("P").save("palette.png", pnginfo=note)
        image.save("lossy.jpg")
    with nothing_new(workdir):
        for name in ("resized.png", "palette.png"):
            complains(cli("up", name, "o.png", "--weights", weights), DATA, "was changed after it was made small")
        complains(cli("up", "lossy.jpg", "o.png"), DATA, "carries no manifest", "`up --weights NAME`")
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
def test_broken_weights_files(cli, complains, nothing_new, weights, picture, workdir, make, code, words):
    make(weights)
    source = picture()
    with nothing_new(workdir):
        complains(cli("down", source, "o.png", "--weights", "odd.safetensors"), code, *words)


def test_weights_that_do_not_exist_or_fit(cli, complains, nothing_new, weights, grey_weights, picture, workdir):
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


def test_up_refuses_unknown_formats_and_its_input(cli, complains, nothing_new, small, weights, workdir):
    with nothing_new(workdir):
        complains(cli("up", "small.png", "o.gif", "--weights", weights), USAGE, "unknown format", ".png")
        complains(cli("up", "small.png", "small.png", "--weights", weights, "--overwrite"), USAGE, "input itself")


def test_control_characters_are_escaped(cli, complains, weights, workdir):
    header_of(weights, provider="\x1b[31mred\nline")
    assert '\nprovider   "\\u001b[31mred\\nline"\n' in cli("info", "odd.safetensors").out
    header_of(weights, format=2, resizekit="\x1b]0;title\x07")
    complains(cli("info", "odd.safetensors"), DATA, r"resizekit \x1b]0;title\x07 in format 2")
    complains(cli("info", "\x1b[31m.png"), DATA, r"\x1b[31m.png does not exist")
