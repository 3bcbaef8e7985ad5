"""The kernels of resizekit, written in Triton: an ordinary plugin.

The plugin offers them if PyTorch sees a CUDA device and Triton is installed. Everything works without them, and
machines without a GPU do not import Triton and the compiler of PyTorch.
"""

from collections.abc import Iterable
from importlib.util import find_spec

import torch

from resizekit import Kernel, hookimpl

__all__ = ["kernels"]


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
    return tuple(kernel for module in modules for kernel in module.KERNELS)


@hookimpl
def resizekit_register_kernels() -> Iterable[Kernel]:
    """Offer the kernels if they can run."""
    return kernels() if torch.cuda.is_available() and find_spec("triton") else ()
