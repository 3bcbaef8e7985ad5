"""`resizekit bench --run`: which cases run, what is compared, and what a second run does."""

import itertools
import json
from dataclasses import replace

import pytest
import torch

from resizekit import Kernel, ops
from resizekit.benchmarking import run as module
from resizekit.benchmarking.run import Row, run_benchmarks, timing_cases
from resizekit.benchmarking.timings import read_timings
from resizekit.errors import ResizeKitError, UsageError
from resizekit.ops import TimingCase

CPU = torch.device("cpu")


def test_every_op_with_a_kernel_brings_cases():
    rows, without = timing_cases([], (1, 1), CPU)
    assert {row.kernel.op for row in rows} == set(ops.op_names())
    assert not without


def test_parts_hold_every_case_once_and_are_always_the_same():
    names = [[(row.kernel.op, row.case.name) for row in timing_cases([], (k, 3), CPU)[0]] for k in (1, 2, 3)]
    every = [(row.kernel.op, row.case.name) for row in timing_cases([], (1, 1), CPU)[0]]
    assert sorted(itertools.chain(*names)) == sorted(every)
    assert len(set(every)) == len(every)
    assert names[0] == [(row.kernel.op, row.case.name) for row in timing_cases([], (1, 3), CPU)[0]]
    assert [op for op, _ in every] != sorted(op for op, _ in every)


@pytest.mark.parametrize(("selected", "part", "message"), [
    (["nope"], (1, 1), "no kernel for op 'nope': choose from conv3x3"), ([], (0, 2), "invalid part 0/2"),
    ([], (3, 2), "invalid part 3/2: expected 1/N to N/N"),
])  # fmt: skip
def test_invalid_selection_is_refused(selected, part, message):
    with pytest.raises(UsageError, match=message):
        timing_cases(selected, part, CPU)


class Scripted:
    """A backend on the CPU whose launches take given seconds, in the order of the captures."""

    device, bytes_per_replay = CPU, 1

    def __init__(self, *seconds):
        self.left = list(seconds)

    def cache_bytes(self):
        return 1

    def free_bytes(self):
        return 10**12

    def capture(self, body):
        body()
        return self.left.pop(0)

    def seconds(self, replay):
        return 2 * replay  # two launches


def row(run):
    case = TimingCase(name="f32", inputs=lambda device: (torch.rand(4, 6, device=device),))
    return Row(Kernel(op="to_uint8", device_type="cuda", run=run, bytes_moved=lambda x: 5 * x.numel()), case)


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)
    monkeypatch.setattr(torch.compiler, "reset", lambda: None)


@pytest.mark.parametrize("error", [0, 1])
def test_case_on_a_gpu_is_compared_with_all_alternatives(tmp_path, error):
    made = row(lambda x: ops.reference("to_uint8")(x) + error)
    backend = Scripted(4e-6, 5e-6, 10e-6, 40e-6, 20e-6, 6e-6)  # two copies, kernel, reference, compiled, copy again
    assert list(run_benchmarks([made], tmp_path / "a.json", overwrite=False, backend=backend)) == [("to_uint8", "f32")]
    (timed,) = read_timings(tmp_path / "a.json").comparisons
    assert timed.seconds == pytest.approx({"copy": 5e-6, "kernel": 10e-6, "eager": 40e-6, "compile": 20e-6})
    assert (timed.bytes, timed.of_copy("kernel"), timed.speedup("eager")) == pytest.approx((120, 0.5, 4.0))
    assert timed.unequal == (("kernel",) if error else ())
    copy = json.loads((tmp_path / "a.json").read_text())["benchmarks"][0]["extra_info"]
    assert (copy["how"], copy["before"], copy["after"]) == ("memcpy", 4e-6, 6e-6)


def test_failure_of_one_way_keeps_the_others(tmp_path):
    def fails(x):
        raise RuntimeError("out of memory")

    backend = Scripted(4e-6, 5e-6, 40e-6, 20e-6, 6e-6)
    list(run_benchmarks([row(fails)], tmp_path / "a.json", overwrite=False, backend=backend))
    (timed,) = read_timings(tmp_path / "a.json").comparisons
    assert set(timed.seconds) == {"copy", "eager", "compile"}
    copy = json.loads((tmp_path / "a.json").read_text())["benchmarks"][0]["extra_info"]
    assert copy["failed"] == {"kernel": "RuntimeError: out of memory"}


def test_second_run_leaves_out_what_the_file_holds(tmp_path):
    first = row(None)
    second = first._replace(case=replace(first.case, name="other"))
    out = tmp_path / "a.json"
    assert list(run_benchmarks([first], out, overwrite=False)) == [("to_uint8", "f32")]
    before = json.loads(out.read_text())["benchmarks"]
    assert list(run_benchmarks([first, second], out, overwrite=False)) == [("to_uint8", "other")]
    assert json.loads(out.read_text())["benchmarks"][:1] == before
    assert len(list(run_benchmarks([first, second], out, overwrite=True))) == 2


def test_file_with_something_else_is_not_replaced(tmp_path):
    (tmp_path / "a.json").write_text('{"mine": 1}')
    with pytest.raises(ResizeKitError, match="is not a JSON file of pytest-benchmark"):
        list(run_benchmarks([row(None)], tmp_path / "a.json", overwrite=False))
    assert (tmp_path / "a.json").read_text() == '{"mine": 1}'


def test_kernel_without_cases_is_named(monkeypatch):
    offered = [replace(kernel, cases=None) for kernel in ops.offered_kernels()]
    monkeypatch.setattr(module.ops, "offered_kernels", lambda: offered)
    rows, without = timing_cases(["to_uint8", "shuffle"], (1, 1), CPU)
    assert (rows, without) == ([], ["shuffle", "to_uint8"])
