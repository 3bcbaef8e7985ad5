"""A codec whose calls are CUDA graphs: without the overhead of starting each operation by itself."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Self

import torch
from torch import Tensor

from resizekit.codec.pair import NetworkPair
from resizekit.nn.fused import one_pass
from resizekit.system.graphs import Graph, check_graphs, fastest_graph

__all__ = ["Graphed", "Graphs"]

_MOST = 8
"""Graphs to keep: each has memory of its own on the device."""


class Graphs:
    """The graphs of a codec by direction, shape and dtype; the least recently used is dropped."""

    def __init__(self) -> None:
        self._graphs: OrderedDict[Hashable, Graph] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()  # copies record their own graphs

    def run(self, name: Hashable, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Apply a function by its graph; the first call for a size records it."""
        key = name, x.shape, x.dtype, x.stride()
        with self._lock:  # a graph has one input and one output in memory
            graph = self._graphs.get(key)
            if graph is None:
                graph = self._graphs[key] = fastest_graph(function, x, one_pass)
            self._graphs.move_to_end(key)
            if len(self._graphs) > _MOST:
                self._graphs.popitem(last=False)
            return graph.run(x)


class Graphed(NetworkPair):
    """A pair of networks that can run on CUDA graphs."""

    _graphs: Graphs | None = None

    def graphed(self) -> Self:
        """Return a codec of the same networks for CUDA that records a graph for each size, and replays it later.

        The first call for a size takes seconds: it compiles kernels, and measures whether the convolutions of PyTorch
        or of `resizekit.ops.conv3x3` are faster. Later calls start the whole network at once. The weights must not
        change. Graphs are used by `down` and `up` without effort, and by `down_codes` and `up_codes`, without
        gradients; eight sizes are kept.

        Returns:
            A new codec with shared weights.

        Raises:
            UsageError: The codec is not on a CUDA device.
        """
        check_graphs(self.device)
        twin = self.replace()
        twin._graphs = Graphs()
        return twin

    def _on_graph(self, name: Hashable, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Apply a function by its graph, or directly if this codec has none."""
        if self._graphs is None or torch.is_grad_enabled() or not x.numel() or x.device != self.device:
            return function(x)
        return self._graphs.run(name, function, x)
