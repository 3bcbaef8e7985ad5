"""A tiny suite run: figures as `measure` gives them, each once, in one process or in two, and what is wrong is told."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from resizekit import Published, Suite, SuiteColumn, SuiteSet, load, save
from resizekit.errors import CheckpointError, ImageError, MissingExtraError, PluginError, ResizeKitError, UsageError
from resizekit.evaluation.measure import measure
from resizekit.evaluation.metrics import luma, psnr
from resizekit.suites import collect
from resizekit.suites.cache import Cache
from resizekit.suites.picture_metrics import ColumnRecipe, measure_picture
from resizekit.suites.process_pool import run_in_processes
from resizekit.suites.results import read_results
from resizekit.suites.run import SuiteRun, cache_of
from resizekit.suites.sets import find_sets

SUITE = Suite(
    name="tiny",
    summary="two pictures by two",
    columns=(
        SuiteColumn(key="bicubic-x2", label="bicubic", group="bicubic", factor=2),
        SuiteColumn(key="mine-x2", label="mine", group="ours", factor=2, weights="mine", beside="absent-x2"),
        SuiteColumn(key="mine-x2-y", label="mine, Y", group="ours", factor=2, channels=1, weights="mine-y"),
        SuiteColumn(
            key="absent-x2", label="absent", group="ours", factor=2, weights="absent",
            network={"task": "sr", "network": {"width": 4, "blocks": 0}},
        ),
    ),
    sets=(
        SuiteSet(name="Some", pictures=2, sizes=((32, 24),)),
        SuiteSet(name="More", pictures=1, optional=True),
    ),
    printed=(Published(column="absent-x2", set="Some", rgb=30.0),),
    timed={"absent-x2": 1.5, "bicubic-x2": None, "mine-x2": None},
    timed_size=(64, 96),
)  # fmt: skip


@pytest.fixture
def data(tmp_path, picture):
    folder = tmp_path / "data" / "Some"
    folder.mkdir(parents=True)
    Image.fromarray(picture(24, 32, seed=1)).save(folder / "a.png")
    Image.fromarray(picture(24, 32, seed=2)).save(folder / "b.png")
    return folder.parent


@pytest.fixture
def runs(tmp_path, weights):
    """Weights of one's own: in a folder of a run, and as a file."""
    folder = tmp_path / "runs"
    (folder / "mine").mkdir(parents=True)
    (folder / "mine" / "weights.safetensors").write_bytes(weights[3].read_bytes())
    (folder / "mine-y.safetensors").write_bytes(weights[1].read_bytes())
    return folder


@pytest.fixture
def ask(data, runs, tmp_path):
    def made(**changes):
        given = {"suite": SUITE, "data": data, "out": tmp_path / "r.json", "runs": runs, "device": "cpu"} | changes
        return SuiteRun(**given)

    return made


@pytest.fixture
def counted(monkeypatch):
    """How many pictures were measured so far."""
    seen = []
    whole = collect.measure_picture
    monkeypatch.setattr(collect, "measure_picture", lambda way, path: seen.append(path) or whole(way, path))
    return seen


def test_figures_are_those_of_measure(ask, codecs, data):
    told = ask().run()
    assert told == read_results(ask().out)
    for key, codec in (("mine-x2", codecs[3]), ("mine-x2-y", codecs[1])):
        for one in told.of(key, "Some"):
            pixels = np.array(Image.open(data / "Some" / one.picture))
            if codec.channels == 1:
                pixels = luma(pixels)[:, :, None]
            plain = measure(codec, pixels)
            names = ("high_y", "low_y") if codec.channels == 1 else ("high_rgb", "high_y", "low_rgb", "low_y")
            assert {name: getattr(one, name) for name in names} == {name: plain[name] for name in names}
            (bicubic,) = (other for other in told.of("bicubic-x2", "Some") if other.picture == one.picture)
            assert (bicubic.low_rgb, bicubic.low_y) == (None, None)
            if codec.channels == 3:
                assert (bicubic.high_rgb, bicubic.high_y) == (plain["bicubic_rgb"], plain["bicubic_y"])
                assert 0 < one.ssim_rgb < 1
            else:
                assert (one.high_rgb, one.ssim_rgb, one.low_rgb) == (None, None, None)
            assert one.low_bytes > 60


def test_a_column_without_weights_has_no_figure(ask):
    told = ask().run()
    assert told.column("absent-x2").status == "not trained"
    assert not told.of("absent-x2", "Some")
    assert told.column("mine-x2").status == told.column("bicubic-x2").status == "measured"
    assert told.column("mine-x2").digest == load(ask().runs / "mine" / "weights.safetensors").digest
    assert told.printed_beside("mine-x2", "Some").rgb == 30.0


def test_a_picture_is_measured_once(ask, counted):
    first = ask().run()
    assert len(counted) == 6
    assert ask().run() == first
    assert len(counted) == 6, "the second run only reads"
    (ask().out).unlink()
    assert ask(columns=("mine-x2",)).run().pictures == first.of("mine-x2", "Some")
    assert len(counted) == 6, "the cache stays, whatever is asked for"
    ask(columns=("mine-x2",), border=0).run()
    ask(columns=("mine-x2",), ssim=False).run()
    assert len(counted) == 10


def test_a_table_grows_by_columns(ask, counted):
    """What is dear can be measured elsewhere, and only once."""
    whole = ask().run()
    ask().out.unlink()
    ask(columns=("mine-x2",)).run(command="mine")
    (ask().runs / "mine" / "weights.safetensors").unlink()
    told = ask(columns=("bicubic-x2",)).run(command="bicubic")
    assert [(run.command, run.columns) for run in (told.made_by, *told.earlier)] == [
        ("bicubic", ("bicubic-x2",)), ("mine", ("mine-x2",)),
    ]  # fmt: skip
    assert [column.key for column in told.columns] == ["bicubic-x2", "mine-x2"]
    assert told.pictures == tuple(one for one in whole.pictures if one.column in ("bicubic-x2", "mine-x2"))
    assert told.sets == whole.sets
    assert told.printed == whole.printed  # of the column that mine stands beside
    assert len(counted) == 6
    again = ask(columns=("bicubic-x2",)).run(command="again")
    assert [(run.command, run.columns) for run in again.earlier] == [("mine", ("mine-x2",))]
    assert (again.made_by.columns, len(counted)) == (("bicubic-x2",), 6)
    other = ask(columns=("bicubic-x2",), border=0).run()
    assert [column.key for column in other.columns] == ["bicubic-x2"], "figures of another border stand for themselves"


def test_other_weights_and_other_pictures_are_measured_anew(ask, counted, data, picture, small_weights):
    ask().run()
    Image.fromarray(picture(24, 32, seed=9)).save(data / "Some" / "a.png")
    ask().run()
    assert len(counted) == 6 + 3
    small_weights(ask().runs / "mine" / "weights.safetensors", seed=5)
    ask().run()
    assert len(counted) == 6 + 3 + 2


def test_an_interrupted_run_goes_on(ask, counted):
    def stop(done, of):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask().run(progress=stop)
    assert not ask().out.exists()
    cache = cache_of(ask().out)
    cache.write_bytes(cache.read_bytes()[:-20])  # as if the last line was cut off
    ask().run()
    assert len(counted) == 2 + 5
    lines = cache.read_text().splitlines()
    assert ask().run() == read_results(ask().out)
    assert cache.read_text().splitlines() == lines


def test_several_jobs_give_the_same(ask, data, tmp_path):
    (data / "Some" / "c.png").write_bytes(b"no picture")
    warned = []
    several = ask(jobs=2, ssim=False, out=tmp_path / "two.json").run(warn=warned.append)
    assert several.pictures == ask(ssim=False).run().pictures
    assert [line for line in warned if "left out" in line and "c.png" in line]


def test_a_limit_and_a_border(ask, codecs, data):
    told = ask(limit=1, border=3, columns=("mine-x2", "bicubic-x2")).run()
    assert told.border == 3
    assert (told.sets[0].expected, told.sets[0].found, told.sets[0].measured) == (2, 2, 1)
    (one,) = told.of("mine-x2", "Some")
    high = np.array(Image.open(data / "Some" / "a.png"))
    assert one.high_rgb == psnr(codecs[3].up(codecs[3].down(high)), high, border=3)


def test_a_grey_file_has_the_y_that_it_holds(tmp_path, picture, weights):
    grey = picture(24, 32, 1, seed=3)
    Image.fromarray(grey[:, :, 0]).save(tmp_path / "grey.png")
    Image.fromarray(grey.repeat(3, 2)).save(tmp_path / "same.png")
    plain = {"factor": 2, "channels": 3, "border": 0, "ssim": False}
    bicubic = ColumnRecipe(weights=None, digest=None, **plain)
    told, squeezed = (measure_picture(bicubic, tmp_path / name) for name in ("grey.png", "same.png"))
    assert told["high_y"] == told["high_rgb"] == squeezed["high_rgb"]
    assert squeezed["high_y"] == pytest.approx(told["high_y"] + 20 * np.log10(255 / 219), abs=0.05)
    mine = ColumnRecipe(weights=weights[3], digest=load(weights[3]).digest, **plain)
    assert measure_picture(mine, tmp_path / "grey.png")["high_y"] == pytest.approx(
        measure_picture(mine, tmp_path / "same.png")["high_y"] - 20 * np.log10(255 / 219), abs=0.05
    )


def test_what_is_strange_about_a_set_is_told(data, picture):
    Image.fromarray(picture(24, 40)).save(data / "Some" / "c.png")
    Image.fromarray(picture(24, 32, 1)[:, :, 0]).save(data / "Some" / "d.png")
    found, warned = find_sets(SUITE, data, ("Some", "Set9", "Some"))
    assert [(one.name, one.found) for one in found] == [("Some", 4), ("Set9", 0)]
    assert warned[0] == "set Some has 4 pictures, where 2 are expected: its means are not those of others"
    assert "other sizes: c.png is 40x24, expected are 32x24" in warned[1]
    assert "grey pictures among those in colours: d.png" in warned[2]
    assert "set Set9 is missing: there is no folder" in warned[3]
    found, warned = find_sets(SUITE, data, limit=1)
    assert [one.name for one in found] == ["Some"], "an optional set is not missed"
    assert len(warned) == 1


def test_a_missing_set_is_named_and_the_rest_is_measured(ask):
    warned = []
    told = ask(sets=("More", "Some")).run(warn=warned.append)
    assert [(one.name, one.found, one.measured) for one in told.sets] == [("More", 0, 0), ("Some", 2, 2)]
    assert warned == [f"set More is missing, where 1 pictures are expected: there is no folder {ask().data / 'More'}"]


def test_what_cannot_be_used_is_refused(ask, data, tmp_path, weights, monkeypatch):
    def refused(kind, words, **changes):
        with pytest.raises(kind, match=words):
            ask(**changes).run()

    refused(UsageError, "no column 'x'; there are: bicubic-x2, mine-x2", columns=("x",))
    refused(UsageError, "no folder .*nowhere", data=tmp_path / "nowhere")
    refused(UsageError, "no folder .*nowhere", runs=tmp_path / "nowhere")
    refused(ImageError, "no pictures in", data=tmp_path)
    refused(UsageError, r"end its name in \.json", out=tmp_path / "r.txt")
    refused(UsageError, "does not exist", out=tmp_path / "no" / "r.json")
    (tmp_path / "other.json").write_text('{"format": 1}')
    refused(UsageError, "holds no results.*name another --out", out=tmp_path / "other.json")
    (tmp_path / "newer.json").write_text('{"format": 9}')
    refused(UsageError, "format 9.*name another --out", out=tmp_path / "newer.json")
    refused(UsageError, "results of the suite 'tiny'", suite=replace(SUITE, name="b"), out=_written(ask))
    broken = ask().runs / "mine" / "weights.safetensors"
    broken.write_bytes(weights[1].read_bytes())
    refused(CheckpointError, r"goes by s=2 r=2 with 1 channel\(s\), but column mine-x2")
    broken.write_bytes(b"nothing")
    refused(CheckpointError, "no safetensors file")
    for path in (data / "Some").iterdir():
        path.write_bytes(b"nothing")
    refused(ImageError, "no usable picture in .*the first: .*a.png", columns=("bicubic-x2",))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refused(MissingExtraError, r"resizekit\[suite\]")


def _written(ask):
    ask(columns=("bicubic-x2",)).run()
    return ask().out


def test_times_are_of_what_is_there_and_stay(ask):
    told = ask(timings=(64, 96)).run()
    assert [(one.column, one.height, one.width, one.printed) for one in told.timings] == [
        ("mine-x2", 64, 96, None), ("absent-x2", 64, 96, 1.5),
    ]  # fmt: skip
    assert all(one.seconds > 0 for one in told.timings)
    assert "not trained" in told.timings[1].note
    assert "not trained" not in told.timings[0].note
    assert ask().run().timings == told.timings
    assert ask(columns=("absent-x2", "bicubic-x2"), timings=(64, 64)).run().timings[0].printed is None


def test_trainings_are_told(ask, codecs):
    path = ask().runs / "mine" / "weights.safetensors"
    told = {"steps": 9, "seconds": 4.5, "pictures": 3, "batch": 2, "patch": 16, "hardware": "a CPU", "steps_before": 7}
    save(load(path), path, training=told)
    column = ask().run().column("mine-x2")
    assert column.trained.model_dump() == {
        "steps": 9, "seconds": 4.5, "steps_before": 7, "seconds_before": 0.0,
        "data": "3 pictures, 2 crops of 16x16 a step", "hardware": "a CPU",
    }  # fmt: skip
    save(load(path), path, training={"steps": "many"})
    assert ask().run().column("mine-x2").trained.steps is None


def test_a_job_that_dies_is_told():
    with pytest.raises(ResizeKitError, match="take fewer --jobs"):
        list(run_in_processes(os._exit, [3, 3], 2))


def test_a_suite_speaks_of_its_own_columns_and_sets_only():
    for changes, words in (
        ({"timed": {"x": None}}, "a column 'x'"),
        ({"printed": (Published(column="mine-x2", set="Set9"),)}, "a set 'Set9'"),
        ({"columns": SUITE.columns * 2}, "each of a name of its own"),
        ({"sets": ()}, "needs sets"),
    ):
        with pytest.raises(PluginError, match=words):
            replace(SUITE, **changes)


def test_the_cache_passes_over_what_is_not_its_own(tmp_path):
    path = tmp_path / "c.jsonl"
    Cache(path).put("a" * 64, {"high_y": 1.5, "low_y": None, "low_bytes": 3})
    path.write_text(path.read_text() + "nothing\n[]\n" + json.dumps({"key": "b" * 64, "figures": {"high_y": "x"}}))
    kept = Cache(path)
    assert kept["a" * 64] == {"high_y": 1.5, "low_y": None, "low_bytes": 3}
    assert "b" * 64 not in kept
    kept.put("c" * 64, {})
    assert "c" * 64 in Cache(path)
