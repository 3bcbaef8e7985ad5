"""Bands: a block of pixels as its mean and the waves around it, and which of them a small picture can carry.

The change of basis is the orthonormal cosine transform of each unshuffled block, `(t c s r)` values: for 2 × 2 pixels
that is Haar's wavelet, for 3 × 3 or four channels the same thing of another length, and for a factor of 1 nothing.  A
block of p values becomes one of q by keeping the lowest min(p, q) waves, so every rational (s, r, t) has a carrier.
"""

import itertools
import math
from dataclasses import dataclass
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor

from resizekit import ResizeSpec
from resizekit.nn import high_channels

__all__ = ["Bands", "change", "cosines"]


def cosines(n: int) -> Tensor:
    """The orthonormal cosine transform (DCT-II) of n values, `n n` in float64; one wave a row, the mean's first."""
    wave, place = torch.meshgrid(
        torch.arange(n, dtype=torch.float64), torch.arange(n, dtype=torch.float64), indexing="ij"
    )
    basis = torch.cos(math.pi * wave * (2 * place + 1) / (2 * n)) * math.sqrt(2 / n)
    basis[0] /= math.sqrt(2)
    return basis


def change(x: Tensor, basis: Tensor) -> Tensor:
    """Multiply the channels of every pixel by a matrix `o i`, in full precision always: `b i h w -> b o h w`.

    A matrix product, since GPUs round the factors of a 1×1 convolution to 10 bits (TF32) unless told otherwise.
    """
    with torch.autocast(x.device.type, enabled=False):
        if basis.shape[1] == 1:  # a product of another order would give tiles other last bits than the whole
            return x * basis[:, :, None]
        return F.linear(x.permute(0, 2, 3, 1).to(basis.dtype), basis).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Bands:
    """The changes of basis that a spec asks for, each a matrix in float32 over the unshuffled channels of one pixel.

    `high` and `low` give the bands of either picture (orthonormal, so their transposes lead back).  `shrink` makes the
    unshuffled low from the unshuffled high by the waves that both have (`low high`), `grow` makes high from low
    (`high low`): means go to means, so for whole factors these are the average of a block and its repetition.
    `details` are the rows of `high` that `shrink` drops.
    """

    high: Tensor
    low: Tensor
    shrink: Tensor
    grow: Tensor
    details: Tensor

    @classmethod
    def of(cls, spec: ResizeSpec, low_channels: int, block_size: int = 1) -> "Bands":
        """Work them out for a spec and the channels of low; `ResizeShapeError` if t makes no whole channels of them.

        With `block_size` above 1 the blocks of both pictures are so many times as high and wide.
        """
        high_channels(spec, low_channels)
        rest = low_channels // spec.t.denominator  # channels are (t c): the factor's own axis is the outer one
        ups = spec.t.numerator, rest, block_size * spec.s.numerator, block_size * spec.r.numerator
        downs = spec.t.denominator, rest, block_size * spec.s.denominator, block_size * spec.r.denominator
        same = torch.eye(rest, dtype=torch.float64)
        high, low = (reduce(torch.kron, [cosines(t), same, cosines(s), cosines(r)]) for t, _, s, r in (ups, downs))
        keep = reduce(torch.kron, [_kept(d, u) for u, d in zip(ups, downs, strict=True)])
        gain = math.sqrt(math.prod(downs) / math.prod(ups))
        # by counting, not by looking at values: the sizes of a network are also asked for on the meta device
        waves = enumerate(itertools.product(*map(range, ups)))
        dropped = [row for row, wave in waves if any(w >= d for w, d in zip(wave, downs, strict=True))]
        details = high[torch.tensor(dropped, dtype=torch.int64)]
        shrink, grow = gain * low.T @ keep @ high, high.T @ keep.T @ low / gain
        return cls(*(matrix.float() for matrix in (high, low, shrink, grow, details)))


def _kept(low: int, high: int) -> Tensor:
    """The waves that both lengths have: `low high`, ones on the diagonal."""
    return torch.eye(low, high, dtype=torch.float64)
