"""The kernels of resizekit, written in Triton: an ordinary plugin.

They run on GPUs of NVIDIA (CUDA) and AMD (ROCm), whose device type is "cuda" too. Everything works without them, and
machines without a GPU do not import Triton and the compiler of PyTorch.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from typing import Any

import torch

from resizekit import Kernel, hookimpl
from resizekit.ops import TimingCase

__all__ = ["OPS", "kernels"]

OPS = (
    "conv3x3", "quantize", "quantize_codes", "shuffle", "shuffle_codes", "to_uint8", "unshuffle", "unshuffle_codes",
    "unshuffle_guide", "unshuffle_quantize",
)  # fmt: skip
"""Names of the ops with a kernel, known without Triton."""


def kernels() -> tuple[Kernel, ...]:
    """Return every kernel of this package; needs Triton."""
    from resizekit_kernels import (
        convolution,
        guide,
        pixel,
        quantize,
        shuffle_codes,
        unshuffle_codes,
        unshuffle_quantize,
    )

    modules = (convolution, unshuffle_codes, guide, pixel, quantize, shuffle_codes, unshuffle_quantize)
    return tuple(replace(kernel, cases=_cases(kernel.op)) for module in modules for kernel in module.KERNELS)


@hookimpl
def resizekit_register_kernels() -> Iterable[Kernel]:
    """Offer the kernels, or their names with the reason why they cannot run."""
    if not torch.cuda.is_available():
        return _unavailable("PyTorch finds no GPU of type cuda")
    if find_spec("triton") is None:
        return _unavailable("Triton is not installed")
    return kernels()


def _unavailable(reason: str) -> tuple[Kernel, ...]:
    return tuple(Kernel(op=op, device_type="cuda", run=_never, unavailable=reason, cases=_cases(op)) for op in OPS)


@cache
def _cases(op: str) -> Callable[[torch.device], Iterable[TimingCase]]:
    from resizekit_kernels.timing_cases import timing_cases

    return partial(timing_cases, op)


def _never(*_: Any, **__: Any) -> None:
    raise AssertionError("a kernel that is not available was called")
