"""Calls of an op to test a kernel with, grouped by the rule that they test."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["Call", "Cases"]


class Call:
    """The arguments of one call, with tensors on the CPU.

    >>> call = Call(torch.zeros(1, 1, 2, 4), 2, s=1)
    >>> str(call)
    'float32 1x1x2x4, 2, s=1'
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self.args, self.options = args, options

    def __call__(self, run: Callable[..., Any]) -> Any:
        """Call a function with these arguments; if it raises, add a note with the arguments to the error."""
        try:
            return run(*self.args, **self.options)
        except Exception as error:
            error.add_note(f"called with ({self})")
            if "active drivers" in str(error):  # Triton's message if there is no GPU
                error.add_note("without a GPU, set TRITON_INTERPRET=1 in the environment to run Triton kernels")
            raise

    def __str__(self) -> str:
        parts = [_text(value) for value in self.args]
        return ", ".join(parts + [f"{name}={_text(value)}" for name, value in self.options.items()])

    def tensors(self) -> Iterator[Tensor]:
        """Return every tensor argument, in order."""
        return (value for value in (*self.args, *self.options.values()) if isinstance(value, Tensor))

    def map(self, change: Callable[[Tensor], Tensor]) -> "Call":
        """Return the same call with changed tensors."""

        def changed(value: Any) -> Any:
            return change(value) if isinstance(value, Tensor) else value

        return Call(*map(changed, self.args), **{name: changed(value) for name, value in self.options.items()})


@dataclass(frozen=True, kw_only=True)
class Cases:
    """Calls of one op by rule; a rule without calls is skipped.

    Keep the tensors small: an interpreted program takes a millisecond.
    """

    layouts: Sequence[Call]
    """Dtypes, memory formats and every option; rules for any call use these too."""
    sizes: Sequence[Call] = ()
    """Odd sizes, unequal factors, single values, more than one block."""
    specials: Sequence[Call] = ()
    """NaN, infinities and extreme values."""
    ties: Sequence[Call] = ()
    """Values halfway between two results, and their neighbors."""
    gradients: Sequence[Call] = ()
    """Floating inputs to differentiate, inside and outside the range of the op."""
    refused: Sequence[Call] = ()
    """Calls that the reference refuses."""


def _text(value: Any) -> str:
    if not isinstance(value, Tensor):
        return repr(value).removeprefix("torch.")
    dtype, shape = str(value.dtype).removeprefix("torch."), "x".join(map(str, value.shape))
    if value.is_contiguous():
        return f"{dtype} {shape}"
    if value.dim() == 4 and value.is_contiguous(memory_format=torch.channels_last):
        return f"{dtype} {shape} channels_last"
    return f"{dtype} {shape} strides {value.stride()}"
