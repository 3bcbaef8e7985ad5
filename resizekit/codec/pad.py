"""Padding of pixels: reflect or crop a picture or a batch to the sizes of `padded_sizes_for`."""

import numpy as np
import torch
from torch import Tensor

from resizekit.spec import HW
from resizekit.storage.formats import Pixels
from resizekit.system.scratch import build, contiguous

__all__ = ["reflect_batch", "reflect_pad_or_crop"]


def reflect_pad_or_crop(pixels: Pixels, size: HW) -> Pixels:
    """Reflect or crop a picture at the bottom and right: `h w ... -> h2 w2 ...`.

    A side that is too short for one reflection is reflected repeatedly; a side of a single pixel repeats it.

    Args:
        pixels: `h w` or `h w c`.
        size: Size of the result.
    """
    pixels = pixels[: size.h, : size.w]
    below, right = (target - side for target, side in zip(size, pixels.shape[:2], strict=True))
    if (below, right) == (0, 0):
        return contiguous(pixels)
    source_rows = np.pad(np.arange(pixels.shape[0]), (0, below), mode="reflect")
    columns = [(0, 0), (0, right)] + [(0, 0)] * (pixels.ndim - 2)

    def part(rows: slice) -> Pixels:
        return np.pad(pixels[source_rows[rows]], columns, mode="reflect")

    return build((*size, *pixels.shape[2:]), pixels.dtype, part, pixels)


def reflect_batch(batch: Tensor, size: HW) -> Tensor:
    """Reflect a batch at the bottom and right as `reflect_pad_or_crop` does: `b c h w -> b c h2 w2`.

    Args:
        batch: Of any type; gradients flow through the reflection.
        size: Size of the result, not smaller than that of the batch.

    Examples:
        >>> import torch
        >>> reflect_batch(torch.tensor([[[[1, 2, 3]]]]), HW(1, 5))
        tensor([[[[1, 2, 3, 2, 1]]]])
    """
    for axis, target in zip((2, 3), size, strict=True):
        side = batch.shape[axis]
        if target > side:
            period = max(1, 2 * (side - 1))
            position = torch.arange(target, device=batch.device) % period
            batch = batch.index_select(axis, torch.minimum(position, period - position) if side > 1 else position)
    return batch
