"""Time the kernels of all installed plugins, and write the rows as pytest-benchmark writes them.

    copy ─► kernel, reference, torch.compile of it ─► copy

The copy moves as many bytes. Its share uses the mean of the copy before and after, since clock rates change.
"""

import functools
import json
import platform
import random
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import Tensor

from resizekit import ops
from resizekit.benchmarking.gpu_harness import Backend, Cuda, fastest_copy, input_sets, seconds_per_launch
from resizekit.benchmarking.timings import read_timings
from resizekit.errors import UsageError
from resizekit.system.atomic_write import atomic_write
from resizekit.system.device import machine

__all__ = ["Row", "gpu", "run_benchmarks", "timing_cases"]

_SEED = 0
_ROUNDS = 5


class Row(NamedTuple):
    """A case of an op."""

    kernel: ops.Kernel
    case: ops.TimingCase


def timing_cases(selected: Sequence[str], part: tuple[int, int], device: torch.device) -> tuple[list[Row], list[str]]:
    """List the cases of the installed kernels, in a shuffled order that is always the same.

    Args:
        selected: Names of ops; none: all.
        part: (1, 3) for the first third of the cases.
        device: Device to run on; a CPU gets small cases.

    Returns:
        The cases, and the ops whose kernels bring none.

    Raises:
        UsageError: An op has no kernel, or the part does not exist.
    """
    number, count = part
    if not 1 <= number <= count:
        raise UsageError(f"invalid part {number}/{count}: expected 1/N to N/N")
    offered = {kernel.op: kernel for kernel in ops.offered_kernels() if kernel.device_type == "cuda"}
    if unknown := [op for op in selected if op not in offered]:
        raise UsageError(f"no kernel for op {unknown[0]!r}: choose from {', '.join(sorted(offered))}")
    chosen = [kernel for op, kernel in sorted(offered.items()) if not selected or op in selected]
    rows = [Row(kernel, case) for kernel in chosen if kernel.cases is not None for case in kernel.cases(device)]
    random.Random(_SEED).shuffle(rows)
    return rows[number - 1 :: count], [kernel.op for kernel in chosen if kernel.cases is None]


def run_benchmarks(
    rows: Sequence[Row], out: Path, *, overwrite: bool, backend: Backend | None = None
) -> Iterator[tuple[str, str]]:
    """Time the cases; the file is complete after each.

    Args:
        rows: The cases.
        out: JSON file. Cases that it holds already are not run again.
        overwrite: Whether to start anew if the file exists.
        backend: The GPU; None: the references run on the CPU as a check.

    Yields:
        The op and the name of each finished case.

    Raises:
        ResizeKitError: The file exists and holds something else.
    """
    lines = _read(out) if out.exists() and not overwrite else []
    known = {(line["extra_info"]["op"], line["extra_info"]["case"]) for line in lines}
    for row in rows:
        if (row.kernel.op, row.case.name) in known:
            continue
        lines += _timed_on_gpu(row, backend) if backend is not None else _timed_on_cpu(row)
        text = json.dumps({"machine_info": {"processor": machine(torch.device("cpu"))}, "benchmarks": lines}, indent=1)
        with atomic_write(out, overwrite=True) as temporary:
            temporary.write_text(text + "\n", "utf-8")
        yield row.kernel.op, row.case.name


def _read(out: Path) -> list[dict[str, Any]]:
    read_timings(out)  # refuses a file that holds anything else
    lines: list[dict[str, Any]] = json.loads(out.read_text(encoding="utf-8-sig"))["benchmarks"]
    return [line for line in lines if "implementation" in line.get("extra_info", {})]


def _timed_on_gpu(row: Row, backend: Backend) -> list[dict[str, Any]]:
    kernel, case = row
    first = case.inputs(backend.device)
    reference = _reference(kernel.op, ops.reference(kernel.op))
    expected = reference(*first, **case.options)
    moved = _bytes_moved(row, first, expected)
    inputs = [first, *(case.inputs(backend.device) for _ in range(input_sets(backend, _size(first)) - 1))]
    torch.compiler.reset()  # it stops compiling a function after a few shapes
    compiled = torch.compile(ops.reference(kernel.op), dynamic=False, fullgraph=True)
    ways: dict[str, Callable[..., Any]] = {"eager": reference, "compile": _reference(kernel.op, compiled)}
    if kernel.unavailable is None:
        ways = {"kernel": kernel.run} | ways
    equal, seconds, failed = dict[str, bool](), dict[str, float](), dict[str, str]()
    before = fastest_copy(backend, moved)
    for name, run in ways.items():
        try:
            equal[name] = _equal(run(*first, **case.options), expected)
            seconds[name] = seconds_per_launch(backend, functools.partial(run, **case.options), inputs, moved)
        except Exception as error:  # the compiler, or too little memory; the other ways are worth knowing
            failed[name] = f"{type(error).__name__}: {str(error)[:200]}"
    after = seconds_per_launch(backend, before.run, before.inputs, moved)
    copy = (before.seconds + after) / 2
    lines = [_line(row, "copy", moved, copy)]
    lines[0]["extra_info"] |= {
        "how": before.how,
        "before": before.seconds,
        "after": after,
        "of_copy": 1.0,
        "failed": failed,
    }
    for name, time_of in seconds.items():
        line = _line(row, name, moved, time_of)
        line["extra_info"] |= {"of_copy": copy / time_of, "equal": equal[name], "exact": case.exact}
        lines.append(line)
    return lines


def _timed_on_cpu(row: Row) -> list[dict[str, Any]]:
    """Time the reference by the wall clock: a check that the cases run."""
    kernel, case = row
    first = case.inputs(torch.device("cpu"))
    run = _reference(kernel.op, ops.reference(kernel.op))
    times, result = [], run(*first, **case.options)
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        run(*first, **case.options)
        times.append(time.perf_counter() - start)
    return [_line(row, "eager", _bytes_moved(row, first, result), median(times))]


def _line(row: Row, implementation: str, moved: int, seconds: float) -> dict[str, Any]:
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    info = {"op": row.kernel.op, "case": row.case.name, "implementation": implementation, "bytes": moved, "gpu": gpu}
    info |= {"torch": torch.__version__, "triton": _version("triton"), "python": platform.python_version()}
    return {
        "name": f"{row.kernel.op}-{row.case.name}-{implementation}",
        "extra_info": info,
        "stats": {"median": seconds},
    }


def _reference(op: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the reference of an op, without kernels inside."""

    @functools.wraps(function)
    def without_kernels(*args: Any, **options: Any) -> Any:
        with ops.references():
            return function(*args, **options)

    return without_kernels


def _bytes_moved(row: Row, args: Any, result: Any) -> int:
    """Return the bytes that must cross memory: all inputs and outputs, or fewer if the kernel counts fewer."""
    all_bytes, count = _size(args) + _size(result), row.kernel.bytes_moved
    return min(all_bytes, count(*args, **row.case.options)) if count else all_bytes


def _tensors(value: Any) -> list[Tensor]:
    return [x for x in (value if isinstance(value, tuple) else (value,)) if isinstance(x, Tensor)]


def _size(value: Any) -> int:
    return sum(x.numel() * x.element_size() for x in _tensors(value))


def _equal(a: Any, b: Any) -> bool:
    return all(x.dtype == y.dtype and torch.equal(x, y) for x, y in zip(_tensors(a), _tensors(b), strict=True))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def gpu() -> Backend | None:
    """Return the GPU, or None without one."""
    return Cuda() if torch.cuda.is_available() else None
