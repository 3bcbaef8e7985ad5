"""resizekit's own kernels, in Triton: a plugin like any other.

They enter the table for CUDA where Triton is installed; everything works without.
"""

from collections.abc import Iterable
from importlib.util import find_spec

from resizekit import Kernel, hookimpl

__all__ = ["kernels"]


def kernels() -> tuple[Kernel, ...]:
    """Give every kernel of this package; needs Triton."""
    from resizekit_kernels import quantize

    return (*quantize.KERNELS,)


@hookimpl
def resizekit_register_kernels() -> Iterable[Kernel]:
    """Offer the kernels where Triton can be imported."""
    return kernels() if find_spec("triton") else ()
