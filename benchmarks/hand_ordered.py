"""Each op in eager PyTorch with as few passes over memory as possible, for comparison.

The results have the same bits as the references: conversions happen in the pass that moves, data moves in the narrowest
dtype, and work is in place. Arguments are those of `resizekit.ops`, without gradients.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from resizekit.ops import Guided, Quantized, resample
from resizekit.ops.pixel import in_channels_last
from resizekit.ops.quantize import LEVELS, SCALE

__all__ = ["HAND_ORDERED"]


def _blocks(x: Tensor, s: int, r: int) -> Tensor:
    """View `b c (h s) (w r)` as `b c s r h w` without moving data."""
    return x.unflatten(3, (-1, r)).unflatten(2, (-1, s)).permute(0, 1, 3, 5, 2, 4)


def _format(channels_last: bool) -> torch.memory_format:
    return torch.channels_last if channels_last else torch.contiguous_format


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
    """Multiply, move and convert in one pass, directly into the result; the shift of float32 is a second pass."""
    b, c, height, width = x.shape
    channels = c * s * r
    shape = b, channels + -channels % multiple, height // s, width // r
    out = torch.empty(shape, dtype=dtype, device=x.device, memory_format=_format(channels_last))
    assert dtype == torch.float32 or not shift, "the sum would be rounded twice"
    torch.mul(_blocks(x, s, r), SCALE, out=out[:, :channels].unflatten(1, (c, s, r)))
    if shift:
        out[:, :channels].add_(shift)
    if shape[1] > channels:
        out[:, channels:].zero_()
    return out


def unshuffle_guide(x: Tensor, s: int, r: int, *, channels_last: bool = False, **options: Any) -> Guided:
    """Make the floats for the guide in one pass instead of two."""
    size = x.shape[2] // s, x.shape[3] // r
    guide = resample(x * SCALE, size, scale=(Fraction(s), Fraction(r)))
    unshuffled = unshuffle_codes(x, s, r, channels_last=channels_last, **options)
    return Guided(unshuffled, guide.contiguous(memory_format=_format(channels_last)))


def shuffle_codes(x: Tensor, s: int, r: int) -> Tensor:
    """Clamp in the input dtype, round in place, and convert to bytes in the pass that moves."""
    levels = x.nan_to_num(0.0, 1.0, 0.0).clamp_(0, 1).float().mul_(LEVELS).round_()
    b, channels, h, w = x.shape
    c = channels // (s * r)
    out = torch.empty((b, c, h * s, w * r), dtype=torch.uint8, device=x.device, memory_format=torch.channels_last)
    _blocks(out, s, r).copy_(levels.unflatten(1, (c, s, r)))
    return out


def to_uint8(x: Tensor, guide: Tensor | None = None) -> Tensor:
    """Add in the pass that also widens, then work in place."""
    total = x if guide is None else torch.add(x, guide)
    return total.nan_to_num(0.0, 1.0, 0.0).clamp_(0, 1).float().mul_(LEVELS).round_().to(torch.uint8)


def _levels(x: Tensor, guide: Tensor | None) -> Tensor:
    total = x.clamp(0, 1) if guide is None else torch.add(x, guide).clamp_(0, 1)
    return total.float().mul_(LEVELS).round_()


def quantize(x: Tensor, guide: Tensor | None = None) -> Tensor:
    """Add in the pass that also widens, then work in place."""
    dtype = x.dtype if guide is None else torch.promote_types(x.dtype, guide.dtype)
    return _levels(x, guide).mul_(SCALE).to(dtype)


def quantize_codes(x: Tensor, guide: Tensor | None = None) -> Quantized:
    """Round once for both results."""
    dtype = x.dtype if guide is None else torch.promote_types(x.dtype, guide.dtype)
    levels = _levels(x, guide)
    low = torch.mul(levels, SCALE).to(dtype)
    return Quantized(low, levels.nan_to_num_(0.0).to(torch.uint8))


def unshuffle_quantize(x: Tensor, s: int, r: int) -> Quantized:
    """Round before moving, and move in the passes that write the results."""
    b, c, height, width = x.shape
    shape, memory = (b, c * s * r, height // s, width // r), _format(in_channels_last(x))
    levels = _levels(x, None)
    low = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=memory)
    torch.mul(_blocks(levels, s, r), SCALE, out=low.unflatten(1, (c, s, r)))
    codes = torch.empty(shape, dtype=torch.uint8, device=x.device, memory_format=memory)
    codes.unflatten(1, (c, s, r)).copy_(_blocks(levels.nan_to_num_(0.0), s, r))
    return Quantized(low, codes)


HAND_ORDERED: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        unshuffle_codes, unshuffle_guide, shuffle_codes, to_uint8, quantize, quantize_codes, unshuffle_quantize,
    )
}  # fmt: skip
"""Functions by the name of the op; `unshuffle` and `shuffle` are a single copy already."""
