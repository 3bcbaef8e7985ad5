"""Frequency bands of pixel blocks: which of them a smaller image can hold.

Each unshuffled block `(t c s r)` is transformed by an orthonormal DCT. For 2 × 2 pixels this is the Haar wavelet, and
for a factor of 1 it is the identity. A block of p values becomes a block of q values by keeping the min(p, q) lowest
frequencies. This works for every rational (s, r, t).
"""

import math
from dataclasses import dataclass
from functools import reduce
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from resizekit import ResizeSpec
from resizekit.nn import high_channels

__all__ = ["Bands", "dct_matrix", "mix_channels"]


Matrix: TypeAlias = npt.NDArray[np.float64]


def dct_matrix(n: int) -> Matrix:
    """Return the orthonormal DCT-II matrix of size n: `n n`, one frequency per row, the mean first.

    >>> dct_matrix(2).round(4)
    array([[ 0.7071,  0.7071],
           [ 0.7071, -0.7071]])
    """
    frequency, position = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    basis: Matrix = np.cos(math.pi * frequency * (2 * position + 1) / (2 * n)) * math.sqrt(2 / n)
    basis[0] /= math.sqrt(2)
    return basis


def mix_channels(x: Tensor, matrix: Tensor) -> Tensor:
    """Multiply the channels of every pixel by a matrix, always in full precision.

    This is a matrix product and not a 1×1 convolution, because GPUs may round the factors of a convolution to 10 bits
    (TF32).

    Args:
        x: The image, `b i h w`.
        matrix: The weights, `o i`.

    Returns:
        The mixed channels, `b o h w`.
    """
    with torch.autocast(x.device.type, enabled=False):
        if matrix.shape[1] == 1:  # a matrix product may sum in another order, and tiles would get different last bits
            return x * matrix[:, :, None]
        return F.linear(x.permute(0, 2, 3, 1).to(matrix.dtype), matrix).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Bands:
    """The transforms of a spec: float32 matrices over the unshuffled channels of one pixel.

    For integer factors, `shrink` is the average of a block and `grow` repeats a pixel over its block. In general both
    preserve the mean.
    """

    high_basis: Tensor
    """Orthonormal transform from the unshuffled high image to its bands. Its transpose is the inverse."""
    low_basis: Tensor
    """Orthonormal transform from the unshuffled low image to its bands. Its transpose is the inverse."""
    shrink: Tensor
    """From the unshuffled high image to the unshuffled low image, using the bands that both have: `low high`."""
    grow: Tensor
    """From the unshuffled low image to the unshuffled high image, using the bands that both have: `high low`."""
    high_frequencies: Tensor
    """The rows of `high_basis` that `shrink` drops."""

    @classmethod
    def from_spec(cls, spec: ResizeSpec, low_channels: int, block_size: int = 1) -> "Bands":
        """Compute the transforms of a spec.

        Args:
            spec: The factors of one step.
            low_channels: Channels of the low image.
            block_size: Multiplies the height and width of the blocks of both images.

        Raises:
            ResizeShapeError: `t * low_channels` is not an integer.
        """
        high_channels(spec, low_channels)
        rest = low_channels // spec.t.denominator  # channels are `(t c)`: the axis of the factor is the outer one
        ups = spec.t.numerator, rest, block_size * spec.s.numerator, block_size * spec.r.numerator
        downs = spec.t.denominator, rest, block_size * spec.s.denominator, block_size * spec.r.denominator
        for sizes in (ups, downs):  # refused here in weights files, whose tensors are limited, before memory is taken
            torch.empty(math.prod(sizes), math.prod(sizes), device="meta")
        identity = np.eye(rest)
        high, low = (_kronecker(dct_matrix(t), identity, dct_matrix(s), dct_matrix(r)) for t, _, s, r in (ups, downs))
        # ones on the diagonal: the frequencies that both lengths have
        shared = _kronecker(*(np.eye(d, u) for u, d in zip(ups, downs, strict=True)))
        gain = math.sqrt(math.prod(downs) / math.prod(ups))
        shared_rows = reduce(np.logical_and.outer, [np.arange(u) < d for u, d in zip(ups, downs, strict=True)])
        high_frequencies = high[~shared_rows.ravel()]
        shrink, grow = gain * low.T @ shared @ high, high.T @ shared.T @ low / gain
        # computed without torch: on the meta device, its functions would import the compiler, which takes a second
        return cls(
            *(torch.tensor(matrix, dtype=torch.float32) for matrix in (high, low, shrink, grow, high_frequencies))
        )


def _kronecker(*factors: Matrix) -> Matrix:
    product: Matrix = np.ones((1, 1))
    for factor in factors:
        product = cast(Matrix, np.kron(product, factor))
    return product
