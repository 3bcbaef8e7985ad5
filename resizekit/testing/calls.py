"""What a kernel is tried with: calls of an op, sorted by the law that they are to try."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["Call", "Cases"]


class Call:
    """The arguments of one call, tensors on the CPU: `Call(x, 2, 3, gradient="plain")`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.args, self.options = args, options

    def __call__(self, run: Callable[..., Any]) -> Any:
        """Call a function with these arguments; an error says what they were."""
        try:
            return run(*self.args, **self.options)
        except Exception as error:
            error.add_note(f"called with ({self})")
            if "active drivers" in str(error):  # Triton's words for: there is no GPU
                error.add_note("without a GPU, set TRITON_INTERPRET=1 in the environment to run Triton kernels")
            raise

    def __str__(self) -> str:
        given = [_shown(value) for value in self.args]
        return ", ".join(given + [f"{name}={_shown(value)}" for name, value in self.options.items()])

    def tensors(self) -> Iterator[Tensor]:
        """Give every argument that is a tensor, in order."""
        return (value for value in (*self.args, *self.options.values()) if isinstance(value, Tensor))

    def map(self, change: Callable[[Tensor], Tensor]) -> "Call":
        """Give the same call of other tensors."""

        def changed(value: Any) -> Any:
            return change(value) if isinstance(value, Tensor) else value

        return Call(*map(changed, self.args), **{name: changed(value) for name, value in self.options.items()})


@dataclass(frozen=True, kw_only=True)
class Cases:
    """Calls of one op by law; a law without any is skipped.  Small ones: an interpreted program takes a millisecond."""

    layouts: Sequence[Call]
    """Types and layouts, and every option; the laws that hold for any call are tried with these too."""
    sizes: Sequence[Call] = ()
    """Odd sizes and unequal factors, single values, more than a block."""
    specials: Sequence[Call] = ()
    """NaN, infinities, and what is nearly either."""
    ties: Sequence[Call] = ()
    """Values in the middle between two results, and right beside it."""
    gradients: Sequence[Call] = ()
    """Floating inputs to derive for, inside the op's range and outside."""
    refused: Sequence[Call] = ()
    """What the reference refuses."""


def _shown(value: Any) -> str:
    if not isinstance(value, Tensor):
        return repr(value).removeprefix("torch.")
    kind, shape = str(value.dtype).removeprefix("torch."), "x".join(map(str, value.shape))
    if value.is_contiguous():
        return f"{kind} {shape}"
    if value.dim() == 4 and value.is_contiguous(memory_format=torch.channels_last):
        return f"{kind} {shape} channels_last"
    return f"{kind} {shape} strides {value.stride()}"
