"""What every launcher needs: how a kernel is called, how large its blocks are, and ops that autograd and compiler know.

In eager a launcher calls its kernel directly, since an op boundary costs more than these kernels take.  Under
`torch.compile` and `torch.export` the same launcher runs inside a `triton_op`, where the compiler sees the kernel.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.library import triton_op, wrap_triton

from resizekit_kernels.arithmetic import INTERPRETED

__all__ = [
    "FLOATS", "Block", "Wrap", "any_grad", "autograd_function", "block_for", "direct", "fitting", "on_cpu", "padded",
    "traced", "triton_op", "vector", "wrap_triton",
]  # fmt: skip

FLOATS = (torch.float32, torch.float16, torch.bfloat16)
"""The floating types that kernels read and write; they compute in the first."""

Wrap = Callable[[Any], Any]
"""Turns a kernel into what is launched as `wrap(kernel)[grid](...)`: `direct` in eager, `wrap_triton` in an op."""


class Block(NamedTuple):
    """How a kernel is cut up on one architecture."""

    size: int
    """Elements a program works on."""
    warps: int


def direct(kernel: Any) -> Any:
    """Launch a kernel as it is."""
    return kernel


def block_for(x: Tensor, table: dict[int, Block]) -> Block:
    """Choose by the major compute capability; 0 stands for every other, and for the interpreter."""
    if x.device.type != "cuda":
        return table[0]
    return table.get(torch.cuda.get_device_capability(x.device)[0], table[0])


def fitting(n: int, most: int) -> int:
    """Give the smallest power of two from n, `most` at most; a size that the compiler leaves open is only compared."""
    size = 1
    while size < most and size < n:
        size *= 2
    return size


def padded(channels: int, multiple: int) -> int:
    """Count the channels with those of zeros that fill them up to a multiple."""
    return -(-channels // multiple) * multiple


def vector(x: Tensor, *numbers: int) -> int:
    """Count the neighbouring values to read at once, 16 bytes at most: it divides all that offsets are made of."""
    return next((v for v in (8, 4, 2) if v * x.element_size() <= 16 and all(n % v == 0 for n in numbers)), 1)


def traced() -> bool:
    """Tell whether the compiler is looking; kernels then go through their op."""
    return torch.compiler.is_compiling()


def on_cpu(x: Tensor) -> bool:
    """Tell whether an op has to run its reference: tracing asks on the CPU too, and only the interpreter runs there."""
    return x.device.type == "cpu" and not INTERPRETED.value


def any_grad(*tensors: Tensor | None) -> bool:
    """Tell whether autograd wants to know of this call."""
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


def autograd_function(
    name: str,
    forward: Callable[..., Any],
    setup_context: Callable[..., None],
    backward: Callable[..., Any],
) -> Callable[..., Any]:
    """Make the eager twin of an op's `register_autograd` out of the very same functions."""
    members = {"forward": forward, "setup_context": setup_context, "backward": backward}
    function = type(name, (torch.autograd.Function,), {key: staticmethod(value) for key, value in members.items()})
    return function.apply  # type: ignore[attr-defined]
