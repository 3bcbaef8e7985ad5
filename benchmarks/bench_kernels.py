"""Benchmarks of every op with a kernel: the kernel, its reference, torch.compile of it, an optimized form and a copy.

Times on a GPU are GPU seconds per launch (see resizekit.benchmarking.gpu_harness). Without a GPU only the references
run, on tiny inputs, on the CPU.
"""

import functools
import math
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
import torch
from hand_ordered import HAND_ORDERED

from resizekit import ops
from resizekit.benchmarking.gpu_harness import Backend, Copy, Cuda, fastest_copy, gpu_clock, input_sets, measure
from resizekit.plugin.registry import Offer, installed
from resizekit_kernels.timing_cases import Case, cases, equal_results, size_of

GPU = torch.cuda.is_available()
IMPLEMENTATIONS = ("copy", "kernel", "hand", "eager", "compile")

ROWS = {
    f"{case.op}-{case.name}-{implementation}": (case, implementation)
    for case in cases(GPU)
    for implementation in IMPLEMENTATIONS
    if (implementation != "hand" or case.op in HAND_ORDERED) and (implementation != "compile" or case.setting.compiled)
}

# A warning of PyTorch or Triton must not fail a row.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.mark.benchmark(timer=gpu_clock if GPU else time.perf_counter)
@pytest.mark.parametrize(
    "row", [name if name.endswith("-eager") else pytest.param(name, marks=pytest.mark.gpu) for name in ROWS]
)
def bench_op(benchmark: Any, row: str) -> None:
    case, implementation = ROWS[row]
    benchmark.group = f"{case.op}-{case.name}" if GPU else case.op
    if GPU:
        time_on_gpu(benchmark, case, implementation, Cuda())
    else:
        time_reference(benchmark, case)


def time_on_gpu(benchmark: Any, case: Case, implementation: str, backend: Backend) -> None:
    """Compare a result with the reference, then time the row by GPU events; skip it if it exceeds the memory."""
    offer = installed().kernels.get((case.op, "cuda"))
    if offer is None:
        pytest.skip(f"no plugin offers a kernel for {case.op!r} on 'cuda'")
    needed = 100 * math.prod(case.high) + 24 * backend.cache_bytes()  # intermediate results and rotated inputs
    if needed > backend.free_bytes():
        pytest.skip(f"needs {needed / 1e9:.0f} GB of free GPU memory")
    first = case.inputs(backend.device)
    expected = eager(case.op)(*first, **case.variant.options)
    moved = bytes_moved(case, first, expected, offer)
    sets = input_sets(backend, size_of(first))
    copy = fastest_copy_for(case, moved, backend)
    info: dict[str, Any] = {}
    if implementation == "copy":
        run, inputs = copy.run, copy.inputs
        info["how"] = copy.how
    else:
        run = functools.partial(implementation_of(case.op, implementation, offer), **case.variant.options)
        info["equal"] = equal_results(run(*first), expected)
        if implementation == "kernel":
            info["provider"] = offer.provider
            assert info["equal"] or not case.variant.exact, (
                f"the result of the kernel of {offer.provider} differs from the reference"
            )
        inputs = [first, *(case.inputs(backend.device) for _ in range(sets - 1))]
    del expected
    seconds, launches = measure(benchmark, backend, run, inputs, moved)
    if seconds is not None:
        info |= {"GB/s": moved / seconds / 1e9, "of_copy": copy.seconds / seconds, "launches": launches}
    benchmark.extra_info.update(description(case, implementation, moved) | info)


def time_reference(benchmark: Any, case: Case) -> None:
    """Time the reference by the wall clock on one core: there is too little work for more."""
    first = case.inputs(torch.device("cpu"))
    run = functools.partial(eager(case.op), *first, **case.variant.options)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        result = benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    finally:
        torch.set_num_threads(threads)
    moved = bytes_moved(case, first, result, installed().kernels.get((case.op, "cuda")))
    benchmark.extra_info.update(description(case, "eager", moved))
    if benchmark.stats:
        benchmark.extra_info["GB/s"] = moved / benchmark.stats.stats.median / 1e9


def implementation_of(op: str, implementation: str, offer: Offer[ops.Kernel]) -> Callable[..., Any]:
    """Return the function to time."""
    if implementation == "kernel":
        return offer.value.run
    if implementation == "hand":
        return HAND_ORDERED[op]
    if implementation == "compile":
        torch.compiler.reset()  # it stops compiling a function after a few shapes
        return eager(op, torch.compile(ops.reference(op), dynamic=False, fullgraph=True))
    return eager(op)


def eager(op: str, function: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Return the reference of an op, without kernels inside."""
    run = function or ops.reference(op)

    def without_kernels(*args: Any, **options: Any) -> Any:
        with ops.references():
            return run(*args, **options)

    return without_kernels


def bytes_moved(case: Case, args: Any, result: Any, offer: Offer[ops.Kernel] | None) -> int:
    """Return the bytes that must cross memory: all inputs and outputs, or fewer if the kernel counts fewer."""
    all_bytes = size_of(args) + size_of(result)
    count = offer.value.bytes_moved if offer else None
    return min(all_bytes, count(*args, **case.variant.options)) if count else all_bytes


_copies: dict[str, Copy] = {}


def fastest_copy_for(case: Case, moved: int, backend: Backend) -> Copy:
    """Measure the copy once per case: its rows follow each other, so the clock rates are the same."""
    key = f"{case.op}-{case.name}"
    if key not in _copies:
        _copies.clear()  # otherwise its buffers stay allocated
        _copies[key] = fastest_copy(backend, moved)
    return _copies[key]


def description(case: Case, implementation: str, moved: int) -> dict[str, Any]:
    """Return what a row records about itself."""
    return {
        "op": case.op,
        "case": case.name,
        "implementation": implementation,
        "bytes": moved,
        "shape": list(case.high),
        "torch": torch.__version__,
        "triton": _version("triton"),
        "gpu": torch.cuda.get_device_name() if GPU else None,
        "commit": _commit(),
    }


@functools.cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@functools.cache
def _commit() -> str | None:
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        run = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return run.stdout.strip() if run.returncode == 0 else None
