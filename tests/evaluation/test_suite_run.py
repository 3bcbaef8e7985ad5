"""Runs of a tiny suite: metrics equal those of `measure`, caching, processes, warnings and errors."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resizekit import Published, Suite, SuiteColumn, SuiteSet, load, save
from resizekit.errors import CheckpointError, ImageError, MissingExtraError, PluginError, ResizeKitError, UsageError
from resizekit.evaluation.measure import measure
from resizekit.evaluation.metrics import luma, psnr
from resizekit.plugin.registry import installed
from resizekit.suites import collect
from resizekit.suites.cache import Cache
from resizekit.suites.picture_metrics import ColumnRecipe, measure_picture
from resizekit.suites.process_pool import run_in_processes
from resizekit.suites.results import read_results
from resizekit.suites.run import SuiteRun, cache_path
from resizekit.suites.sets import find_sets

SUITE = Suite(
    name="tiny",
    summary="two pictures by two",
    columns=(
        SuiteColumn(key="bicubic-x2", label="bicubic", group="bicubic", factor=2),
        SuiteColumn(
            key="mine-x2", label="mine", group="own", factor=2, weights="mine", featured=True, compare_with="absent-x2",
        ),
        SuiteColumn(key="mine-x2-y", label="mine, Y", group="own", factor=2, channels=1, weights="mine-y"),
        SuiteColumn(
            key="absent-x2", label="absent", group="own", factor=2, weights="absent",
            recipe={"task": "sr", "network": {"width": 4, "blocks": 0}},
        ),
    ),
    sets=(
        SuiteSet(name="Some", pictures=2, sizes=((24, 32),)),
        SuiteSet(name="More", pictures=1, optional=True),
    ),
    published=(Published(column="absent-x2", set="Some", rgb=30.0),),
    timings={"absent-x2": 1.5, "bicubic-x2": None, "mine-x2": None},
    timings_size=(64, 96),
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
    """The user's own weights: in the folder of a run, and as a file."""
    folder = tmp_path / "runs"
    (folder / "mine").mkdir(parents=True)
    (folder / "mine" / "weights.safetensors").write_bytes(weights[3].read_bytes())
    (folder / "mine-y.safetensors").write_bytes(weights[1].read_bytes())
    return folder


@pytest.fixture
def make_run(data, runs, tmp_path):
    def make(**changes):
        settings = {"suite": SUITE, "data": data, "out": tmp_path / "r.json", "runs": runs, "device": "cpu"} | changes
        return SuiteRun(**settings)

    return make


@pytest.fixture
def counted(monkeypatch):
    """The pictures that were measured so far."""
    measured = []
    original = collect.measure_picture
    monkeypatch.setattr(
        collect, "measure_picture", lambda recipe, path: measured.append(path) or original(recipe, path)
    )
    return measured


def test_metrics_equal_those_of_measure(make_run, codecs, data):
    results = make_run().run()
    assert results == read_results(make_run().out)
    for key, codec in (("mine-x2", codecs[3]), ("mine-x2-y", codecs[1])):
        for item in results.of(key, "Some"):
            pixels = np.array(Image.open(data / "Some" / item.picture))
            if codec.channels == 1:
                pixels = luma(pixels)[:, :, None]
            metrics = measure(codec, pixels)
            names = ("high_y", "low_y") if codec.channels == 1 else ("high_rgb", "high_y", "low_rgb", "low_y")
            assert {name: getattr(item, name) for name in names} == {name: metrics[name] for name in names}
            (bicubic,) = (other for other in results.of("bicubic-x2", "Some") if other.picture == item.picture)
            assert (bicubic.low_rgb, bicubic.low_y) == (None, None)
            if codec.channels == 3:
                assert (bicubic.high_rgb, bicubic.high_y) == (metrics["bicubic_rgb"], metrics["bicubic_y"])
                assert 0 < item.ssim_rgb < 1
            else:
                assert (item.high_rgb, item.ssim_rgb, item.low_rgb) == (None, None, None)
            assert item.low_bytes > 60


def test_column_without_weights_has_no_metrics(make_run):
    results = make_run().run()
    assert results.column("absent-x2").status == "not trained"
    assert not results.of("absent-x2", "Some")
    assert results.column("mine-x2").status == results.column("bicubic-x2").status == "measured"
    assert results.column("mine-x2").digest == load(make_run().runs / "mine" / "weights.safetensors").digest
    assert results.published_for("mine-x2", "Some").rgb == 30.0


def test_missing_weights_of_another_distribution_are_named_once(make_run, monkeypatch):
    offer = installed().tasks["sr"]
    task = replace(offer.value, weights_elsewhere={"absent": "install it", "mine": "install it", "more": "install it"})
    monkeypatch.setitem(installed().tasks, "sr", replace(offer, value=task))
    more = replace(SUITE.columns[-1], key="more-x2", weights="more")
    again = replace(SUITE.columns[-1], key="more-x2-effort", weights="more")
    lines = []
    results = make_run(suite=replace(SUITE, columns=(*SUITE.columns, more, again))).run(warn=lines.append)
    assert lines == ["weights that are not installed: absent, more; install it"]
    assert results.column("absent-x2").status == "not trained"
    assert len(results.of("mine-x2", "Some")) == 2, "the other columns are measured"


def test_each_picture_is_measured_once(make_run, counted):
    first = make_run().run()
    assert len(counted) == 6
    assert make_run().run() == first
    assert len(counted) == 6, "the second run only reads"
    (make_run().out).unlink()
    assert make_run(columns=("mine-x2",)).run().pictures == first.of("mine-x2", "Some")
    assert len(counted) == 6, "the cache does not depend on the selected columns"
    make_run(columns=("mine-x2",), border=0).run()
    make_run(columns=("mine-x2",), ssim=False).run()
    assert len(counted) == 10


def test_columns_can_be_added_by_later_runs(make_run, counted):
    """Expensive columns can be measured elsewhere, and only once."""
    complete = make_run().run()
    make_run().out.unlink()
    make_run(columns=("mine-x2",)).run(command="mine")
    (make_run().runs / "mine" / "weights.safetensors").unlink()
    results = make_run(columns=("bicubic-x2",)).run(command="bicubic")
    assert [(run.command, run.columns) for run in (results.made_by, *results.earlier_runs)] == [
        ("bicubic", ("bicubic-x2",)), ("mine", ("mine-x2",)),
    ]  # fmt: skip
    assert [column.key for column in results.columns] == ["bicubic-x2", "mine-x2"]
    assert results.pictures == tuple(item for item in complete.pictures if item.column in ("bicubic-x2", "mine-x2"))
    assert results.sets == complete.sets
    assert results.published == complete.published  # of the column that mine-x2 is compared with
    assert len(counted) == 6
    again = make_run(columns=("bicubic-x2",)).run(command="again")
    assert [(run.command, run.columns) for run in again.earlier_runs] == [("mine", ("mine-x2",))]
    assert (again.made_by.columns, len(counted)) == (("bicubic-x2",), 6)
    other = make_run(columns=("bicubic-x2",), border=0).run()
    assert [column.key for column in other.columns] == ["bicubic-x2"], "results with another border are not merged"


def test_columns_that_left_the_suite_are_dropped(make_run):
    results = make_run().run()
    path = make_run().out
    path.write_text(path.read_text().replace('"mine-x2"', '"gone-x2"'))
    merged = make_run(columns=("bicubic-x2",)).run()
    assert [column.key for column in merged.columns] == ["bicubic-x2", "mine-x2-y", "absent-x2"]
    assert merged.pictures == tuple(item for item in results.pictures if item.column != "mine-x2")


def test_changed_weights_and_pictures_are_measured_again(make_run, counted, data, picture, small_weights):
    make_run().run()
    Image.fromarray(picture(24, 32, seed=9)).save(data / "Some" / "a.png")
    make_run().run()
    assert len(counted) == 6 + 3
    small_weights(make_run().runs / "mine" / "weights.safetensors", seed=5)
    make_run().run()
    assert len(counted) == 6 + 3 + 2


def test_interrupted_run_continues_from_the_cache(make_run, counted):
    def stop(done, of):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_run().run(progress=stop)
    assert not make_run().out.exists()
    cache = cache_path(make_run().out)
    cache.write_bytes(cache.read_bytes()[:-20])  # cut off the last line
    make_run().run()
    assert len(counted) == 2 + 5
    lines = cache.read_text().splitlines()
    assert make_run().run() == read_results(make_run().out)
    assert cache.read_text().splitlines() == lines


def test_several_jobs_give_the_same_results(make_run, data, tmp_path):
    (data / "Some" / "c.png").write_bytes(b"no picture")
    warned = []
    several = make_run(jobs=2, ssim=False, out=tmp_path / "two.json").run(warn=warned.append)
    assert several.pictures == make_run(ssim=False).run().pictures
    assert [line for line in warned if "left out" in line and "c.png" in line]


def test_limit_and_border_are_applied(make_run, codecs, data):
    results = make_run(limit=1, border=3, columns=("mine-x2", "bicubic-x2")).run()
    assert results.border == 3
    assert (results.sets[0].expected, results.sets[0].found, results.sets[0].measured) == (2, 2, 1)
    (item,) = results.of("mine-x2", "Some")
    high = np.array(Image.open(data / "Some" / "a.png"))
    assert item.high_rgb == psnr(codecs[3].up(codecs[3].down(high)), high, border=3)


def test_y_of_a_grey_file_is_its_values(tmp_path, picture, weights):
    grey = picture(24, 32, 1, seed=3)
    Image.fromarray(grey[:, :, 0]).save(tmp_path / "grey.png")
    Image.fromarray(grey.repeat(3, 2)).save(tmp_path / "same.png")
    settings = {"factor": 2, "channels": 3, "border": 0, "ssim": False}
    bicubic = ColumnRecipe(weights=None, digest=None, **settings)
    as_grey, as_rgb = (measure_picture(bicubic, tmp_path / name) for name in ("grey.png", "same.png"))
    assert as_grey["high_y"] == as_grey["high_rgb"] == as_rgb["high_rgb"]
    assert as_rgb["high_y"] == pytest.approx(as_grey["high_y"] + 20 * np.log10(255 / 219), abs=0.05)
    mine = ColumnRecipe(weights=weights[3], digest=load(weights[3]).digest, **settings)
    assert measure_picture(mine, tmp_path / "grey.png")["high_y"] == pytest.approx(
        measure_picture(mine, tmp_path / "same.png")["high_y"] - 20 * np.log10(255 / 219), abs=0.05
    )


def test_effort_of_a_column_restores_better_and_is_cached_apart(tmp_path):
    astronaut = Image.open(Path(__file__).parents[2] / "examples/astronaut.png")
    astronaut.crop((200, 60, 264, 124)).save(tmp_path / "a.png")
    settings = {"factor": 2, "channels": 3, "weights": "sr-x2-fast", "digest": load("sr-x2-fast").digest, "ssim": False}
    plain, refined = (ColumnRecipe(effort=effort, **settings) for effort in (0, 1))
    assert refined.key("picture") != plain.key("picture") == ColumnRecipe(**settings).key("picture")
    before, after = (measure_picture(recipe, tmp_path / "a.png") for recipe in (plain, refined))
    assert after["high_rgb"] > before["high_rgb"] + 0.1
    assert after["low_rgb"] > before["low_rgb"] - 0.1


def test_sets_with_unexpected_pictures_cause_warnings(data, picture):
    Image.fromarray(picture(24, 40)).save(data / "Some" / "c.png")
    Image.fromarray(picture(24, 32, 1)[:, :, 0]).save(data / "Some" / "d.png")
    found, warned = find_sets(SUITE, data, ("Some", "Set9", "Some"))
    assert [(item.name, item.found) for item in found] == [("Some", 4), ("Set9", 0)]
    assert warned[0] == "set Some has 4 pictures (2 expected): do not compare its means with other results"
    assert "unexpected sizes: c.png is 40x24, expected are 32x24" in warned[1]
    assert "both grey and colour pictures: d.png grey" in warned[2]
    assert "set Set9 is missing: no folder" in warned[3]
    found, warned = find_sets(SUITE, data, limit=1)
    assert [item.name for item in found] == ["Some"], "no warning for an optional set"
    assert len(warned) == 1


def test_missing_set_causes_a_warning(make_run):
    warned = []
    results = make_run(sets=("More", "Some")).run(warn=warned.append)
    assert [(item.name, item.found, item.measured) for item in results.sets] == [("More", 0, 0), ("Some", 2, 2)]
    assert warned == [f"set More is missing (1 expected): no folder {make_run().data / 'More'}"]


def test_run_rejects_invalid_settings_and_files(make_run, data, tmp_path, weights, monkeypatch):
    def rejects(kind, message, **changes):
        with pytest.raises(kind, match=message):
            make_run(**changes).run()

    rejects(UsageError, "no column 'x'; there are: bicubic-x2, mine-x2", columns=("x",))
    rejects(UsageError, "no folder .*nowhere", data=tmp_path / "nowhere")
    rejects(UsageError, "no folder .*nowhere", runs=tmp_path / "nowhere")
    rejects(ImageError, "no pictures in", data=tmp_path)
    rejects(UsageError, r"must end in \.json", out=tmp_path / "r.txt")
    rejects(UsageError, "does not exist", out=tmp_path / "no" / "r.json")
    (tmp_path / "other.json").write_text('{"format": 1}')
    rejects(UsageError, "is not a file of suite results.*use another --out", out=tmp_path / "other.json")
    (tmp_path / "newer.json").write_text('{"format": 9}')
    rejects(UsageError, "format 9.*use another --out", out=tmp_path / "newer.json")
    rejects(UsageError, "results of the suite 'tiny'", suite=replace(SUITE, name="b"), out=_written(make_run))
    broken = make_run().runs / "mine" / "weights.safetensors"
    broken.write_bytes(weights[1].read_bytes())
    rejects(CheckpointError, r"has s=2 r=2 and 1 channel\(s\), but column mine-x2 needs s=2 r=2 and 3 channel")
    broken.write_bytes(b"nothing")
    rejects(CheckpointError, "not a safetensors file")
    for path in (data / "Some").iterdir():
        path.write_bytes(b"nothing")
    rejects(ImageError, "no usable picture in .*the first: .*a.png", columns=("bicubic-x2",))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    rejects(MissingExtraError, r"resizekit\[suite\]")


def _written(make_run):
    make_run(columns=("bicubic-x2",)).run()
    return make_run().out


def test_timings_are_measured_on_request_and_kept(make_run):
    results = make_run(timings=(64, 96)).run()
    assert [(item.column, item.height, item.width, item.published) for item in results.timings] == [
        ("mine-x2", 64, 96, None), ("absent-x2", 64, 96, 1.5),
    ]  # fmt: skip
    assert all(item.seconds > 0 for item in results.timings)
    assert "not trained" in results.timings[1].note
    assert "not trained" not in results.timings[0].note
    assert make_run().run().timings == results.timings
    assert make_run(columns=("absent-x2", "bicubic-x2"), timings=(64, 64)).run().timings[0].published is None


def test_training_budget_is_read_from_the_weights(make_run, codecs):
    path = make_run().runs / "mine" / "weights.safetensors"
    training = {
        "steps": 9,
        "seconds": 4.5,
        "pictures": 3,
        "batch": 2,
        "patch": 16,
        "hardware": "a CPU",
        "steps_before": 7,
    }
    save(load(path), path, training=training)
    column = make_run().run().column("mine-x2")
    assert column.training.model_dump() == {
        "steps": 9, "seconds": 4.5, "steps_before": 7, "seconds_before": 0.0,
        "data": "3 pictures, 2 crops of 16x16 a step", "hardware": "a CPU",
    }  # fmt: skip
    save(load(path), path, training={"steps": "many"})
    assert make_run().run().column("mine-x2").training.steps is None


def test_dying_worker_raises_an_error():
    with pytest.raises(ResizeKitError, match="use fewer --jobs"):
        list(run_in_processes(os._exit, [3, 3], 2))


def test_suite_rejects_unknown_and_duplicate_names():
    for changes, message in (
        ({"timings": {"x": None}}, "unknown column 'x'"),
        ({"published": (Published(column="mine-x2", set="Set9"),)}, "unknown set 'Set9'"),
        ({"columns": SUITE.columns * 2}, "needs columns with unique names"),
        ({"sets": ()}, "needs sets"),
    ):
        with pytest.raises(PluginError, match=message):
            replace(SUITE, **changes)


def test_cache_skips_invalid_lines(tmp_path):
    path = tmp_path / "c.jsonl"
    Cache(path).put("a" * 64, {"high_y": 1.5, "low_y": None, "low_bytes": 3})
    path.write_text(path.read_text() + "nothing\n[]\n" + json.dumps({"key": "b" * 64, "metrics": {"high_y": "x"}}))
    cache = Cache(path)
    assert cache["a" * 64] == {"high_y": 1.5, "low_y": None, "low_bytes": 3}
    assert "b" * 64 not in cache
    cache.put("c" * 64, {})
    assert "c" * 64 in Cache(path)
