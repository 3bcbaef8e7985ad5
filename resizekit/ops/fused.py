"""The pairs met between a picture's bytes and a network: one pass where a kernel serves, its parts where none does.

codes ─► unshuffle_codes ─► network            network ─► shuffle_codes ─► codes
codes ─► unshuffle_guide ─► network, guide     floats ─► unshuffle_quantize ─► low, codes
"""

from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor

from resizekit.errors import ResizeShapeError
from resizekit.ops.kernel import op
from resizekit.ops.pixel import check_shuffle, check_unshuffle, shuffle, unshuffle
from resizekit.ops.quantize import SCALE, Gradient, Quantized, quantize_codes, to_uint8
from resizekit.ops.resample import resample

__all__ = [
    "Guided", "check_codes", "check_floats",
    "shuffle_codes", "unshuffle_codes", "unshuffle_guide", "unshuffle_quantize",
]  # fmt: skip


class Guided(NamedTuple):
    """What an encoder starts from."""

    unshuffled: Tensor
    """`b (c s r) h w`, the unshuffled picture."""
    guide: Tensor
    """`b c h w`, float32 in about [0, 1]: bicubic overshoots at edges."""


def check_codes(x: Tensor, s: int, r: int, dtype: torch.dtype, multiple: int) -> None:
    """Refuse what is no uint8 picture that s and r divide, with a `ResizeShapeError`."""
    if x.dtype != torch.uint8:
        raise ResizeShapeError(f"got {x.dtype} where 8-bit codes belong (uint8); floats go through `unshuffle`")
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ResizeShapeError(f"codes cannot become {dtype!r}: choose a floating type such as torch.float32")
    if multiple < 1:
        raise ResizeShapeError(f"channels cannot be padded to a multiple of {multiple}: use 1 or more")
    check_unshuffle(x, s, r)


def check_floats(x: Tensor) -> None:
    """Refuse what holds no floating values, with a `ResizeShapeError`."""
    if not x.is_floating_point():
        raise ResizeShapeError(f"got {x.dtype}, takes floating values in [0, 1]")


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
    """Turn 8-bit codes into what a network takes: `b c (h s) (w r)` uint8 `-> b (c s r) h w`, `SCALE * code + shift`.

    SCALE is float32(1/255); dividing by 255 gives other last bits.  `x` may have any strides, as `b h w c` bytes seen
    by `permute` have.  With `multiple`, channels of zeros follow until there
    are so many of them; `channels_last` lays the result out as `b h w (c s r)`.  Computed in float32, rounded once.
    Raises `ResizeShapeError` for other types than uint8 and for sizes that s and r do not divide.
    """
    check_codes(x, s, r, dtype, multiple)
    phases = unshuffle(x, s, r).float() * SCALE
    return _laid_out((phases + shift if shift else phases).to(dtype), multiple, channels_last)


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
    """Give `unshuffle_codes` and the antialiased bicubic guide by (s, r), reading the picture once.

    `b c (h s) (w r)` uint8 `-> b (c s r) h w, b c h w`; options and errors are those of `unshuffle_codes`.  The guide
    is `resample` of `SCALE * code`, float32 (MATLAB's `imresize` before it rounds, section 4.1 of the paper).
    """
    phases = unshuffle_codes(x, s, r, dtype=dtype, shift=shift, multiple=multiple, channels_last=channels_last)
    size = x.shape[2] // s, x.shape[3] // r
    guide = resample(x.float() * SCALE, size, scale=(Fraction(s), Fraction(r)))
    return Guided(phases, _laid_out(guide, 1, channels_last))


@op
def shuffle_codes(x: Tensor, s: int, r: int, *, shift: float = 0.0) -> Tensor:
    """Turn what a network gives into 8-bit codes: `b (c s r) h w -> b c (h s) (w r)` uint8, `255 (x + shift)`.

    Clamped, rounded half to even, NaN becomes 0; computed in float32 (float64 stays).  Laid out as `b h w c`, the order
    of pictures in files.  Raises `ResizeShapeError` if s * r does not divide the channels, and for integers.
    """
    check_floats(x)
    check_shuffle(x, s, r)
    wide = x if x.dtype == torch.float64 else x.float()
    stored = to_uint8(shuffle(wide + shift if shift else wide, s, r))
    return stored.contiguous(memory_format=torch.channels_last)


@op
def unshuffle_quantize(x: Tensor, s: int, r: int, *, gradient: Gradient = "inward") -> Quantized:
    """Unshuffle and round to 8 bits at once, where no network stands between: `b c (h s) (w r) -> b (c s r) h w`.

    As `quantize_codes(unshuffle(x, s, r))`, gradients included.
    """
    check_floats(x)
    return quantize_codes(unshuffle(x, s, r), gradient=gradient)


def _laid_out(x: Tensor, multiple: int, channels_last: bool) -> Tensor:
    missing = -x.shape[1] % multiple
    if missing:
        x = torch.cat([x, x.new_zeros(x.shape[0], missing, *x.shape[2:])], 1)
    return x.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
