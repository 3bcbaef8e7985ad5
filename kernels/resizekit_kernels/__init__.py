"""resizekit's own kernels, in Triton: a plugin like any other.

They enter the table where torch sees a CUDA device and Triton is installed; everything works without, and on other
machines nobody waits for Triton and torch's compiler to be imported.
"""

from collections.abc import Iterable
from importlib.util import find_spec

import torch

from resizekit import Kernel, hookimpl

__all__ = ["kernels"]


def kernels() -> tuple[Kernel, ...]:
    """Give every kernel of this package; needs Triton."""
    from resizekit_kernels import guide, pixel, quantize, shuffle_codes, unshuffle_codes, unshuffle_quantize

    families = (unshuffle_codes, guide, pixel, quantize, shuffle_codes, unshuffle_quantize)
    return tuple(kernel for family in families for kernel in family.KERNELS)


@hookimpl
def resizekit_register_kernels() -> Iterable[Kernel]:
    """Offer the kernels where they can serve."""
    return kernels() if torch.cuda.is_available() and find_spec("triton") else ()
