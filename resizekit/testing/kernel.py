"""The rules for a kernel as tests, for plugin authors.

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
from resizekit.testing.trial import Gradients, Place, Run, Trial, choices, differentiate

__all__ = ["KernelConformance"]


def _with_twice_the_images(batch: torch.Size, x: Tensor) -> Tensor:
    return torch.cat([x, x]) if x.shape[:1] == batch else x


def _without_images(batch: torch.Size, x: Tensor) -> Tensor:
    return x[:0] if x.shape[:1] == batch else x  # other tensors are weights


class KernelConformance:
    """Inherit from this class and set `kernel`: pytest then compares the kernel with its reference.

    The kernel does not have to be installed. For a kernel of an op of your own, override `cases`. Without a GPU, a
    Triton kernel runs in Triton's interpreter, a few seconds per kernel; set TRITON_INTERPRET=1 in the environment
    before Triton is imported.
    """

    kernel: ClassVar[Kernel]
    """The kernel under test."""
    device: ClassVar[str | None] = None
    """Device to run on; by default one of its own type if available, else the CPU."""
    exact: ClassVar[bool] = True
    """False: floats can differ slightly (`resizekit.testing.results.TOLERANCE`)."""

    def cases(self) -> Cases:
        """Return the calls to test; the default knows the ops of `resizekit.ops`."""
        return cases_of(self.kernel.op)

    def test_equal_to_the_reference(self) -> None:
        """Values, dtypes and memory formats are equal, also with named arguments."""
        for trial in self._trials("layouts"):
            self._check(trial.call, trial.result())
        for call in self.cases().layouts[:2]:
            names = inspect.signature(self._reference).bind(*call.args, **call.options).arguments
            self._compare(Call(**names))

    def test_odd_sizes_and_factors(self) -> None:
        """Single pixels, prime sizes, unequal factors and several blocks give equal results."""
        for trial in self._trials("sizes"):
            self._check(trial.call, trial.result())

    def test_empty_batch(self) -> None:
        """An empty batch gives an empty result."""
        for call in self._calls("layouts"):
            batch = next(call.tensors()).shape[:1]
            self._compare(call.map(partial(_without_images, batch)))

    def test_nan_and_infinity(self) -> None:
        """NaN, infinities and extreme values give the results of the reference."""
        with np.errstate(over="ignore", invalid="ignore"):  # Triton's interpreter computes in NumPy, which warns
            for call in self._calls("specials"):
                self._compare(call)

    def test_ties(self) -> None:
        """Values halfway between two results are rounded as the reference rounds them."""
        for call in self._calls("ties"):
            self._compare(call)

    def test_gradients(self) -> None:
        """The same results have a gradient, and it is equal for upstream gradients in any memory format."""
        for trial in self._trials("gradients"):
            got, expected = trial.result(), trial.expected(self._reference)
            message = (
                f"results with a gradient: {got.differentiable}, those of the reference: {expected.differentiable}"
            )
            assert got.differentiable == expected.differentiable, f"{trial.label}: {message}"
            for name, gradient in expected.gradients.items():
                check_equal(f"{trial.label}: {name}", got.gradients[name], gradient, exact=self.exact)

    def test_red_zones(self) -> None:
        """The kernel writes every element of its outputs, and nothing outside them."""
        for trial in self._trials("layouts", "sizes", "gradients"):
            got, expected = (_tensors(result) for result in (trial.result(), trial.expected(self._reference)))
            assert trial.overrun is None, f"{trial.label}: {trial.overrun}"
            for name in got.keys() & expected.keys():
                check_written(f"{trial.label}: {name}", got[name], expected[name])

    def test_inputs_are_left_unchanged(self) -> None:
        """The kernel changes neither its inputs and upstream gradients nor the memory around them."""
        for trial in self._trials("layouts", "sizes", "gradients"):
            assert trial.changed is None, f"{trial.label}: {trial.changed}"

    def test_bad_input(self) -> None:
        """The kernel raises the same errors with the same messages as the reference."""
        for call in self._calls("refused"):
            expected, got = _error(self._reference, call), _error(self.kernel.run, call)
            assert expected is not None, f"{self._label(call)}: the reference accepts this call, so it tests nothing"
            assert got is not None, f"{self._label(call)}: was accepted; the reference raises {expected!r}"
            assert repr(got) == repr(expected), (
                f"{self._label(call)}: raised {got!r}; the reference raises {expected!r}"
            )

    def test_bytes_moved(self) -> None:
        """The count is a positive integer, and twice as large for twice the batch, without the weights."""
        count = self.kernel.bytes_moved
        if count is None:
            raise SkipTest("the kernel has no bytes_moved")
        for call in self._calls("layouts"):
            batch = next(call.tensors()).shape[:1]
            weights = sum(x.numel() * x.element_size() for x in call.tensors() if x.shape[:1] != batch)
            count_of_batch, count_of_double = call(count), call.map(partial(_with_twice_the_images, batch))(count)
            assert type(count_of_batch) is int, f"{self._label(call)}: {count_of_batch!r} is not an integer"
            assert count_of_batch > 0, f"{self._label(call)}: {count_of_batch} bytes: expected at least 1"
            assert count_of_double == 2 * count_of_batch - weights, (
                f"{self._label(call)}: {count_of_batch} bytes, but {count_of_double} for twice the batch"
            )

    @property
    def _reference(self) -> Run:
        """The reference, which also calls the references of other ops."""
        return references()(reference(self.kernel.op))

    def _calls(self, law: str) -> Sequence[Call]:
        calls: Sequence[Call] = getattr(self.cases(), law)
        if not calls:
            raise SkipTest(f"`cases` has no {law}")
        return calls

    def _label(self, call: Call) -> str:
        return f"{self.kernel.op}({call})"

    def _place(self, x: Tensor) -> Tensor:
        own = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        there = own is not None and own.type == self.kernel.device_type
        return placed(x, torch.device(self.device or (self.kernel.device_type if there else "cpu")))

    def _trials(self, *laws: str) -> Sequence[Trial]:
        trials = [trial for law in laws for trial in _trials(type(self), law)]  # type: ignore[arg-type]
        if not trials:
            raise SkipTest(f"`cases` has no {' and no '.join(laws)}")
        return trials

    def _try(self, call: Call, label: str, run: Callable[[Run, Place], Any]) -> Trial:
        return Trial(call, label, run, self.kernel.run, self._place)

    def _compare(self, call: Call) -> None:
        self._check(call, call.map(self._place)(self.kernel.run))

    def _check(self, call: Call, got: Any) -> None:
        expected = call.map(self._place)(self._reference)
        check_equal(self._label(call), got, expected, exact=self.exact)
        if self._layout_is_defined(call, expected):
            message = f"has the strides {strides(got)}, the reference {strides(expected)}"
            assert strides(got) == strides(expected), f"{self._label(call)}: {message}"

    def _layout_is_defined(self, call: Call, expected: Any) -> bool:
        """Return whether the reference defines the memory format of the result.

        For inputs with gaps it does so only if the memory format of the inputs has no influence.
        """
        if all(dense(x) for x in call.tensors()):
            return True
        others = (call.map(Tensor.contiguous), call.map(channels_last))
        return all(strides(other(self._reference)) == strides(expected) for other in others)


@lru_cache(maxsize=3)
def _trials(suite: type[KernelConformance], law: str) -> tuple[Trial, ...]:
    """Run a kernel once per call: interpreted programs are slow, and several rules inspect the same runs."""
    instance = suite()
    calls: Sequence[Call] = getattr(instance.cases(), law)
    if law != "gradients":
        return tuple(instance._try(call, instance._label(call), partial(_run, call)) for call in calls)
    return tuple(
        instance._try(
            call,
            f"{instance._label(call)} differentiated for tensor {' and '.join(map(str, chosen))}",
            partial(differentiate, call, chosen, upstream),
        )
        for call in calls
        for chosen, upstream in choices(call)
    )


def _run(call: Call, run: Run, place: Place) -> Any:
    return call.map(place)(run)


def _tensors(result: Any) -> dict[str, Any]:
    return result.gradients if isinstance(result, Gradients) else named(result)


def _error(run: Run, call: Call) -> Exception | None:
    try:
        call(run)
    except Exception as error:
        return error
    return None
