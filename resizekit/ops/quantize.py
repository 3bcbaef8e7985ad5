"""Eight-bit rounding that training can see through (the compression module of section 3.2).

Three forms of one rule: `quantize` gives what reading the stored picture gives, `codes` what is stored, and
`quantize_codes` both.  Each can add a guide first, which saves a pass: `low = quantize(encoder(high), guide)`.
The same rule for pictures of 16 bits a channel has no kernels and no guide: `quantize16`, `to_uint16`, `uint16_to_float`.
"""

from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from resizekit.errors import ResizeShapeError, UsageError
from resizekit.ops.kernel import op

__all__ = [
    "LEVELS",
    "LEVELS16",
    "SCALE",
    "SCALE16",
    "Gradient",
    "Quantized",
    "check_quantize",
    "quantize",
    "quantize16",
    "quantize_codes",
    "to_uint",
    "to_uint8",
    "to_uint16",
    "uint16_to_float",
]  # fmt: skip

LEVELS = 255
"""The largest code of an 8-bit picture."""
LEVELS16 = 65535
"""The largest code of a 16-bit picture."""

SCALE = float(torch.tensor(1.0 / LEVELS, dtype=torch.float32))
"""What a code is multiplied with to become a float.  A multiply, never a division by 255: the two differ on 126 of the
256 codes in the last bit, and what is stored must be what was trained."""
SCALE16 = float(torch.tensor(1.0 / LEVELS16, dtype=torch.float32))
"""The same for a code of 16 bits."""

Gradient = Literal["inward", "plain", "clipped"]
"""What passes back where x lies outside [0, 1]: only the gradient that leads back inside, all of it, or none.

All of it would let a clamped pixel be pushed ever further out, where no loss sees it (a training was seen to end that
way, hundreds of units outside); none of it would strand the pixel."""


class Quantized(NamedTuple):
    """An 8-bit picture in both its forms."""

    low: Tensor
    """Float in [0, 1]: what reading the codes gives, exactly."""
    codes: Tensor
    """uint8."""


def check_quantize(x: Tensor, guide: Tensor | None, gradient: str) -> None:
    """Refuse integers, a guide of another shape or device (`ResizeShapeError`) and unknown rules (`UsageError`)."""
    for given in (x,) if guide is None else (x, guide):
        if not given.is_floating_point():
            raise ResizeShapeError(f"rounding to codes got {given.dtype}, it takes floating values in [0, 1]")
    if guide is not None and (guide.shape != x.shape or guide.device != x.device):
        raise ResizeShapeError(
            f"a guide of shape {tuple(guide.shape)} on {guide.device} cannot be added to {tuple(x.shape)} on {x.device}"
        )
    if gradient not in get_args(Gradient):
        raise UsageError(f"unknown gradient {gradient!r}: choose one of {', '.join(get_args(Gradient))}")


@op
def to_uint8(x: Tensor, guide: Tensor | None = None) -> Tensor:
    """Turn floats in [0, 1] into 8-bit codes, clamped, rounded half to even: `... -> ...` uint8.  NaN becomes 0.

    `guide`, of the same shape, is added first.  Half precision is computed in float32.
    """
    check_quantize(x, guide, "inward")
    return _codes(_sum(x, guide)).to(torch.uint8)


@op
def quantize(x: Tensor, guide: Tensor | None = None, *, gradient: Gradient = "inward") -> Tensor:
    """Clamp to [0, 1] and round to 8 bits, half to even; the gradient passes straight through: `... -> ...`.

    The result is exactly what reading the stored codes gives back; NaN stays NaN.  `guide`, of the same shape, is added
    first.  Half precision is computed in float32; the result has the wider of the two types.
    """
    check_quantize(x, guide, gradient)
    return _through(x, guide, gradient)


@op
def quantize_codes(x: Tensor, guide: Tensor | None = None, *, gradient: Gradient = "inward") -> Quantized:
    """Give `quantize(x, guide)` and `codes(x, guide)` at once: `... -> (low ... float, codes ... uint8)`."""
    check_quantize(x, guide, gradient)
    return Quantized(_through(x, guide, gradient), _codes(_sum(x.detach(), guide)).to(torch.uint8))


def quantize16(x: Tensor, *, gradient: Gradient = "inward") -> Tensor:
    """Clamp to [0, 1] and round to 16 bits as `quantize` does to 8: `... -> ...`, at least float32.

    Half precision could not hold the result.
    """
    check_quantize(x, None, gradient)
    return _through(_wide(x), None, gradient, LEVELS16)


def to_uint16(x: Tensor) -> Tensor:
    """Turn floats in [0, 1] into 16-bit codes, clamped, rounded half to even: `... -> ...` uint16.  NaN becomes 0."""
    check_quantize(x, None, "inward")
    return _codes(_wide(x), LEVELS16).to(torch.uint16)


def to_uint(x: Tensor, bits: Literal[8, 16]) -> Tensor:
    """Turn floats in [0, 1] into codes of so many bits, as `codes` or `to_uint16` does: `... -> ...`."""
    return to_uint16(x) if bits == 16 else to_uint8(x)


def uint16_to_float(x: Tensor) -> Tensor:
    """Read 16-bit codes as floats in [0, 1], by a multiply as 8-bit ones: `... -> ...` float32."""
    if x.dtype != torch.uint16:
        raise ResizeShapeError(f"got {x.dtype} where 16-bit codes belong (uint16)")
    return x.to(torch.float32).mul_(SCALE16)


def _sum(x: Tensor, guide: Tensor | None) -> Tensor:
    wide = _wide(x)
    return wide if guide is None else wide + _wide(guide)


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _codes(x: Tensor, levels: int = LEVELS) -> Tensor:
    return (x.nan_to_num(0.0, 1.0, 0.0).clamp(0, 1) * levels).round()


def _through(x: Tensor, guide: Tensor | None, gradient: str, levels: int = LEVELS) -> Tensor:
    if x.requires_grad or (guide is not None and guide.requires_grad):
        return _StraightThrough.apply(x, guide, gradient, levels)  # type: ignore[no-untyped-call,no-any-return]
    return _rounded(x, guide, levels)


def _rounded(x: Tensor, guide: Tensor | None, levels: int) -> Tensor:
    kind = x.dtype if guide is None else torch.promote_types(x.dtype, guide.dtype)
    return ((_sum(x, guide).clamp(0, 1) * levels).round() * (SCALE if levels == LEVELS else SCALE16)).to(kind)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, guide: Tensor | None, gradient: str, levels: int) -> Tensor:
        return _rounded(x, guide, levels)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor | None, str, int], output: Tensor) -> None:
        x, guide, ctx.gradient, _ = inputs
        ctx.kinds = x.dtype, None if guide is None else guide.dtype
        if ctx.gradient != "plain":
            total = _sum(x, guide)
            ctx.save_for_backward(total < 0, total > 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (passed,) = gradients
        if ctx.gradient == "clipped":
            below, above = ctx.saved_tensors
            passed = passed.masked_fill(below | above, 0)
        elif ctx.gradient == "inward":  # a step goes against the gradient: above 1 a positive one leads back
            below, above = ctx.saved_tensors
            passed = torch.where(above, passed.clamp(min=0), passed)
            passed = torch.where(below, passed.clamp(max=0), passed)
        to_x, to_guide = ctx.kinds
        return passed.to(to_x), None if to_guide is None else passed.to(to_guide), None, None
