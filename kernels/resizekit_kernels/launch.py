"""Shared by all launchers: how to call a kernel, how large its blocks are, and ops for autograd and the compiler.

In eager mode a launcher calls its kernel directly, because the overhead of an op exceeds the time of these kernels.
Under `torch.compile` and `torch.export` the same launcher runs inside a `triton_op`: the compiler then sees the kernel.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.library import triton_op, wrap_triton

from resizekit_kernels.arithmetic import INTERPRETED

__all__ = [
    "FLOATS", "Block", "Wrap", "autograd_function", "block_for", "block_size", "direct", "is_compiling", "needs_grad",
    "padded_channels", "runs_reference", "triton_op", "vector_width", "wrap_triton",
]  # fmt: skip

FLOATS = (torch.float32, torch.float16, torch.bfloat16)
"""The floating dtypes that kernels read and write; they compute in float32."""

Wrap = Callable[[Any], Any]
"""Prepares a kernel for `wrap(kernel)[grid](...)`: `direct` in eager mode, `wrap_triton` inside a `triton_op`."""


class Block(NamedTuple):
    """The block of a kernel on one architecture."""

    size: int
    """Elements of a program."""
    warps: int
    """Warps of a program."""


def direct(kernel: Any) -> Any:
    """Return the kernel unchanged."""
    return kernel


def block_for(x: Tensor, table: dict[int, Block]) -> Block:
    """Return the block for the major compute capability of a device; 0 is the default and the interpreter."""
    if x.device.type != "cuda":
        return table[0]
    return table.get(torch.cuda.get_device_capability(x.device)[0], table[0])


def block_size(n: int, maximum: int) -> int:
    """Return the smallest power of two that is at least n, but at most `maximum`.

    The loop only compares n, so it can be a symbolic size of the compiler.
    """
    size = 1
    while size < maximum and size < n:
        size *= 2
    return size


def padded_channels(channels: int, multiple: int) -> int:
    """Return the number of channels after padding to a multiple."""
    return -(-channels // multiple) * multiple


def vector_width(x: Tensor, *numbers: int) -> int:
    """Return how many neighboring values to read at once, at most 16 bytes.

    The width divides all `numbers`, the terms of the offsets.
    """
    return next((v for v in (8, 4, 2) if v * x.element_size() <= 16 and all(n % v == 0 for n in numbers)), 1)


def is_compiling() -> bool:
    """Return whether torch.compile or torch.export traces this call; kernels then go through their op."""
    return torch.compiler.is_compiling()


def runs_reference(x: Tensor) -> bool:
    """Return whether an op must run its reference.

    Tracing calls ops with CPU tensors too, and there only the interpreter can run kernels.
    """
    return x.device.type == "cpu" and not INTERPRETED.value


def needs_grad(*tensors: Tensor | None) -> bool:
    """Return whether autograd records this call."""
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


def autograd_function(
    name: str,
    forward: Callable[..., Any],
    setup_context: Callable[..., None],
    backward: Callable[..., Any],
) -> Callable[..., Any]:
    """Build the eager counterpart of an op's `register_autograd` from the same functions.

    Args:
        name: Name of the `torch.autograd.Function`.
        forward: Computes the outputs.
        setup_context: Saves what `backward` needs.
        backward: Computes the gradients.

    Returns:
        The `apply` of the function.
    """
    members = {"forward": forward, "setup_context": setup_context, "backward": backward}
    function = type(name, (torch.autograd.Function,), {key: staticmethod(value) for key, value in members.items()})
    return function.apply  # type: ignore[attr-defined]
