"""One run of a kernel between red zones, at which several laws then look."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from resizekit.testing.calls import Call
from resizekit.testing.memory import RedZones, memory_of
from resizekit.testing.results import named
from resizekit.testing.samples import ELSEWHERE, UPSTREAM

__all__ = ["Derived", "Place", "Run", "Trial", "choices", "derive"]

Run = Callable[..., Any]
"""A kernel, or a reference."""
Place = Callable[[Tensor], Tensor]
"""Copies a tensor to where it is to lie."""


class Trial:
    """What came of one run: its result or error, and what it did to the memory around."""

    def __init__(self, call: Call, told: str, run: Callable[[Run, Place], Any], kernel: Run, place: Place) -> None:
        self.call, self.told, self._run, self._place = call, told, run, place
        self._error: Exception | None = None
        self._inputs: list[tuple[Tensor, Tensor]] = []
        with RedZones() as zones:
            try:
                self._result = run(kernel, self._remembered)
            except Exception as error:
                self._error = error
        self.overrun = zones.overrun()
        """Which bytes beside the outputs were written, in words."""
        self.changed = next(self._changes(), None)
        """Which bytes of or around the inputs were, in words."""

    def result(self) -> Any:
        """Give what the kernel gave, or raise its error."""
        if self._error is not None:
            raise self._error
        return self._result

    def wanted(self, reference: Run) -> Any:
        """Give what it should have given."""
        return self._run(reference, self._place)

    def _remembered(self, x: Tensor) -> Tensor:
        mine = self._place(x)
        self._inputs.append((mine, memory_of(mine)))
        return mine

    def _changes(self) -> Iterator[str]:
        for x, memory in self._inputs:
            changed = int((memory_of(x) != memory).sum())
            if changed:
                yield f"{changed} bytes of or around its input of shape {tuple(x.shape)} changed"
        self._inputs.clear()


@dataclass(frozen=True)
class Derived:
    """What came back through a call."""

    carriers: tuple[str, ...]
    """The results that carry a gradient."""
    gradients: dict[str, Any]
    """Of every tensor that was asked for, from every gradient that arrived."""


def choices(call: Call) -> Iterator[tuple[Sequence[int], Mapping[str, Place]]]:
    """Choose which tensors to derive for, all the floating ones and each alone, and which gradients arrive."""
    floating = [i for i, x in enumerate(call.tensors()) if x.is_floating_point()]
    yield floating, UPSTREAM
    if len(floating) > 1:
        yield from (([i], ELSEWHERE) for i in floating)


def derive(call: Call, chosen: Sequence[int], upstream: Mapping[str, Place], run: Run, place: Place) -> Derived:
    """Run a call and go back through it."""
    mine = call.map(place)
    leaves = [x.requires_grad_() for i, x in enumerate(mine.tensors()) if i in chosen]
    carriers = {name: y for name, y in named(mine(run)).items() if y.requires_grad}
    gradients: dict[str, Any] = {}
    for kind, make in upstream.items() if carriers else ():
        arriving = [place(make(y.detach())) for y in carriers.values()]
        back = torch.autograd.grad(list(carriers.values()), leaves, arriving, retain_graph=True, allow_unused=True)
        gradients |= {f"the gradient of tensor {i} from {kind}": g for i, g in zip(chosen, back, strict=True)}
    return Derived(tuple(carriers), gradients)
