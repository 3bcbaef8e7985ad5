"""resizekit.ray on a real local Ray with two worker processes."""

import os
import signal
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import torch

import resizekit
import resizekit.ray as on_ray
from resizekit.errors import MissingExtraError, UnknownNameError, UsageError
from resizekit.images.run_options import RunOptions
from resizekit.pictures.io.read import read_picture

ROOT = Path(__file__).parents[2]
FAST = "sr-x2-fast"
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray and its dependencies warn about themselves


@pytest.fixture(scope="module")
def ray():
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    pytest.importorskip("ray.data", reason="ray[data] is not installed")
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        logging_level="ERROR",
        log_to_driver=False,
        object_store_memory=100_000_000,
        runtime_env={"env_vars": {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}},
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three pictures, one of them in a subfolder, and a broken one."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "sub").mkdir()
    with PIL.Image.open(ROOT / "examples" / "astronaut.png") as photo:
        for index, name in enumerate(("a.jpg", "b.png", "sub/a.png")):
            photo.crop((200 + index, 60, 250 + index, 100)).save(folder / name)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return folder


GOOD = {"a.jpg", "b.png", "sub/a.png"}


def by_name(rows, folder):
    return {Path(row["path"]).relative_to(folder).as_posix(): row for row in rows}


def check_files(rows, photos, out):
    """Compare the small files in `out` with those of single calls."""
    assert rows.keys() == GOOD | {"broken.png"}
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == {f"{n}.png" for n in GOOD}
    for name in GOOD:
        assert Path(rows[name]["output"]) == out / f"{name}.png"
        assert Path(rows[name]["output"]).read_bytes() == resizekit.down_bytes(photos / name, weights=FAST)
    assert rows["broken.png"]["status"] == "failed"
    assert rows["broken.png"]["error"].startswith(f"{photos / 'broken.png'} ")


def test_a_killed_actor_is_replaced_and_its_rows_are_repeated(ray, photos, tmp_path):
    killed, out = tmp_path / "killed", tmp_path / "out"

    def kill_once(done, total):
        try:
            killed.touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    paths = [{"path": str(path)} for path in sorted(photos.rglob("*.*"))]
    ds = on_ray.down_dataset(
        ray.data.from_items(paths, override_num_blocks=4),
        weights=FAST,
        column="path",
        out=out,
        base=str(photos),
        actors=2,
        options=RunOptions(progress=kill_once),
    )
    rows = by_name(ds.take_all(), photos)
    assert killed.exists()
    assert {rows[name]["status"] for name in GOOD} == {"done"}
    check_files(rows, photos, out)


def test_bytes_go_down_and_up_in_one_pipeline(ray, photos):
    ds = ray.data.read_binary_files(str(photos), include_paths=True, override_num_blocks=2)
    small = on_ray.down_dataset(ds, weights=resizekit.load(FAST), actors=1)
    rows = by_name(on_ray.up_dataset(small, column="small", actors=(1, 1)).take_all(), photos)
    assert rows.keys() == GOOD | {"broken.png"}
    for name in GOOD:
        assert rows[name].keys() == {"path", "restored", "status", "error"}
        assert (rows[name]["status"], rows[name]["error"]) == ("done", "")
        expected = resizekit.up_bytes(resizekit.down_bytes(photos / name, weights=FAST))
        assert np.array_equal(read_picture(rows[name]["restored"]).pixels, np.asarray(expected))
    assert (rows["broken.png"]["status"], rows["broken.png"]["restored"]) == ("failed", b"")


class Here(list):
    """A dataset of rows in this process, with the methods of Ray's that resizekit calls."""

    __hash__ = object.__hash__

    def schema(self):
        types = {name: "binary" if isinstance(value, bytes) else "string" for name, value in (self or [{}])[0].items()}
        return SimpleNamespace(names=list(types), types=list(types.values())) if self else None

    def map(self, actor, *, fn_constructor_kwargs, **resources):
        self.resources = resources
        run = actor(**fn_constructor_kwargs)
        return Here(run(row) for row in self)


@pytest.fixture
def in_process(monkeypatch):
    """Replace Ray's pool, whether Ray is installed or not."""
    module = ModuleType("ray.data")
    module.ActorPoolStrategy = lambda **sizes: sizes
    monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))
    monkeypatch.setitem(sys.modules, "ray.data", module)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    monkeypatch.setattr(on_ray, "keep_freed_memory", lambda: True)


@pytest.mark.parametrize("kind", ["path", "bytes"])
def test_files_that_exist_are_skipped_or_replaced(in_process, photos, tmp_path, kind):
    files = [photos / name for name in sorted(GOOD | {"broken.png"})]
    ds = Here({"path": str(file)} | ({"bytes": file.read_bytes()} if kind == "bytes" else {}) for file in files)
    out = tmp_path / "out"

    def run(**options):
        arguments = {"weights": FAST, "column": kind, "out": out, "base": str(photos)}
        return by_name(on_ray.down_dataset(ds, **arguments, options=RunOptions(**options)), photos)

    check_files(run(), photos, out)
    (out / "b.png.png").write_bytes(b"earlier")
    again = run()
    assert {again[name]["status"] for name in GOOD} == {"skipped"}
    assert (out / "b.png.png").read_bytes() == b"earlier"
    replaced = run(overwrite=True)
    assert {replaced[name]["status"] for name in GOOD} == {"done"}
    check_files(replaced, photos, out)
    assert all("bytes" not in row for row in replaced.values())
    small = Here({"path": str(out / f"{name}.png")} for name in GOOD)
    for row in on_ray.up_dataset(small, column="path", out=tmp_path / "up", base=str(out)):
        assert (row["status"], Path(row["output"]).parts[-1].count(".png")) == ("done", 3 - row["path"].count(".jpg"))
        assert np.array_equal(read_picture(row["output"]).pixels, np.asarray(resizekit.up_bytes(row["path"])))


@pytest.mark.parametrize(
    ("row", "change", "message"),
    [
        ({"path": "a.png"}, {}, r"no column 'bytes' in \['path'\]: pass column="),
        ({"bytes": b"x"}, {"out": "out"}, "out needs the names of the files: .*include_paths=True"),
    ],
)
def test_missing_columns_are_refused_before_actors_start(in_process, row, change, message):
    ds = Here([row])
    with pytest.raises(UsageError, match=message):
        on_ray.up_dataset(ds, **change)
    assert not hasattr(ds, "resources")


def test_columns_of_results_are_known_without_ray(ray, photos, tmp_path, monkeypatch):
    ds = ray.data.read_binary_files(str(photos), include_paths=True)
    small = on_ray.down_dataset(ds, weights=FAST)
    files = on_ray.down_dataset(ds, weights=FAST, out=tmp_path)
    monkeypatch.setattr(ray.data.Dataset, "schema", None)  # it would run the pipeline
    with pytest.raises(UsageError, match=r"no column 'bytes' in \['path', 'small', 'status', 'error'\]: pass column="):
        on_ray.up_dataset(small)
    with pytest.raises(UsageError, match=r"no column 'bytes' in \['path', 'output', 'status', 'error'\]: pass column="):
        on_ray.up_dataset(files)
    on_ray.up_dataset(small, column="small", out=tmp_path)


def test_actors_have_the_requested_resources(in_process):
    ds = Here()
    on_ray.up_dataset(ds)
    assert ds.resources == {"compute": {"min_size": 1, "max_size": None}, "num_cpus": 1, "num_gpus": None}
    on_ray.down_dataset(ds, weights=FAST, actors=(2, 5), num_gpus=0.5, options=RunOptions(device="cpu"))
    assert ds.resources == {"compute": {"min_size": 2, "max_size": 5}, "num_cpus": 1, "num_gpus": 0.5}


# --- the rows, without Ray ---------------------------------------------------------------------


def rows_of(tmp_path, **changes):
    fields = {"column": "bytes", "result": "small", "out": tmp_path / "out", "base": None, "overwrite": False}
    return on_ray._Rows(**fields | changes)


@pytest.mark.parametrize(
    ("path", "base", "output"),
    [
        ("/data/a.jpg", None, "data/a.jpg.png"),
        ("s3://bucket/x/a.jpg", None, "bucket/x/a.jpg.png"),
        ("bucket/x/a.jpg", "s3://bucket", "x/a.jpg.png"),
        ("/data/x/a.jpg", "/data/", "x/a.jpg.png"),
    ],
)
def test_outputs_have_unique_names_below_out(tmp_path, path, base, output):
    row = {"bytes": b"file", "path": path, "label": 3}
    made = rows_of(tmp_path, base=base).process(
        row, lambda file, target: target.write_text(str(file)), lambda _: ".png"
    )
    target = tmp_path / "out" / output
    assert made == {"path": path, "label": 3, "output": str(target), "status": "done", "error": ""}
    assert target.read_text() == path


@pytest.mark.parametrize(("path", "base"), [("/a/../../b.png", None), ("/other/b.png", "/data"), ("/data", "/data")])
def test_outputs_never_lie_outside_out(tmp_path, path, base):
    def run(file, target):
        raise AssertionError("not reached")

    made = rows_of(tmp_path, base=base).process({"bytes": b"x", "path": path}, run, lambda _: ".png")
    assert (made["status"], made["output"]) == ("failed", "")
    assert made["error"].startswith(f"{path} is not a file below")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"path": "a.png"}, r"no column 'bytes' in \['path'\]: pass column="),
        ({"bytes": 3}, "column 'bytes' holds values of type int: expected the bytes or the path"),
        ({"bytes": b"x"}, "out needs the names of the files"),
    ],
)
def test_rows_without_files_end_the_run(tmp_path, row, message):
    def refuse(*_):
        raise AssertionError("not reached")

    with pytest.raises(UsageError, match=message):
        rows_of(tmp_path).process(row, refuse, lambda _: ".png")


def test_unexpected_errors_end_the_run(tmp_path):
    def fail(*_):
        raise KeyError("bug")

    with pytest.raises(KeyError):
        rows_of(tmp_path, out=None).process({"bytes": b"x"}, fail, lambda _: ".png")


def test_invalid_arguments_are_refused_at_the_call():
    for change, error, message in (
        ({"task": "sr"}, UsageError, "exactly one of weights and task"),
        ({"weights": "nothing"}, UnknownNameError, "nothing"),
        ({"effort": 9}, UsageError, "effort"),
    ):
        with pytest.raises(error, match=message):
            on_ray.down_dataset(None, **{"weights": FAST} | change)


@pytest.mark.parametrize("actors", [-1, (0, 2), (3, 2)], ids=str)
def test_invalid_numbers_of_actors_are_refused(in_process, actors):
    with pytest.raises(UsageError, match="invalid actors="):
        on_ray.up_dataset(None, actors=actors)


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(MissingExtraError, match=r'pip install "resizekit\[ray\]"'):
        on_ray.up_dataset(None)
