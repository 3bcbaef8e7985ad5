"""Shared by all launchers: how to call a kernel, how large its blocks are, and ops for autograd and the compiler.

In eager mode a launcher calls its kernel directly, because the overhead of an op exceeds the time of these kernels.
Under `torch.compile` and `torch.export` the same launcher runs inside a `triton_op`: the compiler then sees the kernel.
"""

import functools
import subprocess
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.library import triton_op, wrap_triton

from resizekit.errors import KernelUnavailableError
from resizekit_kernels.arithmetic import INTERPRETED, ROCM

__all__ = [
    "FLOATS", "Block", "Wrap", "autograd_function", "block_for", "block_size", "direct", "is_compiling", "needs_grad",
    "or_reference", "padded_channels", "runs_reference", "triton_op", "vector_width", "wrap_triton",
]  # fmt: skip

FLOATS = (torch.float32, torch.float16, torch.bfloat16)
"""The floating dtypes that kernels read and write; they compute in float32."""

_BUILD = (
    "triton.compiler", "triton.runtime.build", "triton.runtime.driver",
    "triton.backends.nvidia.compiler", "triton.backends.amd.compiler",
)  # fmt: skip
"""The modules in which Triton compiles a kernel, its launcher and its driver."""

R = TypeVar("R")
Wrap = Callable[[Any], Any]
"""Prepares a kernel for `wrap(kernel)[grid](...)`: `direct` in eager mode, `wrap_triton` inside a `triton_op`."""


class Block(NamedTuple):
    """The block of a kernel on one architecture."""

    size: int
    """Elements of a program."""
    warps: int
    """Warps of a program."""


class _Direct:
    """A kernel that `kernel[grid](tensor, ...)` launches on the device of the tensor."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        return functools.partial(_launch_on_its_device, self.kernel[grid])


def direct(kernel: Any) -> Any:
    """Prepare a kernel for eager mode.

    It runs on the device of its first argument; Triton itself uses the current device. The launch raises
    `KernelUnavailableError` if the kernel cannot be built.
    """
    return _Direct(kernel)


def _launch_on_its_device(launch: Callable[..., None], first: Tensor, *args: Any, **options: Any) -> None:
    try:
        if first.is_cuda and first.device.index != torch.cuda.current_device():
            with torch.cuda.device(first.device):
                launch(first, *args, **options)
        else:
            launch(first, *args, **options)
    except Exception as error:
        if not _raised_by_a_build(error):
            raise
        raise KernelUnavailableError(_build_message(error)) from error


def _raised_by_a_build(error: Exception) -> bool:
    """Return whether an error comes from the compilation of a kernel or its launcher, not from its execution.

    The place counts, because the types of these errors are general and differ between versions of Triton. When a kernel
    is loaded, the driver can also report errors of earlier launches; only a kernel for another GPU counts there.
    """
    if str(error).startswith("Triton Error [") and "image" not in str(error):
        return False
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__", "").startswith(_BUILD) for frame, _ in frames)


def _build_message(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"the C compiler of Triton failed with exit code {error.returncode}; it needs Python.h (python3-dev)"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1][:200]}" if lines else type(error).__name__


def or_reference(run: Callable[..., R], reference: Callable[..., R]) -> Callable[..., R]:
    """Return `run`, with `reference` instead if it cannot be built, for backward passes.

    A forward pass needs no such step: the dispatch of the op does it.
    """

    @functools.wraps(run)
    def first_possible(*args: Any) -> R:
        try:
            return run(*args)
        except KernelUnavailableError:
            return reference(*args)

    return first_possible


def block_for(x: Tensor, table: dict[int, Block]) -> Block:
    """Return the block for the major compute capability of a device; 0 is the default and the interpreter."""
    if x.device.type != "cuda" or ROCM.value:  # the blocks are those of NVIDIA's architectures
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
