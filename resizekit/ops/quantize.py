"""Eight-bit rounding that training can see through (the compression module of section 3.2)."""

from typing import Any

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

    The result is exactly what reading the stored codes gives back; NaN stays NaN.  Outside [0, 1] only the gradient
    that leads back inside passes.  All of it would let a clamped pixel be pushed ever further out, where no loss sees
    it (a training was seen to end that way, hundreds of units outside); none of it would strand the pixel.
    """
    return _rounded(x) if not x.requires_grad else _StraightThrough.apply(x)  # type: ignore[no-untyped-call]


def _rounded(x: Tensor) -> Tensor:
    return (x.clamp(0, 1) * LEVELS).round() * SCALE


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return _rounded(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0] < 0, inputs[0] > 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        below, above = ctx.saved_tensors
        (gradient,) = gradients  # a step goes against it: above 1 a positive gradient leads back
        inward = torch.where(above, gradient.clamp(min=0), gradient)
        return torch.where(below, gradient.clamp(max=0), inward)
