"""Eight-bit rounding that training can see through (the compression module of section 3.2)."""

import torch
from torch import Tensor

from resizekit.ops.kernel import op

__all__ = ["LEVELS", "SCALE", "codes", "quantize"]

LEVELS = 255
"""The largest code of an 8-bit picture."""

SCALE = float(torch.tensor(1.0 / LEVELS, dtype=torch.float32))
"""What a code is multiplied with to become a float.  A multiply, never a division by 255: the two differ on 126 of the
256 codes in the last bit, and what is stored must be what was trained."""


@op
def codes(x: Tensor) -> Tensor:
    """Turn floats in [0, 1] into 8-bit codes, clamped, rounded half to even: `... -> ...` uint8.  NaN becomes 0."""
    return (x.nan_to_num(0.0, 1.0, 0.0).clamp(0, 1) * LEVELS).round().to(torch.uint8)


@op
def quantize(x: Tensor) -> Tensor:
    """Clamp to [0, 1] and round to 8 bits, half to even; the gradient passes straight through: `... -> ...`.

    The result is exactly what reading the stored codes gives back; only NaN stays NaN, so that a training that went
    wrong shows it.  The gradient is the plain straight-through one, also outside [0, 1]: a clipped one would leave a
    pixel that strayed over the edge without a way home.
    """
    rounded = (x.detach().clamp(0, 1) * LEVELS).round() * SCALE
    if not x.requires_grad:
        return rounded
    return rounded + (x - x.detach())  # adds exactly 0, and carries the gradient
