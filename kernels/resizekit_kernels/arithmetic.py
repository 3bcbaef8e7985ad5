"""Arithmetic that gives the same bits on a GPU, in Triton's interpreter and in eager torch.

Kernels load, turn to float32 at once, compute with these, and store through `narrow`.  A product or a sum that is
rounded later must not become one fused multiply-add, which rounds once instead of twice: `times` cannot be fused.
"""

import triton
import triton.language as tl
from triton.language.extra import libdevice

__all__ = ["INTERPRETED", "code", "narrow", "times"]

INTERPRETED = tl.constexpr(bool(triton.knobs.runtime.interpret))
"""Whether kernels run in the interpreter, decided when they are defined (TRITON_INTERPRET=1)."""


@triton.jit
def times(x, y):
    """Multiply float32 values, rounded at once whatever follows."""
    if INTERPRETED:
        return x * y
    else:
        return libdevice.mul_rn(x, y)


@triton.jit
def code(x):
    """Clamp to [0, 1] and give the code 0..255 as float32, rounded half to even; NaN gives 0."""
    x = tl.where(x > 0.0, x, 0.0)
    x = tl.where(x < 1.0, x, 1.0)
    x = times(x, 255.0)
    if INTERPRETED:
        return (x + 12582912.0) - 12582912.0  # 1.5 * 2**23: beyond it float32 has no fractions; numpy never fuses
    else:
        return libdevice.rint(x)


@triton.jit
def narrow(x, kind: tl.constexpr):
    """Turn float32 to the type of an output, rounded half to even; the interpreter's own cast to bfloat16 truncates."""
    if INTERPRETED and kind == tl.bfloat16:
        bits = x.to(tl.uint32, bitcast=True)
        rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
        rounded = tl.where(x != x, 0x7FC0, rounded)
        return rounded.to(tl.uint16).to(tl.bfloat16, bitcast=True)
    else:
        return x.to(kind)
