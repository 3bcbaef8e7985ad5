"""Time GPU work with pytest-benchmark, using a clock that advances only by the times that CUDA events measure.

    inputs ─► rotated launches in one CUDA graph ─► events around one replay ─► seconds / launches ─► the clock

Python cannot time work of microseconds: a launch costs more than the work.  pytest-benchmark gets this clock instead of
the wall clock, so its minimum, median, comparisons and JSON are GPU seconds per launch.
"""

import math
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

__all__ = [
    "ROUNDS",
    "Backend",
    "Copy",
    "Cuda",
    "fastest_copy",
    "gpu_clock",
    "input_sets",
    "measure",
    "seconds_per_launch",
]

ROUNDS = 20
_WARMUP = 3

Replay = Callable[[], object]
Run = Callable[..., object]
Inputs = Sequence[tuple[Any, ...]]


class Backend(Protocol):
    """Runs and times the work; tests replace it with scripted times."""

    device: torch.device
    bytes_per_replay: int
    """Bytes that one replay should move, so that its start costs almost nothing."""

    def cache_bytes(self) -> int:
        """Return the size of the last-level cache."""
        ...

    def free_bytes(self) -> int:
        """Return the free memory."""
        ...

    def capture(self, body: Callable[[], object]) -> Replay:
        """Record the launches of `body` for a replay without Python."""
        ...

    def seconds(self, replay: Replay) -> float:
        """Return the seconds of one replay."""
        ...


class Cuda:
    """The current CUDA device."""

    bytes_per_replay = 2_000_000_000

    def __init__(self) -> None:
        self.device = torch.device("cuda")
        self._begin, self._end = (
            torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            for _ in range(2)
        )

    def cache_bytes(self) -> int:
        """Return the size of the L2 cache."""
        return int(torch.cuda.get_device_properties(torch.cuda.current_device()).L2_cache_size)

    def free_bytes(self) -> int:
        """Return the free memory after PyTorch releases its cache."""
        torch.cuda.empty_cache()
        return int(torch.cuda.mem_get_info()[0])

    def capture(self, body: Callable[[], object]) -> Replay:
        """Run once, because compilation cannot be captured, then capture."""
        side_stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side_stream):
            body()
        torch.cuda.current_stream().wait_stream(side_stream)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            body()
        return graph.replay

    def seconds(self, replay: Replay) -> float:
        """Time the second of two replays: the first keeps the GPU busy, so no waiting for the host is timed."""
        replay()
        self._begin.record()
        replay()
        self._end.record()
        self._end.synchronize()
        return float(self._begin.elapsed_time(self._end)) / 1000


_now = 0.0


def gpu_clock() -> float:
    """Return the seconds of GPU work measured so far: the timer for pytest-benchmark.

    It is a module function because the JSON contains its name.
    """
    return _now


def input_sets(backend: Backend, input_bytes: int) -> int:
    """Return how many sets of inputs exceed three times the cache together, so that no launch finds its inputs there.

    Args:
        backend: The device.
        input_bytes: Size of one set.
    """
    return max(2, math.ceil(3 * backend.cache_bytes() / max(1, input_bytes)))


def _captured(backend: Backend, run: Run, inputs: Inputs, moved: int) -> tuple[Replay, int]:
    sets = len(inputs)
    launches = sets * max(1, math.ceil(backend.bytes_per_replay / (sets * max(1, moved))))

    def body() -> None:
        # results stay alive for one rotation, so that outputs rotate over memory as inputs do
        alive: list[object] = [None] * sets
        for k in range(launches):
            alive[k % sets] = run(*inputs[k % sets])

    return backend.capture(body), launches


def seconds_per_launch(backend: Backend, run: Run, inputs: Inputs, moved: int, rounds: int = ROUNDS) -> float:
    """Return the median GPU seconds of one launch, without pytest-benchmark.

    Args:
        backend: The device.
        run: The function to time.
        inputs: Sets of arguments, used in turn.
        moved: Bytes that one launch moves.
        rounds: Number of replays.
    """
    replay, launches = _captured(backend, run, inputs, moved)
    times = [backend.seconds(replay) / launches for _ in range(_WARMUP + rounds)]
    return median(times[_WARMUP:])


def measure(benchmark: Any, backend: Backend, run: Run, inputs: Inputs, moved: int) -> tuple[float | None, int]:
    """Let pytest-benchmark measure the GPU seconds of one launch.

    Args:
        benchmark: The fixture of pytest-benchmark, with `gpu_clock` as its timer.
        backend: The device.
        run: The function to time.
        inputs: Sets of arguments, used in turn.
        moved: Bytes that one launch moves.

    Returns:
        The median (None with --benchmark-disable) and the launches per replay.
    """
    assert benchmark._timer is gpu_clock, "mark the benchmark with timer=gpu_clock"
    replay, launches = _captured(backend, run, inputs, moved)

    def one_round() -> None:
        global _now
        _now += backend.seconds(replay) / launches

    benchmark.pedantic(one_round, rounds=ROUNDS, warmup_rounds=_WARMUP)
    return (benchmark.stats.stats.median if benchmark.stats else None), launches


class Copy(NamedTuple):
    """The fastest copy on a device."""

    how: str
    """Name of the method: memcpy (the driver) or kernel (elementwise)."""
    run: Callable[[Tensor, Tensor], Tensor]
    inputs: list[tuple[Tensor, Tensor]]
    seconds: float


_COPIES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "memcpy": lambda source, target: target.copy_(source),
    "kernel": lambda source, target: torch.bitwise_not(source, out=target),
}


def fastest_copy(backend: Backend, moved: int) -> Copy:
    """Measure the fastest copy of as many bytes, half of them read and half written: the upper bound for a kernel.

    Args:
        backend: The device.
        moved: Bytes to move.
    """
    values = max(1, moved // 8)  # int32, read and written
    inputs = [
        (torch.randint(2**31, (values,), dtype=torch.int32, device=backend.device),
         torch.empty(values, dtype=torch.int32, device=backend.device))
        for _ in range(input_sets(backend, 4 * values))
    ]  # fmt: skip
    timed = {how: seconds_per_launch(backend, run, inputs, moved, ROUNDS // 2) for how, run in _COPIES.items()}
    how = min(timed, key=timed.__getitem__)
    return Copy(how, _COPIES[how], inputs, timed[how])
