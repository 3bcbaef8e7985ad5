"""Round to 8 or 16 bits with a gradient, so that training includes the rounding (section 3.2, "Compression Module").

`quantize` returns what reading the stored image gives, `to_uint8` the stored values, and `quantize_codes` both. Each
can add a guide first, which saves a pass over memory: `low = quantize(encoder(high), guide)`. `quantize16`,
`to_uint16` and `uint16_to_float` do the same for 16 bits, without kernels and without a guide.
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
    "ClampGradient",
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
"""The largest 8-bit value."""
LEVELS16 = 65535
"""The largest 16-bit value."""

SCALE = float(torch.tensor(1.0 / LEVELS, dtype=torch.float32))
"""Multiply an 8-bit value by this to get its float in [0, 1].

A division by 255 gives another last bit for 126 of the 256 values, and training must see exactly what is stored."""
SCALE16 = float(torch.tensor(1.0 / LEVELS16, dtype=torch.float32))
"""The same for 16-bit values."""

ClampGradient = Literal["identity_if_towards", "identity", "disconnected"]
"""The gradient where a value is outside [0, 1] and is clamped.

- "identity_if_towards": pass the gradient if a step of gradient descent moves the value towards [0, 1], else 0;
- "identity": pass the gradient unchanged;
- "disconnected": 0.

With "identity", a clamped value can drift arbitrarily far outside, where the loss does not change (this happened in a
training). With "disconnected", a value outside never returns."""


class Quantized(NamedTuple):
    """An image rounded to 8 bits, as floats and as integers."""

    low: Tensor
    """Float in [0, 1]: exactly what reading the integers gives."""
    codes: Tensor
    """The integers, uint8."""


def check_quantize(x: Tensor, guide: Tensor | None, clamp_gradient: str) -> None:
    """Check the arguments of the rounding functions.

    Args:
        x: Must have a floating dtype.
        guide: None, or a floating tensor of the same shape and device.
        clamp_gradient: Must be one of `ClampGradient`.

    Raises:
        ResizeShapeError: A dtype is not floating, or the shapes or devices differ.
        UsageError: `clamp_gradient` is unknown.
    """
    for tensor in (x,) if guide is None else (x, guide):
        if not tensor.is_floating_point():
            raise ResizeShapeError(f"cannot round {tensor.dtype} to integers: expected floating values in [0, 1]")
    if guide is not None and (guide.shape != x.shape or guide.device != x.device):
        raise ResizeShapeError(
            f"a guide of shape {tuple(guide.shape)} on {guide.device} cannot be added to {tuple(x.shape)} on {x.device}"
        )
    rules = get_args(ClampGradient)
    if clamp_gradient not in rules:
        raise UsageError(f"unknown clamp_gradient {clamp_gradient!r}: expected one of {', '.join(rules)}")


@op
def to_uint8(x: Tensor, guide: Tensor | None = None) -> Tensor:
    """Convert floats in [0, 1] to 8-bit values, clamped and rounded half to even: `... -> ...` uint8.

    NaN becomes 0. Half precision is computed in float32.

    Args:
        x: Floating tensor of any shape.
        guide: Floating tensor of the same shape, added first.

    Returns:
        The values 0..255 as uint8; no gradient.

    Raises:
        ResizeShapeError: A dtype is not floating, or the shapes or devices differ.

    >>> to_uint8(torch.tensor([-0.2, 0.0, 0.5, 1.7])).tolist()
    [0, 0, 128, 255]
    """
    check_quantize(x, guide, "identity_if_towards")
    return _levels(_sum(x, guide)).to(torch.uint8)


@op
def quantize(
    x: Tensor, guide: Tensor | None = None, *, clamp_gradient: ClampGradient = "identity_if_towards"
) -> Tensor:
    """Clamp to [0, 1] and round to 8 bits, half to even, with a straight-through gradient: `... -> ...`.

    The result is exactly what reading the stored values gives; NaN stays NaN.  Half precision is computed in float32.

    Args:
        x: Floating tensor of any shape.
        guide: Floating tensor of the same shape, added first.
        clamp_gradient: The gradient outside [0, 1], see `ClampGradient`.

    Returns:
        Multiples of 1/255 in [0, 1], in the wider of the two dtypes.

    Raises:
        ResizeShapeError: A dtype is not floating, or the shapes or devices differ.
        UsageError: `clamp_gradient` is unknown.

    >>> x = torch.tensor([-0.2, 0.501, 1.7], requires_grad=True)
    >>> low = quantize(x)
    >>> (low.detach() * 255).tolist()
    [0.0, 128.0, 255.0]
    >>> low.sum().backward()
    >>> x.grad.tolist()  # a descent step would move -0.2 away from [0, 1]
    [0.0, 1.0, 1.0]
    """
    check_quantize(x, guide, clamp_gradient)
    return _straight_through(x, guide, clamp_gradient)


@op
def quantize_codes(
    x: Tensor, guide: Tensor | None = None, *, clamp_gradient: ClampGradient = "identity_if_towards"
) -> Quantized:
    """Return `quantize(x, guide)` and `to_uint8(x, guide)` together: `... -> (... float, ... uint8)`.

    Args:
        x: Floating tensor of any shape.
        guide: Floating tensor of the same shape, added first.
        clamp_gradient: The gradient outside [0, 1], see `ClampGradient`.

    Returns:
        The floats with a gradient, and the integers without.

    Raises:
        ResizeShapeError: A dtype is not floating, or the shapes or devices differ.
        UsageError: `clamp_gradient` is unknown.

    >>> quantize_codes(torch.tensor([0.0, 0.5])).codes.tolist()
    [0, 128]
    """
    check_quantize(x, guide, clamp_gradient)
    return Quantized(_straight_through(x, guide, clamp_gradient), _levels(_sum(x.detach(), guide)).to(torch.uint8))


def quantize16(x: Tensor, *, clamp_gradient: ClampGradient = "identity_if_towards") -> Tensor:
    """Clamp to [0, 1] and round to 16 bits, as `quantize` does to 8 bits: `... -> ...`.

    Args:
        x: Floating tensor of any shape.
        clamp_gradient: The gradient outside [0, 1], see `ClampGradient`.

    Returns:
        Multiples of 1/65535 in float32 or float64: half precision cannot hold them.

    Raises:
        ResizeShapeError: The dtype is not floating.
        UsageError: `clamp_gradient` is unknown.

    >>> (quantize16(torch.tensor([0.5])) * 65535).tolist()
    [32768.0]
    """
    check_quantize(x, None, clamp_gradient)
    return _straight_through(_at_least_float32(x), None, clamp_gradient, LEVELS16)


def to_uint16(x: Tensor) -> Tensor:
    """Convert floats in [0, 1] to 16-bit values, clamped and rounded half to even: `... -> ...` uint16.

    Args:
        x: Floating tensor of any shape; NaN becomes 0.

    Returns:
        The values 0..65535 as uint16.

    Raises:
        ResizeShapeError: The dtype is not floating.

    >>> to_uint16(torch.tensor([0.0, 0.5, 2.0])).tolist()
    [0, 32768, 65535]
    """
    check_quantize(x, None, "identity_if_towards")
    return _levels(_at_least_float32(x), LEVELS16).to(torch.uint16)


def to_uint(x: Tensor, bits: Literal[8, 16]) -> Tensor:
    """Convert floats in [0, 1] to unsigned integers, as `to_uint8` or `to_uint16` does: `... -> ...`.

    Args:
        x: Floating tensor of any shape; NaN becomes 0.
        bits: 8 or 16.

    Returns:
        A uint8 or uint16 tensor.

    >>> to_uint(torch.tensor([1.0]), 8).dtype
    torch.uint8
    """
    return to_uint16(x) if bits == 16 else to_uint8(x)


def uint16_to_float(x: Tensor) -> Tensor:
    """Convert 16-bit values to floats in [0, 1]: `... -> ...` float32.

    Args:
        x: uint16 tensor of any shape.

    Returns:
        `SCALE16 * x`, float32.

    Raises:
        ResizeShapeError: The dtype is not uint16.

    >>> uint16_to_float(torch.tensor([0, 65535], dtype=torch.uint16)).tolist()
    [0.0, 1.0]
    """
    if x.dtype != torch.uint16:
        raise ResizeShapeError(f"got {x.dtype}: expected 16-bit values (uint16)")
    return x.to(torch.float32).mul_(SCALE16)


def _sum(x: Tensor, guide: Tensor | None) -> Tensor:
    x = _at_least_float32(x)
    return x if guide is None else x + _at_least_float32(guide)


def _at_least_float32(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _levels(x: Tensor, levels: int = LEVELS) -> Tensor:
    return (x.nan_to_num(0.0, 1.0, 0.0).clamp(0, 1) * levels).round()


def _straight_through(x: Tensor, guide: Tensor | None, clamp_gradient: str, levels: int = LEVELS) -> Tensor:
    if x.requires_grad or (guide is not None and guide.requires_grad):
        return _StraightThrough.apply(x, guide, clamp_gradient, levels)  # type: ignore[no-untyped-call,no-any-return]
    return _rounded(x, guide, levels)


def _rounded(x: Tensor, guide: Tensor | None, levels: int) -> Tensor:
    dtype = x.dtype if guide is None else torch.promote_types(x.dtype, guide.dtype)
    return ((_sum(x, guide).clamp(0, 1) * levels).round() * (SCALE if levels == LEVELS else SCALE16)).to(dtype)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, guide: Tensor | None, clamp_gradient: str, levels: int) -> Tensor:
        return _rounded(x, guide, levels)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor | None, str, int], output: Tensor) -> None:
        x, guide, ctx.clamp_gradient, _ = inputs
        ctx.dtypes = x.dtype, None if guide is None else guide.dtype
        if ctx.clamp_gradient != "identity":
            total = _sum(x, guide)
            ctx.save_for_backward(total < 0, total > 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (passed,) = gradients
        if ctx.clamp_gradient == "disconnected":
            below, above = ctx.saved_tensors
            passed = passed.masked_fill(below | above, 0)
        elif ctx.clamp_gradient == "identity_if_towards":
            below, above = ctx.saved_tensors
            # descent subtracts the gradient: above 1 a positive gradient leads towards [0, 1]
            passed = torch.where(above, passed.clamp(min=0), passed)
            passed = torch.where(below, passed.clamp(max=0), passed)
        dtype_of_x, dtype_of_guide = ctx.dtypes
        return passed.to(dtype_of_x), None if dtype_of_guide is None else passed.to(dtype_of_guide), None, None
