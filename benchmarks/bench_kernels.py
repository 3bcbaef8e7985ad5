"""Every op with a kernel: the kernel, its reference, torch.compile of it, a hand-ordered form, and a plain copy.

Times on a GPU are GPU seconds per launch (see resizekit.benchmarking.gpu_harness).  Without a GPU only the references
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
from kernel_cases import Case, cases, same, size_of

from resizekit import ops
from resizekit.benchmarking.gpu_harness import Backend, Copy, Cuda, gpu_clock, measure, quickest_copy, rotated
from resizekit.plugin.registry import Offer, installed

GPU = torch.cuda.is_available()
IMPLEMENTATIONS = ("copy", "kernel", "hand", "eager", "compile")

ROWS = {
    f"{case.op}-{case.name}-{implementation}": (case, implementation)
    for case in cases(GPU)
    for implementation in IMPLEMENTATIONS
    if (implementation != "hand" or case.op in HAND_ORDERED) and (implementation != "compile" or case.setting.compiled)
}

# What torch and Triton warn of on the way is theirs: it shall not cost a row.
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
    """Time one row by GPU events, after the result was held to the reference's; skip what the device cannot hold."""
    offer = installed().kernels.get((case.op, "cuda"))
    if offer is None:
        pytest.skip(f"nobody offers a kernel for {case.op!r} on 'cuda'")
    needed = 100 * math.prod(case.high) + 24 * backend.cache_bytes()  # what passes leave on their way, and rotation
    if needed > backend.free_bytes():
        pytest.skip(f"wants {needed / 1e9:.0f} GB of free GPU memory")
    first = case.inputs(backend.device)
    expected = eager(case.op)(*first, **case.variant.options)
    moved = bytes_moved(case, first, expected, offer)
    sets = rotated(backend, size_of(first))
    copy = ceiling(case, moved, backend)
    told: dict[str, Any] = {}
    if implementation == "copy":
        run, inputs = copy.run, copy.inputs
        told["how"] = copy.how
    else:
        run = functools.partial(candidate(case.op, implementation, offer), **case.variant.options)
        told["equal"] = same(run(*first), expected)
        if implementation == "kernel":
            told["provider"] = offer.provider
            assert told["equal"], f"the kernel of {offer.provider} gives something else than the reference"
        inputs = [first, *(case.inputs(backend.device) for _ in range(sets - 1))]
    del expected
    seconds, launches = measure(benchmark, backend, run, inputs, moved)
    if seconds is not None:
        told |= {"GB/s": moved / seconds / 1e9, "of_copy": copy.seconds / seconds, "launches": launches}
    benchmark.extra_info.update(about(case, implementation, moved) | told)


def time_reference(benchmark: Any, case: Case) -> None:
    """Time the reference on one core, by the wall's clock: so little work is not worth waking others."""
    first = case.inputs(torch.device("cpu"))
    run = functools.partial(eager(case.op), *first, **case.variant.options)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        result = benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    finally:
        torch.set_num_threads(threads)
    moved = bytes_moved(case, first, result, installed().kernels.get((case.op, "cuda")))
    benchmark.extra_info.update(about(case, "eager", moved))
    if benchmark.stats:
        benchmark.extra_info["GB/s"] = moved / benchmark.stats.stats.median / 1e9


def candidate(op: str, implementation: str, offer: Offer[ops.Kernel]) -> Callable[..., Any]:
    """Give the function that is timed under this name."""
    if implementation == "kernel":
        return offer.value.run
    if implementation == "hand":
        return HAND_ORDERED[op]
    if implementation == "compile":
        torch.compiler.reset()  # it gives up on a function that it has compiled for a handful of shapes
        return eager(op, torch.compile(ops.reference(op), dynamic=False, fullgraph=True))
    return eager(op)


def eager(op: str, function: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Give the reference of an op, with no kernel anywhere inside it."""
    run = function or ops.reference(op)

    def plain(*args: Any, **options: Any) -> Any:
        with ops.references():
            return run(*args, **options)

    return plain


def bytes_moved(case: Case, args: Any, result: Any, offer: Offer[ops.Kernel] | None) -> int:
    """Inputs read once and outputs written once, or less if the kernel says so, for every row of a case alike."""
    most = size_of(args) + size_of(result)
    count = offer.value.bytes_moved if offer else None
    return min(most, count(*args, **case.variant.options)) if count else most


_ceilings: dict[str, Copy] = {}


def ceiling(case: Case, moved: int, backend: Backend) -> Copy:
    """Measure the copy once a case: the rows of a case follow one another, so the clocks are the same."""
    key = f"{case.op}-{case.name}"
    if key not in _ceilings:
        _ceilings.clear()  # its buffers would stay otherwise
        _ceilings[key] = quickest_copy(backend, moved)
    return _ceilings[key]


def about(case: Case, implementation: str, moved: int) -> dict[str, Any]:
    """What a row says of itself."""
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
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
