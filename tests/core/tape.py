"""A simulation of CUDA graphs on the CPU: a recording of operations that can be repeated in the same memory."""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WAITS = ("_local_scalar_dense", "equal", "is_nonzero", "nonzero")
"""Operations that need a value on the host: a real recording fails there."""
FREE = ("detach", "alias", "view", "permute", "transpose", "slice", "select", "expand", "as_strided", "unsqueeze",
        "squeeze", "t", "_unsafe_view", "empty", "empty_like", "empty_strided", "split", "unbind", "_conj")  # fmt: skip
"""Operations that start no kernel."""


class Tape(TorchDispatchMode):
    """Records operations."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in WAITS:
            raise RuntimeError(f"operation not permitted when stream is capturing: {name}")
        result = func(*args, **(kwargs or {}))
        self.steps.append((name, func, args, kwargs or {}, result))
        return result

    def replay(self):
        with torch.inference_mode():
            for name, func, args, kwargs, result in self.steps:
                if name in FREE:
                    continue
                again = func(*args, **kwargs)
                for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                    if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)

    @property
    def launches(self):
        """Names of the operations that start a kernel."""
        return [name for name, *_ in self.steps if name not in FREE]


def simulate(monkeypatch, slow=()):
    """Replace the parts of torch.cuda that graphs use. Return all tapes; those with the numbers `slow` are slower."""
    tapes, now = [], [0.0]

    class CUDAGraph:
        def replay(self):
            now[0] += 10.0 if tapes.index(self.tape) in slow else 1.0
            self.tape.replay()

    @contextmanager
    def graph(made):
        made.tape = Tape()
        tapes.append(made.tape)
        with made.tape:
            yield

    class Event:
        def __init__(self, enable_timing=False):
            pass

        def record(self):
            self.time = now[0]

        def synchronize(self):
            pass

        def elapsed_time(self, other):
            return other.time - self.time

    stream = SimpleNamespace(wait_stream=lambda other: None)
    replaced = {
        "Stream": lambda device=None: stream,
        "current_stream": lambda device=None: stream,
        "stream": lambda stream: nullcontext(),
        "device": lambda device: nullcontext(),
        "CUDAGraph": CUDAGraph,
        "graph": graph,
        "Event": Event,
    }
    for name, value in replaced.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr("resizekit.codec.graphs.check_graphs", lambda device: None)
    return tapes
