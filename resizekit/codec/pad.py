"""Padding: sizes that the factors do not divide, and very small pictures.

The original is reflected at the bottom and the right until its size divides, and the restored picture is cropped to the
true size. A picture of a few pixels is reflected further, down and up, so that the networks always see enough context;
the stored image keeps its natural size.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resizekit.spec import HW, ResizeSpec
from resizekit.storage.formats import Pixels

if TYPE_CHECKING:  # reading a small file needs the sizes, and no torch
    from torch import Tensor

__all__ = ["SMALLEST", "PaddedSizes", "padded_sizes_for", "reflect_batch", "reflect_pad_or_crop"]

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


def reflect_pad_or_crop(pixels: Pixels, size: HW) -> Pixels:
    """Reflect or crop a picture at the bottom and right: `h w ... -> h2 w2 ...`.

    A side that is too short for one reflection is reflected repeatedly; a side of a single pixel repeats it.

    Args:
        pixels: `h w` or `h w c`.
        size: Size of the result.
    """
    pixels = pixels[: size.h, : size.w]
    padding = [(0, target - side) for target, side in zip(size, pixels.shape[:2], strict=True)]
    if padding == [(0, 0), (0, 0)]:
        return np.ascontiguousarray(pixels)
    return np.pad(pixels, padding + [(0, 0)] * (pixels.ndim - 2), mode="reflect")


def reflect_batch(batch: "Tensor", size: HW) -> "Tensor":
    """Reflect a batch at the bottom and right as `reflect_pad_or_crop` does: `b c h w -> b c h2 w2`.

    Args:
        batch: Of any type; gradients flow through the reflection.
        size: Size of the result, not smaller than that of the batch.

    Examples:
        >>> import torch
        >>> reflect_batch(torch.tensor([[[[1, 2, 3]]]]), HW(1, 5))
        tensor([[[[1, 2, 3, 2, 1]]]])
    """
    import torch

    for axis, target in zip((2, 3), size, strict=True):
        side = batch.shape[axis]
        if target > side:
            period = max(1, 2 * (side - 1))
            position = torch.arange(target, device=batch.device) % period
            batch = batch.index_select(axis, torch.minimum(position, period - position) if side > 1 else position)
    return batch
