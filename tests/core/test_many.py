"""down_many and up_many: the pictures of folders from Python, with the outcomes of the command line."""

import warnings
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest

import resizekit
from resizekit.errors import ImageError, UnknownNameError, UsageError
from resizekit.images.run_options import RunOptions
from resizekit.images.target_size import TargetSize
from resizekit.pictures.io.read import read_picture

FAST = "sr-x2-fast"
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder with three pictures, of which two have the same stem, and one in a subfolder; and no picture."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "sub").mkdir()
    with PIL.Image.open(EXAMPLES / "astronaut.png") as photo:
        for index, name in enumerate(("a.jpg", "a.png", "sub/b.png")):
            photo.crop((200 + index, 60, 250 + index, 100)).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    return folder


NAMES = {"a.jpg.png", "a.png.png", "sub/b.png"}


def by_name(outcomes, folder):
    return {outcome.job.output.relative_to(folder).as_posix(): outcome for outcome in outcomes}


@pytest.mark.parametrize("jobs", [1, 2])
def test_down_many_and_up_many_equal_single_files(tmp_path, photos, jobs):
    codec = resizekit.load(FAST)
    small = tmp_path / "small"
    outcomes = by_name(resizekit.down_many(photos, small, weights=codec, jobs=jobs), small)
    assert outcomes.keys() == NAMES
    for name, outcome in outcomes.items():
        assert (outcome.status, outcome.error) == ("done", None)
        assert outcome.seconds > 0
        assert outcome.result.manifest.weights == FAST
        assert (small / name).read_bytes() == resizekit.down_bytes(outcome.job.source, weights=codec)
    out = tmp_path / "out"
    restored = by_name(resizekit.up_many(small, out, jobs=jobs), out)
    assert restored.keys() == {"a.jpg.png", "a.png.png", "sub/b.png"}
    for name, outcome in restored.items():
        assert outcome.result == outcomes[name].result.manifest
        assert np.array_equal(read_picture(out / name).pixels, np.asarray(resizekit.up_bytes(small / name)))


def test_outputs_have_the_names_of_the_command_line(tmp_path, photos, cli):
    library = {o.job.output.relative_to(tmp_path / "a") for o in resizekit.down_many(photos, tmp_path / "a", task="sr")}
    assert cli("down", photos, tmp_path / "b", "--quiet").code == 0
    assert library == {p.relative_to(tmp_path / "b") for p in (tmp_path / "b").rglob("*.png")}


def test_patterns_and_lists_of_sources_are_searched(tmp_path, photos):
    outcomes = by_name(resizekit.down_many(f"{photos}/**/*.png", tmp_path / "a", weights=FAST), tmp_path / "a")
    assert outcomes.keys() == {"a.png", "sub/b.png"}
    sources = [str(photos / "a.jpg"), photos / "sub"]
    options = {"compression": "webp", "target": TargetSize(scale="5/2")}
    outcomes = by_name(resizekit.down_many(sources, tmp_path / "b", weights=FAST, **options), tmp_path / "b")
    assert outcomes.keys() == {"a.webp", "b.webp"}
    assert {read_picture(tmp_path / "b" / name).hw.wh for name in outcomes} == {(20, 16)}


def test_existing_outputs_fail_are_skipped_or_replaced(tmp_path, photos):
    source, out = photos / "sub", tmp_path / "out"
    out.mkdir()
    (out / "b.png").write_bytes(b"other")

    def run(existing):
        (outcome,) = resizekit.down_many(source, out, weights=FAST, existing=existing)
        return outcome

    failed = run("error")
    assert (failed.status, failed.result) == ("failed", None)
    assert str(failed.error).startswith(f"{out / 'b.png'} exists")
    assert "existing='overwrite'" in str(failed.error)
    assert run("skip").status == "skipped"
    assert (out / "b.png").read_bytes() == b"other"
    assert run("overwrite").status == "done"
    assert (out / "b.png").read_bytes() == resizekit.down_bytes(source / "b.png", weights=FAST)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_broken_picture_is_its_own_outcome(tmp_path, photos, jobs):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    outcomes = list(resizekit.down_many([broken, photos / "a.png"], tmp_path / "out", weights=FAST, jobs=jobs))
    assert sorted((outcome.job.source.name, outcome.status) for outcome in outcomes) == [
        ("a.png", "done"),
        ("broken.png", "failed"),
    ]
    (error,) = (outcome.error for outcome in outcomes if outcome.error)
    assert isinstance(error, ImageError)
    assert str(broken) in str(error)


def test_the_gain_of_an_effort_is_in_the_result(tmp_path, photos):
    (outcome,) = resizekit.down_many(photos / "sub", tmp_path / "out", weights=FAST, effort=1)
    assert outcome.result.gain > 0
    assert outcome.result.manifest.effort == 1


def test_nothing_is_written_before_the_first_iteration(tmp_path, photos):
    outcomes = resizekit.down_many(photos, tmp_path / "out", weights=FAST)
    assert not (tmp_path / "out").exists()
    assert next(outcomes).status == "done"
    outcomes.close()
    assert len([path for path in (tmp_path / "out").rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"existing": "replace"}, UsageError, "invalid existing='replace': expected 'error', 'skip' or 'overwrite'"),
        ({"jobs": 0}, UsageError, "invalid jobs=0: expected an integer of 1 or more"),
        ({"jobs": "2"}, UsageError, "invalid jobs='2': expected an integer of 1 or more"),
        ({"options": RunOptions(overwrite=True)}, UsageError, "options.overwrite contradicts existing='error'"),
        ({"task": "sr"}, UsageError, "pass exactly one of weights and task"),
        ({"weights": "no-weights"}, UnknownNameError, "no-weights"),
        ({"sources": "nothing/*.png"}, ImageError, "nothing matches nothing/"),
        ({"effort": 9}, UsageError, "effort"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_invalid_arguments_are_refused_at_the_call(tmp_path, photos, change, error, message):
    arguments = {"sources": photos, "out": tmp_path / "out", "weights": FAST} | change
    with pytest.raises(error, match=message):
        resizekit.down_many(**arguments)


def test_warnings_of_other_processes_are_repeated(tmp_path, photos):
    small = tmp_path / "small"
    list(resizekit.down_many(photos, small, weights=FAST))
    for path in small.rglob("*.png"):  # the pixels change, the manifest stays
        with PIL.Image.open(path) as image:
            text = image.text["resizekit"]
            pixels = np.array(image)
        info = PIL.PngImagePlugin.PngInfo()
        info.add_itxt("resizekit", text)
        pixels[0, 0, 0] ^= 1
        PIL.Image.fromarray(pixels).save(path, pnginfo=info)
    assert {outcome.status for outcome in resizekit.up_many(small, tmp_path / "no", jobs=2)} == {"failed"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outcomes = list(resizekit.up_many(small, tmp_path / "out", force=True, jobs=2))
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert {str(warning.message).split(" was changed")[0] for warning in caught} == {
        str(path) for path in small.rglob("*.png")
    }
