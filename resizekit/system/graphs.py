"""CUDA graphs: record the kernels of a function once, and start all of them by a single call."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from resizekit.errors import UsageError

__all__ = ["Graph", "check_graphs", "fastest_graph"]

Function = Callable[[Tensor], Tensor]
_WARM_UP, _TIMED = 3, 20


def check_graphs(device: torch.device) -> None:
    """Raise a `UsageError` unless a device has CUDA graphs."""
    if device.type != "cuda":
        raise UsageError(f"graphs need a CUDA device, and the codec is on {device}: load it with device='cuda'")


class Graph:
    """A function of a tensor as a CUDA graph, for one shape and dtype.

    Args:
        function: Must not wait for the device, and must not depend on values.
        x: An example of the input, on the device.
        context: Entered around each call of the function.
    """

    def __init__(self, function: Function, x: Tensor, context: Callable[[], AbstractContextManager[object]]) -> None:
        self._input = x.clone()
        stream = torch.cuda.Stream(x.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(x.device))
        with torch.cuda.stream(stream), context():  # kernels are compiled and algorithms chosen before the recording
            for _ in range(_WARM_UP):
                function(self._input)
        torch.cuda.current_stream(x.device).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph), context():
            self._output = function(self._input)

    def run(self, x: Tensor) -> Tensor:
        """Apply the function: the result is new memory."""
        self._input.copy_(x, non_blocking=True)
        self._graph.replay()
        return self._output.clone()

    def milliseconds(self) -> float:
        """Measure one run on the device."""
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        self._graph.replay()
        start.record()
        for _ in range(_TIMED):
            self._graph.replay()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / _TIMED


def fastest_graph(function: Function, x: Tensor, *contexts: Callable[[], AbstractContextManager[object]]) -> Graph:
    """Record a function inside each context and outside of all, and return the fastest graph.

    Args:
        function: As for `Graph`.
        x: As for `Graph`.
        contexts: Other ways to compute the same.
    """
    with torch.cuda.device(x.device):
        return min((Graph(function, x, context) for context in (nullcontext, *contexts)), key=Graph.milliseconds)
