"""The benchmarks without a GPU: scripted event times must give the right numbers in the JSON."""

import importlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import resizekit
from resizekit import ops
from resizekit.benchmarking import gpu_harness
from resizekit.benchmarking.timings import read_timings
from resizekit.codec import Recipe
from resizekit.recipes.assemble import assemble
from resizekit_kernels import kernels, timing_cases

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
CPU = torch.device("cpu")

SCRIPTED = '''
import bench_kernels, pytest, torch
from resizekit.benchmarking.gpu_harness import gpu_clock
from resizekit_kernels.timing_cases import cases
from resizekit.plugin.registry import Offer, installed
from resizekit_kernels import kernels

CASE = next(case for case in cases(False) if case.op == "quantize_codes" and case.variant.name == "bf16-guide32")
COPY = {"memcpy": 9e-6, "kernel": 8e-6}


class Scripted:
    """Runs on the CPU; each capture takes the next of the given seconds per launch."""

    device, bytes_per_replay = torch.device("cpu"), 1

    def __init__(self, seconds):
        self.seconds_of = iter(seconds)
        self.step = 0

    def cache_bytes(self):
        return 1

    def free_bytes(self):
        return 10**12

    def capture(self, body):
        body()
        return next(self.seconds_of)

    def seconds(self, replay):
        self.step += 1
        return 2 * replay + 1e-9 * (self.step % 3 - 1)  # two launches, and a little noise around the middle


@pytest.mark.benchmark(timer=gpu_clock)
@pytest.mark.parametrize(
    ("implementation", "seconds"),
    [("copy", [9e-6, 8e-6, 8e-6]), ("kernel", [10e-6]), ("hand", [20e-6]), ("eager", [40e-6]), ("compile", [9.5e-6])],
)
def bench_scripted(benchmark, monkeypatch, implementation, seconds):
    monkeypatch.setattr(torch, "compile", lambda function, **options: lambda x, guide: function(x, guide + 1))
    offers = {(k.op, k.device_type): Offer(value=k, provider="resizekit", plugin="kernels") for k in kernels()}
    monkeypatch.setattr(type(installed()), "kernels", offers)  # without a GPU the plugin offers none
    monkeypatch.setattr(torch.compiler, "reset", lambda: None)  # loading the compiler takes seconds
    bench_kernels.time_on_gpu(benchmark, CASE, implementation, Scripted(seconds))
'''


@pytest.fixture(scope="module")
def results_folder(tmp_path_factory):
    """The benchmarks and a scripted one, run once: the folder and the output of pytest."""
    root = tmp_path_factory.mktemp("root")
    shutil.copy(ROOT / "conftest.py", root)
    folder = root / "benchmarks"
    folder.mkdir()
    for path in BENCHMARKS.glob("*.py"):
        shutil.copy(path, folder)
    (folder / "bench_scripted.py").write_text(SCRIPTED)
    (root / "pytest.ini").write_text(
        "[pytest]\npython_functions = bench_*\nmarkers = gpu\n"
        "addopts = --import-mode=importlib -p no:cacheprovider -p no:hypothesispytest\n"
    )
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", "--benchmark-json=out.json", "bench_scripted.py", "bench_kernels.py",
         "-k", "scripted or quantize_codes-f32-2x2-64x96"],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        # pytest-benchmark measures nothing if it detects pytest-xdist
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTEST_XDIST")}
        | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    return folder, run.stdout


def rows_of(folder):
    text = (folder / "out.json").read_text()
    return text, {row["name"]: row for row in json.loads(text)["benchmarks"]}


def test_scripted_times_appear_in_the_json(results_folder):
    text, rows = rows_of(results_folder[0])
    row = rows["bench_scripted[kernel-seconds1]"]
    assert row["options"]["timer"] == "gpu_clock"
    assert row["stats"]["rounds"] == 20
    assert row["stats"]["median"] == pytest.approx(10e-6)
    assert 0 < row["stats"]["max"] - row["stats"]["min"] < 2e-9
    info = row["extra_info"]
    moved = 3 * 32 * 48 * (2 + 4 + 4 + 1)  # bfloat16 and guide in, float and code out
    assert info["bytes"] == moved
    assert info["GB/s"] == pytest.approx(moved / 10e-6 / 1e9)
    assert info["of_copy"] == pytest.approx(0.8), "relative to the faster of two copies"
    assert info["launches"] == 2
    assert (info["op"], info["case"]) == ("quantize_codes", "bf16-guide32-2x2-64x96-b1")
    assert info["shape"] == [1, 3, 64, 96]
    assert info["torch"] == torch.__version__
    assert info["provider"] == "resizekit"
    assert info["equal"] is True
    assert info["commit"] is None, "the folder is not a git checkout"
    assert rows["bench_scripted[compile-seconds4]"]["extra_info"]["equal"] is False
    assert rows["bench_scripted[copy-seconds0]"]["extra_info"]["how"] == "kernel"
    assert platform.node() not in text
    assert str(results_folder[0]) not in text


def test_references_run_without_a_gpu_and_the_rest_is_skipped(results_folder):
    folder, output = results_folder
    _, rows = rows_of(folder)
    (row,) = (row for row in rows.values() if row["name"].startswith("bench_op"))
    assert row["name"] == "bench_op[quantize_codes-f32-2x2-64x96-b1-eager]"
    assert row["options"]["timer"] == "perf_counter"
    assert row["extra_info"]["GB/s"] > 0
    assert row["extra_info"]["gpu"] is None
    assert "SKIPPED [4]" in output
    assert "needs a CUDA device; torch sees none" in output


def test_timings_read_back_what_was_written(results_folder):
    timings = read_timings(results_folder[0] / "out.json")
    scripted = timings.comparisons[0]
    assert (scripted.op, scripted.case) == ("quantize_codes", "bf16-guide32-2x2-64x96-b1")
    assert scripted.speedup("eager") == pytest.approx(4)
    assert scripted.of_copy("kernel") == pytest.approx(0.8)
    assert scripted.losses == ("compile",)
    assert scripted.unequal == ("compile",)
    assert len(timings.comparisons) == 2
    assert timings.comparisons[1].speedup("eager") is None


# --- in this process ---------------------------------------------------------------------------


@pytest.fixture
def modules(scripts):
    """The modules that the kernel benchmarks share."""
    return scripts(BENCHMARKS, "hand_ordered")


def test_replay_rotates_inputs_and_moves_enough_bytes(modules):
    seen, results, alive = [], [], []

    class Backend:
        device, bytes_per_replay = CPU, 1000

        def cache_bytes(self):
            return 100

        def capture(self, body):
            body()

        def seconds(self, replay):
            return 7.0 * len(seen)

    class Result:
        pass

    def run(x):
        result = Result()
        seen.append(x)
        results.append(weakref.ref(result))
        alive.append(sum(reference() is not None for reference in results))
        return result

    sets = gpu_harness.input_sets(Backend(), input_bytes=61)
    assert sets == 5, "five times 61 exceed three times 100, four do not"
    seconds = gpu_harness.seconds_per_launch(Backend(), run, [(i,) for i in range(sets)], moved=90)
    assert seen == [0, 1, 2, 3, 4] * 3, "two rotations would move only 900 bytes"
    assert alive == [1, 2, 3, 4, 5] + [6] * 10, "the memory of a result is not reused within a rotation"
    assert seconds == 7.0
    assert gpu_harness.input_sets(Backend(), input_bytes=10**9) == 2


def rough(x):
    """Insert values that sums and conversions can get wrong."""
    if x.is_floating_point():
        flat = x.permute(0, 2, 3, 1).reshape(-1) if x.dim() == 4 and x.stride(1) == 1 else x.view(-1)
        odd = [float("nan"), float("inf"), -float("inf"), -0.0, 0.5 / 255, 1.5 / 255, 254.5 / 255, 1.0, 1.0001, -1e-9]
        flat[: len(odd)] = torch.tensor(odd).to(x.dtype)
    return x


def test_hand_ordered_forms_equal_the_references(modules):
    torch.manual_seed(0)
    tried = set()
    for case in timing_cases.cases(False):
        if case.op not in modules.hand_ordered.HAND_ORDERED:
            continue
        args = [rough(x) if isinstance(x, torch.Tensor) else x for x in case.inputs(CPU)]
        before = [x.clone() if isinstance(x, torch.Tensor) else x for x in args]
        with ops.references():
            expected = ops.reference(case.op)(*args, **case.variant.options)
        got = modules.hand_ordered.HAND_ORDERED[case.op](*args, **case.variant.options)
        for a, b in zip(*((x if isinstance(x, tuple) else (x,)) for x in (got, expected)), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True, check_stride=True, msg=case.name)
        assert all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(args, before, strict=True)
                   if isinstance(a, torch.Tensor)), f"{case.op} changes its inputs"  # fmt: skip
        tried.add(case.op)
    assert tried == set(modules.hand_ordered.HAND_ORDERED)


def test_every_op_is_timed_and_its_bytes_are_exact(modules):
    seen = set()
    counts = {kernel.op: kernel.bytes_moved for kernel in kernels()}
    for case in timing_cases.cases(False):
        seen.add(case.op)
        args = case.inputs(CPU)
        with ops.references():
            result = ops.reference(case.op)(*args, **case.variant.options)
        all_bytes = timing_cases.size_of(args) + timing_cases.size_of(result)
        assert counts[case.op](*args, **case.variant.options) == all_bytes, f"{case.op} {case.name}"
    assert seen == set(ops.op_names())


def test_cases_have_unique_names_and_divisible_sizes(modules):
    for on_gpu in (False, True):
        every = list(timing_cases.cases(on_gpu))
        assert len({(case.op, case.name) for case in every}) == len(every)
        for case in every:
            s, r = case.setting[:2]
            assert not case.high[2] % s
            assert not case.high[3] % r


def test_equal_results_compares_bits_dtype_and_strides(modules):
    same = timing_cases.equal_results
    x = torch.rand(2, 3, 4, 5)
    assert same(x, x.clone())
    assert same((x, x), (x, x))
    assert not same(x, x.nextafter(torch.tensor(2.0)))
    assert not same(x, x.double())
    assert not same(x, x.contiguous(memory_format=torch.channels_last))
    assert not same((x, x), (x, x + 1))
    single = torch.rand(1, 3, 4, 5)
    other = single.as_strided(single.shape, (999, *single.stride()[1:]))
    assert same(single, other), "the stride of an axis of length 1 has no meaning"


def test_require_gpu_turns_a_skip_into_an_error(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    spec = importlib.util.spec_from_file_location("root_conftest", ROOT / "conftest.py")
    conftest = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conftest)

    def item(required, mark):
        return SimpleNamespace(
            get_closest_marker=lambda name: mark, config=SimpleNamespace(getoption=lambda name: required)
        )

    conftest.pytest_runtest_setup(item(True, None))
    with pytest.raises(pytest.skip.Exception, match="needs a CUDA device"):
        conftest.pytest_runtest_setup(item(False, "gpu"))
    with pytest.raises(pytest.fail.Exception, match="--require-gpu is given"):
        conftest.pytest_runtest_setup(item(True, "gpu"))


def test_study_variants_are_valid_training_configs(scripts, tmp_path):
    study = scripts(BENCHMARKS, "study").study
    assert set(study.STUDIES) == {"networks", "recipe", "schedule", "recursion"}
    for which, variants in study.STUDIES.items():
        for name, variant in variants.items():
            run = study.config_of(which, variant, [tmp_path], [])
            recipe = Recipe(task=run.task, config=run.config, network=run.network)
            assert assemble(recipe).info.network == run.config["network"], name
            common = run.train.target_low_psnr == study.COMMON["train"]["target_low_psnr"]
            assert common != (which == "recursion" or name.startswith("low held")), name


def test_jpeg_quality_study_measures_several_qualities(scripts, tmp_path, small_weights, capsys):
    module = scripts(BENCHMARKS, "jpeg_quality").jpeg_quality
    small_weights(tmp_path / "tiny.safetensors")
    (tmp_path / "set").mkdir()
    blocks = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    Image.fromarray(blocks[:35]).save(tmp_path / "set" / "a.png")
    name = str(tmp_path / "tiny.safetensors")
    module.study([tmp_path / "set"], [name], tmp_path / "out.json", [40, 95])
    coarse, fine = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert [row["quality"] for row in (coarse, fine)] == [40, 95]
    assert fine["bicubic"] > coarse["bicubic"]
    assert fine[name]["bytes"] > coarse[name]["bytes"] > 0
    assert fine["bicubic_bytes"] > coarse["bicubic_bytes"] > 0
    assert f"| {fine[name]['high']:.2f} / " in capsys.readouterr().out


def kind(args, options):
    """Describe a call: types and memory formats of its tensors, factors and options."""
    tensors = [x for x in args if isinstance(x, torch.Tensor)]
    layouts = ["c last" if x.dim() == 4 and x.stride(1) == 1 else "c first" for x in tensors if x.dim() == 4]
    values = [x for x in args if not isinstance(x, torch.Tensor) and x is not None]
    return tuple(x.dtype for x in tensors), tuple(layouts), tuple(values), tuple(sorted(options.items()))


@pytest.mark.parametrize("weights", ["sr-x2", "sr-x4"])
def test_every_call_of_a_codec_is_timed(modules, weights):
    timed, called = set(), set()
    for case in timing_cases.cases(False):
        timed.add((case.op, kind(case.inputs(CPU), case.variant.options)))

    def recording(op):
        def run(*args, **options):
            called.add((op, kind(args, options)))
            with ops.references():
                return ops.reference(op)(*args, **options)

        return ops.Kernel(op=op, device_type="cpu", run=run)

    codec = resizekit.load(weights)
    high = torch.zeros(1, 64, 96, 3, dtype=torch.uint8).permute(0, 3, 1, 2)
    with torch.no_grad(), ops.kernels_installed(*map(recording, ops.op_names())):
        codec.up_codes(codec.down_codes(high))
    assert {op for op, _ in called} == {"shuffle_codes", "to_uint8", "unshuffle_codes", "unshuffle_guide"}
    assert called <= timed, called - timed
