"""The laws of a kernel as tests.

from resizekit.testing import KernelConformance

class TestMine(KernelConformance):
    kernel = mine
"""

import inspect
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, ClassVar
from unittest import SkipTest

import numpy as np
import torch
from torch import Tensor

from resizekit.ops import Kernel, reference, references
from resizekit.testing.calls import Call, Cases
from resizekit.testing.cases import cases_of
from resizekit.testing.memory import placed
from resizekit.testing.results import check_equal, check_written, dense, named, strides
from resizekit.testing.samples import channels_last
from resizekit.testing.trial import Derived, Place, Run, Trial, choices, derive

__all__ = ["KernelConformance"]


class KernelConformance:
    """Inherit it, name a kernel, and pytest holds it to its reference; the kernel need not be installed.

    For a kernel of an op of your own, override `cases`.  Without a GPU a Triton kernel runs in Triton's interpreter, if
    TRITON_INTERPRET=1 is in the environment before Triton is imported: a few seconds a kernel.
    """

    kernel: ClassVar[Kernel]
    """The kernel under test."""
    device: ClassVar[str | None] = None
    """Where it runs; by default on its own type of device if there is one, else on the CPU."""
    exact: ClassVar[bool] = True
    """False: floats may be off by a little (`resizekit.testing.results.TOLERANCE`)."""

    def cases(self) -> Cases:
        """Give the calls to try; for the ops of `resizekit.ops` they are known."""
        return cases_of(self.kernel.op)

    def test_equal_to_the_reference(self) -> None:
        """The same values, types and layouts, whatever comes; arguments may be named."""
        for trial in self._trials("layouts"):
            self._check(trial.call, trial.result())
        for call in self.cases().layouts[:2]:
            names = inspect.signature(self._reference).bind(*call.args, **call.options).arguments
            self._compare(Call(**names))

    def test_odd_sizes_and_factors(self) -> None:
        """Single pixels, prime sizes, factors that differ, more than one block."""
        for trial in self._trials("sizes"):
            self._check(trial.call, trial.result())

    def test_empty_batch(self) -> None:
        """No pictures give no pictures."""
        for call in self._calls("layouts"):
            self._compare(call.map(lambda x: x[:0]))

    def test_nan_and_infinity(self) -> None:
        """What is no number becomes what the reference makes of it."""
        with np.errstate(over="ignore", invalid="ignore"):  # Triton's interpreter computes in numpy, which would warn
            for call in self._calls("specials"):
                self._compare(call)

    def test_ties(self) -> None:
        """What lies in the middle between two results goes where the reference lets it go."""
        for call in self._calls("ties"):
            self._compare(call)

    def test_gradients(self) -> None:
        """The same results carry a gradient, and it is the same, in whatever layout it arrives."""
        for trial in self._trials("gradients"):
            got, wanted = trial.result(), trial.wanted(self._reference)
            carried = f"a gradient passes through {got.carriers}, the reference's through {wanted.carriers}"
            assert got.carriers == wanted.carriers, f"{trial.told}: {carried}"
            for name, gradient in wanted.gradients.items():
                check_equal(f"{trial.told}: {name}", got.gradients[name], gradient, exact=self.exact)

    def test_red_zones(self) -> None:
        """Nothing is written beside the outputs, and each of their elements is written."""
        for trial in self._trials("layouts", "sizes", "gradients"):
            got, wanted = (_tensors(result) for result in (trial.result(), trial.wanted(self._reference)))
            assert trial.overrun is None, f"{trial.told}: {trial.overrun}"
            for name in got.keys() & wanted.keys():
                check_written(f"{trial.told}: {name}", got[name], wanted[name])

    def test_inputs_are_left_unchanged(self) -> None:
        """Neither the inputs nor what lies around them is written to, nor the gradients that arrive."""
        for trial in self._trials("layouts", "sizes", "gradients"):
            assert trial.changed is None, f"{trial.told}: {trial.changed}"

    def test_bad_input(self) -> None:
        """What the reference refuses is refused in the same words."""
        for call in self._calls("refused"):
            wanted, got = _error(self._reference, call), _error(self.kernel.run, call)
            assert wanted is not None, f"{self._told(call)}: the reference takes it, so it tries nothing"
            assert got is not None, f"{self._told(call)}: was taken; the reference says {wanted!r}"
            assert repr(got) == repr(wanted), f"{self._told(call)}: said {got!r}; the reference says {wanted!r}"

    def test_bytes_moved(self) -> None:
        """The count is a positive integer, and twice as much for a batch twice as large."""
        count = self.kernel.bytes_moved
        if count is None:
            raise SkipTest("the kernel does not say how many bytes it moves")
        for call in self._calls("layouts"):
            one, two = call(count), call.map(lambda x: torch.cat([x, x]))(count)
            assert type(one) is int, f"{self._told(call)}: {one!r} is no integer"
            assert one > 0, f"{self._told(call)}: {one} bytes are none"
            assert two == 2 * one, f"{self._told(call)}: {one} bytes, but {two} for twice the batch"

    @property
    def _reference(self) -> Run:
        """Held to the reference of every op that it calls too, whatever is installed."""
        return references()(reference(self.kernel.op))

    def _calls(self, law: str) -> Sequence[Call]:
        calls: Sequence[Call] = getattr(self.cases(), law)
        if not calls:
            raise SkipTest(f"`cases` gives no {law}")
        return calls

    def _told(self, call: Call) -> str:
        return f"{self.kernel.op}({call})"

    def _place(self, x: Tensor) -> Tensor:
        own = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        there = own is not None and own.type == self.kernel.device_type
        return placed(x, torch.device(self.device or (self.kernel.device_type if there else "cpu")))

    def _trials(self, *laws: str) -> Sequence[Trial]:
        trials = [trial for law in laws for trial in _trials(type(self), law)]  # type: ignore[arg-type]
        if not trials:
            raise SkipTest(f"`cases` gives no {' and no '.join(laws)}")
        return trials

    def _try(self, call: Call, told: str, run: Callable[[Run, Place], Any]) -> Trial:
        return Trial(call, told, run, self.kernel.run, self._place)

    def _compare(self, call: Call) -> None:
        self._check(call, call.map(self._place)(self.kernel.run))

    def _check(self, call: Call, got: Any) -> None:
        wanted = call.map(self._place)(self._reference)
        check_equal(self._told(call), got, wanted, exact=self.exact)
        if self._layout_is_promised(call, wanted):
            told = f"{self._told(call)}: lies in memory by strides"
            assert strides(got) == strides(wanted), f"{told} {strides(got)}, the reference's by {strides(wanted)}"

    def _layout_is_promised(self, call: Call, wanted: Any) -> bool:
        """Where inputs have gaps, the reference promises a layout only if theirs does not matter to it."""
        if all(dense(x) for x in call.tensors()):
            return True
        others = (call.map(Tensor.contiguous), call.map(channels_last))
        return all(strides(other(self._reference)) == strides(wanted) for other in others)


@lru_cache(maxsize=3)
def _trials(suite: type[KernelConformance], law: str) -> tuple[Trial, ...]:
    """Run a kernel once for every call: interpreted programs are slow, and several laws look at the same ones."""
    one = suite()
    calls: Sequence[Call] = getattr(one.cases(), law)
    if law != "gradients":
        return tuple(one._try(call, one._told(call), partial(_give, call)) for call in calls)
    return tuple(
        one._try(
            call,
            f"{one._told(call)} derived for tensor {' and '.join(map(str, chosen))}",
            partial(derive, call, chosen, upstream),
        )
        for call in calls
        for chosen, upstream in choices(call)
    )


def _give(call: Call, run: Run, place: Place) -> Any:
    return call.map(place)(run)


def _tensors(result: Any) -> dict[str, Any]:
    return result.gradients if isinstance(result, Derived) else named(result)


def _error(run: Run, call: Call) -> Exception | None:
    try:
        call(run)
    except Exception as error:
        return error
    return None
