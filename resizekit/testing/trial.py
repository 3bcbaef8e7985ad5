"""One run of a kernel between red zones, which several rules then inspect."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from resizekit.testing.calls import Call
from resizekit.testing.memory import RedZones, memory_of
from resizekit.testing.results import named
from resizekit.testing.samples import OTHER_LAYOUT, UPSTREAM

__all__ = ["Gradients", "Place", "Run", "Trial", "choices", "differentiate"]

Run = Callable[..., Any]
"""A kernel or a reference."""
Place = Callable[[Tensor], Tensor]
"""Copies a tensor to its device and into poisoned memory."""


class Trial:
    """The outcome of one run: its result or error, and its effects on the memory around it."""

    def __init__(self, call: Call, label: str, run: Callable[[Run, Place], Any], kernel: Run, place: Place) -> None:
        self.call, self.label, self._run, self._place = call, label, run, place
        self._error: Exception | None = None
        self._inputs: list[tuple[Tensor, Tensor]] = []
        with RedZones() as zones:
            try:
                self._result = run(kernel, self._record)
            except Exception as error:
                self._error = error
        self.overrun = zones.overrun()
        """A description of the bytes written outside the outputs, or None."""
        self.changed = next(self._changes(), None)
        """A description of the bytes changed in or around the inputs, or None."""

    def result(self) -> Any:
        """Return the result of the kernel, or raise its error."""
        if self._error is not None:
            raise self._error
        return self._result

    def expected(self, reference: Run) -> Any:
        """Return the result of a reference for the same call."""
        return self._run(reference, self._place)

    def _record(self, x: Tensor) -> Tensor:
        placed = self._place(x)
        self._inputs.append((placed, memory_of(placed)))
        return placed

    def _changes(self) -> Iterator[str]:
        for x, memory in self._inputs:
            changed = int((memory_of(x) != memory).sum())
            if changed:
                yield f"{changed} bytes of or around its input of shape {tuple(x.shape)} changed"
        self._inputs.clear()


@dataclass(frozen=True)
class Gradients:
    """The gradients of a call."""

    differentiable: tuple[str, ...]
    """Names of the results that have a gradient."""
    gradients: dict[str, Any]
    """Gradients of the chosen tensors, for each upstream gradient."""


def choices(call: Call) -> Iterator[tuple[Sequence[int], Mapping[str, Place]]]:
    """Choose tensors to differentiate (all floating ones, then each alone) with upstream gradients for each choice."""
    floating = [i for i, x in enumerate(call.tensors()) if x.is_floating_point()]
    yield floating, UPSTREAM
    if len(floating) > 1:
        yield from (([i], OTHER_LAYOUT) for i in floating)


def differentiate(
    call: Call, chosen: Sequence[int], upstream: Mapping[str, Place], run: Run, place: Place
) -> Gradients:
    """Run a call and its backward pass."""
    placed = call.map(place)
    leaves = [x.requires_grad_() for i, x in enumerate(placed.tensors()) if i in chosen]
    differentiable = {name: y for name, y in named(placed(run)).items() if y.requires_grad}
    gradients: dict[str, Any] = {}
    for source, make in upstream.items() if differentiable else ():
        upstreams = [place(make(y.detach())) for y in differentiable.values()]
        results = torch.autograd.grad(
            list(differentiable.values()), leaves, upstreams, retain_graph=True, allow_unused=True
        )
        gradients |= {f"the gradient of tensor {i} from {source}": g for i, g in zip(chosen, results, strict=True)}
    return Gradients(tuple(differentiable), gradients)
