"""Room around a picture: sizes that the factor does not divide, and very small ones.

The original is reflected at the bottom and the right until it divides, and the way back is cropped
to the true size.  A picture of a few pixels is reflected further, on both ways, so that the
networks always see enough; what is stored stays as small as it would be.
"""

from typing import NamedTuple

import numpy as np

from resizekit.spec import ResizeSpec
from resizekit.storage.formats import Pixels

__all__ = ["SMALLEST", "PaddedSizes", "Size", "padded_sizes_for", "reflect_pad_or_crop"]

SMALLEST = 16
"""Sides of low are padded to so much: more than the ten pixels that the paper's network sees to
either side, and enough for networks that reflect or pool inside."""

Size = tuple[int, int]


class PaddedSizes(NamedTuple):
    """Sizes (height, width) on the way from a picture to its small image."""

    high: Size
    """What goes into the encoder and comes out of the decoder."""
    low: Size
    """What comes out of the encoder and goes into the decoder."""
    stored: Size
    """What the small image keeps of `low`: its upper left."""


def padded_sizes_for(spec: ResizeSpec, size: Size) -> PaddedSizes:
    """Find the sizes for a picture of (height, width)."""
    factors = spec.s, spec.r
    cells = [-(-side // factor.numerator) for side, factor in zip(size, factors, strict=True)]
    roomy = [max(n, -(-SMALLEST // factor.denominator)) for n, factor in zip(cells, factors, strict=True)]
    (s, r) = factors
    return PaddedSizes(
        high=(roomy[0] * s.numerator, roomy[1] * r.numerator),
        low=(roomy[0] * s.denominator, roomy[1] * r.denominator),
        stored=(cells[0] * s.denominator, cells[1] * r.denominator),
    )


def reflect_pad_or_crop(pixels: Pixels, size: Size) -> Pixels:
    """Reflect at the bottom and right, or crop there, to (height, width): `h w ... -> h2 w2 ...`.

    A side too short to reflect so far goes to and fro; one of a single pixel repeats it.
    """
    pixels = pixels[: size[0], : size[1]]
    more = [(0, want - have) for want, have in zip(size, pixels.shape[:2], strict=True)]
    if more == [(0, 0), (0, 0)]:
        return np.ascontiguousarray(pixels)
    return np.pad(pixels, more + [(0, 0)] * (pixels.ndim - 2), mode="reflect")
