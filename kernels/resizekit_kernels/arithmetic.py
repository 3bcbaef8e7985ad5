"""Arithmetic with the same bits on a GPU, in Triton's interpreter and in PyTorch.

A kernel loads values, converts them to float32 at once, computes with these functions and stores through `narrow`.
The compiler must not fuse a product and a sum into one multiply-add, which rounds once instead of twice: `multiply`
prevents it.
"""

import torch
import triton
import triton.language as tl
from triton.language.extra import libdevice

__all__ = ["INTERPRETED", "ROCM", "multiply", "narrow", "to_level"]

INTERPRETED = tl.constexpr(bool(triton.knobs.runtime.interpret))
"""Whether kernels run in the interpreter (TRITON_INTERPRET=1), decided when they are defined."""
ROCM = tl.constexpr(torch.version.hip is not None)
"""Whether PyTorch was built for AMD GPUs; their device type is "cuda" too."""


@triton.jit
def multiply(x, y):
    """Multiply float32 values and round at once; the compiler cannot fuse it with a following sum.

    Triton has `mul_rn` for NVIDIA only. For AMD, the compiler does not see into the instruction. The launch option
    `enable_fp_fusion=False` would do the same, but torch.compile does not pass it on.
    """
    if INTERPRETED:
        return x * y
    elif ROCM:
        return tl.inline_asm_elementwise("v_mul_f32 $0, $1, $2", "=v,v,v", [x, y], tl.float32, True, 1)
    else:
        return libdevice.mul_rn(x, y)


@triton.jit
def to_level(x):
    """Clamp to [0, 1] and return the 8-bit value 0..255 as float32, rounded half to even; NaN gives 0."""
    x = tl.where(x > 0.0, x, 0.0)
    x = tl.where(x < 1.0, x, 1.0)
    x = multiply(x, 255.0)
    if INTERPRETED:
        return (x + 12582912.0) - 12582912.0  # 1.5 * 2**23: float32 has no fractions there; NumPy never fuses
    else:
        return libdevice.rint(x)


@triton.jit
def narrow(x, DTYPE: tl.constexpr):
    """Convert float32 to the dtype of an output, rounded half to even.

    The interpreter's own conversion to bfloat16 truncates.
    """
    if INTERPRETED and DTYPE == tl.bfloat16:
        bits = x.to(tl.uint32, bitcast=True)
        rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
        rounded = tl.where(x != x, 0x7FC0, rounded)
        return rounded.to(tl.uint16).to(tl.bfloat16, bitcast=True)
    else:
        return x.to(DTYPE)
