"""Pairs of ops between the bytes of an image and a network: one pass over memory where a kernel exists.

uint8 ─► unshuffle_codes ─► network            network ─► shuffle_codes ─► uint8
uint8 ─► unshuffle_guide ─► network, guide     floats ─► unshuffle_quantize ─► low, uint8
"""

from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor

from resizekit.errors import ResizeShapeError
from resizekit.ops.kernel import op
from resizekit.ops.pixel import check_shuffle, check_unshuffle, shuffle, unshuffle
from resizekit.ops.quantize import SCALE, ClampGradient, Quantized, quantize_codes, to_uint8
from resizekit.ops.resample import resample

__all__ = [
    "Guided", "check_codes", "check_floats",
    "shuffle_codes", "unshuffle_codes", "unshuffle_guide", "unshuffle_quantize",
]  # fmt: skip


class Guided(NamedTuple):
    """The inputs of an encoder."""

    unshuffled: Tensor
    """`b (c s r) h w`, the unshuffled image."""
    guide: Tensor
    """`b c h w`, float32 in about [0, 1]: bicubic overshoots at edges."""


def check_codes(x: Tensor, s: int, r: int, dtype: torch.dtype, multiple: int) -> None:
    """Check the arguments of `unshuffle_codes` and `unshuffle_guide`.

    Raises:
        ResizeShapeError: `x` is not a uint8 image that s and r divide, `dtype` is not floating, or `multiple` is not
            positive.
    """
    if x.dtype != torch.uint8:
        raise ResizeShapeError(f"got {x.dtype}: expected 8-bit values (uint8), or use `unshuffle` for floats")
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ResizeShapeError(f"cannot convert uint8 to {dtype!r}: choose a floating type such as torch.float32")
    if multiple < 1:
        raise ResizeShapeError(f"cannot pad channels to a multiple of {multiple}: use 1 or more")
    check_unshuffle(x, s, r)


def check_floats(x: Tensor) -> None:
    """Raise a `ResizeShapeError` unless the dtype is floating."""
    if not x.is_floating_point():
        raise ResizeShapeError(f"got {x.dtype}: expected floating values in [0, 1]")


@op
def unshuffle_codes(
    x: Tensor,
    s: int,
    r: int,
    *,
    dtype: torch.dtype = torch.float32,
    shift: float = 0.0,
    multiple: int = 1,
    channels_last: bool = False,
) -> Tensor:
    """Convert 8-bit values to the input of a network: `b c (h s) (w r)` uint8 `-> b (c s r) h w`, `SCALE * x + shift`.

    The result is computed in float32 and rounded once. `SCALE` is float32(1/255): a division by 255 gives other last
    bits.

    Args:
        x: uint8 image with any strides, such as bytes `b h w c` after `permute`.
        s: Factor of the height.
        r: Factor of the width.
        dtype: Floating dtype of the result.
        shift: Added after scaling, for example -0.5.
        multiple: Pad with channels of zeros to a multiple of this number.
        channels_last: Return the channels-last memory format, `b h w (c s r)`.

    Returns:
        A new tensor.

    Raises:
        ResizeShapeError: The dtype of `x` is not uint8, `dtype` is not floating, or s and r do not divide the size.

    >>> x = torch.tensor([0, 51, 102, 255], dtype=torch.uint8).reshape(1, 1, 2, 2)
    >>> [round(value, 2) for value in unshuffle_codes(x, 2, 2, shift=-0.5).flatten().tolist()]
    [-0.5, -0.3, -0.1, 0.5]
    """
    check_codes(x, s, r, dtype, multiple)
    unshuffled = unshuffle(x, s, r).float() * SCALE
    return _padded((unshuffled + shift if shift else unshuffled).to(dtype), multiple, channels_last)


@op
def unshuffle_guide(
    x: Tensor,
    s: int,
    r: int,
    *,
    dtype: torch.dtype = torch.float32,
    shift: float = 0.0,
    multiple: int = 1,
    channels_last: bool = False,
) -> Guided:
    """Return `unshuffle_codes` and the antialiased bicubic guide: `b c (h s) (w r)` uint8 `-> b (c s r) h w, b c h w`.

    A kernel reads the image only once. The guide is `resample` of `SCALE * x`, float32: MATLAB's `imresize` before it
    rounds (section 4.1 of the paper).

    Args:
        x: uint8 image with any strides.
        s: Factor of the height.
        r: Factor of the width.
        dtype: Floating dtype of the unshuffled image.
        shift: Added to the unshuffled image after scaling.
        multiple: Pad the unshuffled image with channels of zeros to a multiple of this number.
        channels_last: Return both in channels-last memory format.

    Returns:
        The unshuffled image and the guide.

    Raises:
        ResizeShapeError: The dtype of `x` is not uint8, `dtype` is not floating, or s and r do not divide the size.

    >>> guided = unshuffle_guide(torch.full((1, 3, 4, 4), 255, dtype=torch.uint8), 2, 2)
    >>> guided.unshuffled.shape, guided.guide.shape
    (torch.Size([1, 12, 2, 2]), torch.Size([1, 3, 2, 2]))
    """
    unshuffled = unshuffle_codes(x, s, r, dtype=dtype, shift=shift, multiple=multiple, channels_last=channels_last)
    size = x.shape[2] // s, x.shape[3] // r
    guide = resample(x.float() * SCALE, size, scale=(Fraction(s), Fraction(r)))
    return Guided(unshuffled, _padded(guide, 1, channels_last))


@op
def shuffle_codes(x: Tensor, s: int, r: int, *, shift: float = 0.0) -> Tensor:
    """Convert the output of a network to 8-bit values: `b (c s r) h w -> b c (h s) (w r)` uint8, `255 * (x + shift)`.

    The values are clamped and rounded half to even; NaN becomes 0. Half precision is computed in float32.

    Args:
        x: Floating tensor.
        s: Factor of the height.
        r: Factor of the width.
        shift: Added before scaling, for example 0.5.

    Returns:
        A uint8 image in channels-last memory format (`b h w c`), the order of image files; no gradient.

    Raises:
        ResizeShapeError: s * r does not divide the number of channels, or the dtype is not floating.

    >>> shuffle_codes(torch.tensor([0.0, 0.2, 0.4, 1.1]).reshape(1, 4, 1, 1), 2, 2).tolist()
    [[[[0, 51], [102, 255]]]]
    """
    check_floats(x)
    check_shuffle(x, s, r)
    wide = x if x.dtype == torch.float64 else x.float()
    stored = to_uint8(shuffle(wide + shift if shift else wide, s, r))
    return stored.contiguous(memory_format=torch.channels_last)


@op
def unshuffle_quantize(
    x: Tensor, s: int, r: int, *, clamp_gradient: ClampGradient = "identity_if_towards"
) -> Quantized:
    """Unshuffle and round to 8 bits, for a task without a network in between: `b c (h s) (w r) -> b (c s r) h w`.

    The same as `quantize_codes(unshuffle(x, s, r))`, including gradients.

    Args:
        x: Floating tensor in [0, 1].
        s: Factor of the height.
        r: Factor of the width.
        clamp_gradient: The gradient outside [0, 1], see `ClampGradient`.

    Returns:
        The floats with a gradient, and the integers without.

    Raises:
        ResizeShapeError: The dtype is not floating, or s and r do not divide the size.
        UsageError: `clamp_gradient` is unknown.

    >>> unshuffle_quantize(torch.tensor([[[[0.0, 0.5]]]]), 1, 2).codes.flatten().tolist()
    [0, 128]
    """
    check_floats(x)
    return quantize_codes(unshuffle(x, s, r), clamp_gradient=clamp_gradient)


def _padded(x: Tensor, multiple: int, channels_last: bool) -> Tensor:
    missing = -x.shape[1] % multiple
    if missing:
        x = torch.cat([x, x.new_zeros(x.shape[0], missing, *x.shape[2:])], 1)
    return x.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
