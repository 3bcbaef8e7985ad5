"""Sizes after padding, for sizes that the factors do not divide and for very small pictures.

The original is reflected at the bottom and the right until its size divides, and the restored picture is cropped to the
true size. A picture of a few pixels is reflected further, down and up, so that the networks always see enough context;
the stored image keeps its natural size. This module does not import torch: commands that only read headers use it.
"""

from typing import NamedTuple

from resizekit.spec import HW, ResizeSpec

__all__ = ["SMALLEST", "PaddedSizes", "padded_sizes_for"]

SMALLEST = 16
"""Minimum side of low after padding: more than the ten pixels that the paper's network sees to either side, and enough
for networks that reflect or pool internally."""


class PaddedSizes(NamedTuple):
    """Sizes between a picture and its small image."""

    high: HW
    """Input of the encoder and output of the decoder."""
    low: HW
    """Output of the encoder and input of the decoder."""
    stored: HW
    """Upper left part of `low` that the small image stores."""


def padded_sizes_for(spec: ResizeSpec, size: HW) -> PaddedSizes:
    """Compute the padded sizes for a picture.

    Args:
        spec: Factors of the entire resize.
        size: Size of the picture.

    Returns:
        Sizes that the factors divide, of which `low` is at least `SMALLEST` on each side.

    Examples:
        >>> padded_sizes_for(ResizeSpec(s=2, r=2), HW(45, 64)).stored
        HW(h=23, w=32)
    """
    factors = spec.s, spec.r
    cells = [-(-side // factor.numerator) for side, factor in zip(size, factors, strict=True)]
    padded = [max(n, -(-SMALLEST // factor.denominator)) for n, factor in zip(cells, factors, strict=True)]
    (s, r) = factors
    return PaddedSizes(
        high=HW(padded[0] * s.numerator, padded[1] * r.numerator),
        low=HW(padded[0] * s.denominator, padded[1] * r.denominator),
        stored=HW(cells[0] * s.denominator, cells[1] * r.denominator),
    )
