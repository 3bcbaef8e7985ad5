"""GPU time for pytest-benchmark: a clock that moves only by what CUDA events measured.

    inputs ─► rotated launches in one CUDA graph ─► events around one replay ─► seconds / launches ─► the clock

Work of microseconds cannot be timed from Python: launching costs more than the work.  pytest-benchmark is given this
clock instead of the wall's, so that its minimum, median, comparisons and JSON all mean GPU seconds a launch.
"""

import math
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

__all__ = ["ROUNDS", "Backend", "Copy", "Cuda", "gpu_clock", "measure", "quickest_copy", "rotated", "seconds_each"]

ROUNDS = 20
_WARMUP = 3

Replay = Callable[[], object]
Run = Callable[..., object]
Inputs = Sequence[tuple[Any, ...]]


class Backend(Protocol):
    """What runs and times the work; tests put scripted times in its place."""

    device: torch.device
    worth: int
    """Bytes that one replay should move, so that starting it costs next to nothing."""

    def cache_bytes(self) -> int:
        """Size of the last cache before the memory."""
        ...

    def free_bytes(self) -> int:
        """Memory that is left."""
        ...

    def capture(self, body: Callable[[], object]) -> Replay:
        """Record the launches of `body`, to be replayed without Python."""
        ...

    def seconds(self, replay: Replay) -> float:
        """Time one replay."""
        ...


class Cuda:
    """The current CUDA device."""

    worth = 2_000_000_000

    def __init__(self) -> None:
        self.device = torch.device("cuda")
        self._begin, self._end = (
            torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            for _ in range(2)
        )

    def cache_bytes(self) -> int:
        """Size of the L2 cache."""
        return int(torch.cuda.get_device_properties(torch.cuda.current_device()).L2_cache_size)

    def free_bytes(self) -> int:
        """Memory that is left once torch gives back what it hoards."""
        torch.cuda.empty_cache()
        return int(torch.cuda.mem_get_info()[0])

    def capture(self, body: Callable[[], object]) -> Replay:
        """Run once, since compiling and planning cannot be captured, then capture."""
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            body()
        torch.cuda.current_stream().wait_stream(beside)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            body()
        return graph.replay

    def seconds(self, replay: Replay) -> float:
        """Time the second of two replays: the first keeps the GPU busy while the host queues, so no wait is timed."""
        replay()
        self._begin.record()
        replay()
        self._end.record()
        self._end.synchronize()
        return float(self._begin.elapsed_time(self._end)) / 1000


_now = 0.0


def gpu_clock() -> float:
    """Seconds of GPU work measured so far: pytest-benchmark's timer, a plain function since the JSON names it."""
    return _now


def rotated(backend: Backend, input_bytes: int) -> int:
    """How many sets of inputs together exceed three times the cache, so that no launch finds its own there."""
    return max(2, math.ceil(3 * backend.cache_bytes() / max(1, input_bytes)))


def _captured(backend: Backend, run: Run, inputs: Inputs, moved: int) -> tuple[Replay, int]:
    sets = len(inputs)
    launches = sets * max(1, math.ceil(backend.worth / (sets * max(1, moved))))

    def body() -> None:
        held: list[object] = [None] * sets  # results live for a whole turn, so outputs rotate over memory as inputs do
        for k in range(launches):
            held[k % sets] = run(*inputs[k % sets])

    return backend.capture(body), launches


def seconds_each(backend: Backend, run: Run, inputs: Inputs, moved: int, rounds: int = ROUNDS) -> float:
    """Median GPU seconds of one launch that moves so many bytes, outside pytest-benchmark."""
    replay, launches = _captured(backend, run, inputs, moved)
    times = [backend.seconds(replay) / launches for _ in range(_WARMUP + rounds)]
    return median(times[_WARMUP:])


def measure(benchmark: Any, backend: Backend, run: Run, inputs: Inputs, moved: int) -> tuple[float | None, int]:
    """Let pytest-benchmark report GPU seconds of one launch: (median, launches a replay).

    The median is None under --benchmark-disable.
    """
    assert benchmark._timer is gpu_clock, "mark the benchmark with timer=gpu_clock"
    replay, launches = _captured(backend, run, inputs, moved)

    def one_round() -> None:
        global _now
        _now += backend.seconds(replay) / launches

    benchmark.pedantic(one_round, rounds=ROUNDS, warmup_rounds=_WARMUP)
    return (benchmark.stats.stats.median if benchmark.stats else None), launches


class Copy(NamedTuple):
    """The fastest way found to copy on this device."""

    how: str
    run: Callable[[Tensor, Tensor], Tensor]
    inputs: list[tuple[Tensor, Tensor]]
    seconds: float


_COPIES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "memcpy": lambda source, target: target.copy_(source),
    "kernel": lambda source, target: torch.bitwise_not(source, out=target),
}


def quickest_copy(backend: Backend, moved: int) -> Copy:
    """Measure what no work can beat that moves so many bytes: half of them read, half of them written.

    The driver's copy and an elementwise kernel are both tried, since either may be the faster one.
    """
    values = max(1, moved // 8)  # int32, read and written
    inputs = [
        (torch.randint(2**31, (values,), dtype=torch.int32, device=backend.device),
         torch.empty(values, dtype=torch.int32, device=backend.device))
        for _ in range(rotated(backend, 4 * values))
    ]  # fmt: skip
    timed = {how: seconds_each(backend, run, inputs, moved, ROUNDS // 2) for how, run in _COPIES.items()}
    how = min(timed, key=timed.__getitem__)
    return Copy(how, _COPIES[how], inputs, timed[how])
