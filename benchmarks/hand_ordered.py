"""Each op as somebody would write it in eager torch who knows where the bytes go.

The same bits as the references with fewer passes: cast in the pass that moves, move at the narrowest type, work in
place.  `x` and the rest are as in `resizekit.ops`, without shift and without gradients.
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


def _phases(x: Tensor, s: int, r: int) -> Tensor:
    """See `b c (h s) (w r)` as `b c s r h w`; no byte moves."""
    return x.unflatten(3, (-1, r)).unflatten(2, (-1, s)).permute(0, 1, 3, 5, 2, 4)


def _format(channels_last: bool) -> torch.memory_format:
    return torch.channels_last if channels_last else torch.contiguous_format


def unshuffle_codes(
    x: Tensor, s: int, r: int, *, dtype: torch.dtype = torch.float32, multiple: int = 1, channels_last: bool = False
) -> Tensor:
    """Multiply, move and cast in one pass, straight into the place of the result."""
    b, c, height, width = x.shape
    channels = c * s * r
    shape = b, channels + -channels % multiple, height // s, width // r
    out = torch.empty(shape, dtype=dtype, device=x.device, memory_format=_format(channels_last))
    torch.mul(_phases(x, s, r), SCALE, out=out[:, :channels].unflatten(1, (c, s, r)))
    if shape[1] > channels:
        out[:, channels:].zero_()
    return out


def unshuffle_guide(x: Tensor, s: int, r: int, *, channels_last: bool = False, **options: Any) -> Guided:
    """Make floats for the guide in one pass instead of two."""
    size = x.shape[2] // s, x.shape[3] // r
    guide = resample(x * SCALE, size, scale=(Fraction(s), Fraction(r)))
    phases = unshuffle_codes(x, s, r, channels_last=channels_last, **options)
    return Guided(phases, guide.contiguous(memory_format=_format(channels_last)))


def shuffle_codes(x: Tensor, s: int, r: int) -> Tensor:
    """Clamp in the type that came, round in place, and turn to bytes in the pass that moves."""
    k = x.nan_to_num(0.0, 1.0, 0.0).clamp_(0, 1).float().mul_(LEVELS).round_()
    b, channels, h, w = x.shape
    c = channels // (s * r)
    out = torch.empty((b, c, h * s, w * r), dtype=torch.uint8, device=x.device, memory_format=torch.channels_last)
    _phases(out, s, r).copy_(k.unflatten(1, (c, s, r)))
    return out


def to_uint8(x: Tensor, guide: Tensor | None = None) -> Tensor:
    """Add in one pass that also widens, then work in place."""
    total = x if guide is None else torch.add(x, guide)
    return total.nan_to_num(0.0, 1.0, 0.0).clamp_(0, 1).float().mul_(LEVELS).round_().to(torch.uint8)


def _levels(x: Tensor, guide: Tensor | None) -> Tensor:
    total = x.clamp(0, 1) if guide is None else torch.add(x, guide).clamp_(0, 1)
    return total.float().mul_(LEVELS).round_()


def quantize(x: Tensor, guide: Tensor | None = None) -> Tensor:
    """Add in one pass that also widens, then work in place."""
    kind = x.dtype if guide is None else torch.promote_types(x.dtype, guide.dtype)
    return _levels(x, guide).mul_(SCALE).to(kind)


def quantize_codes(x: Tensor, guide: Tensor | None = None) -> Quantized:
    """Round once for both forms."""
    kind = x.dtype if guide is None else torch.promote_types(x.dtype, guide.dtype)
    k = _levels(x, guide)
    low = torch.mul(k, SCALE).to(kind)
    return Quantized(low, k.nan_to_num_(0.0).to(torch.uint8))


def unshuffle_quantize(x: Tensor, s: int, r: int) -> Quantized:
    """Round where the values lie, and move in the passes that write the results."""
    b, c, height, width = x.shape
    shape, memory = (b, c * s * r, height // s, width // r), _format(in_channels_last(x))
    k = _levels(x, None)
    low = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=memory)
    torch.mul(_phases(k, s, r), SCALE, out=low.unflatten(1, (c, s, r)))
    stored = torch.empty(shape, dtype=torch.uint8, device=x.device, memory_format=memory)
    stored.unflatten(1, (c, s, r)).copy_(_phases(k.nan_to_num_(0.0), s, r))
    return Quantized(low, stored)


HAND_ORDERED: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        unshuffle_codes, unshuffle_guide, shuffle_codes, to_uint8, quantize, quantize_codes, unshuffle_quantize,
    )
}  # fmt: skip
"""By the name of the op; `unshuffle` and `shuffle` are one copy already."""
