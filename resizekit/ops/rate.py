"""Estimate the size of an image in a lossless format, with a gradient.

Lossless formats predict each value from its neighbours, and code the difference. The estimate does the same with one
fixed predictor, the median edge detector of LOCO-I (Weinberger et al. 2000), and counts the bits of each difference.
benchmarks/NOTEBOOK.md compares it with other predictors.
"""

import torch
from torch import Tensor

from resizekit.errors import ResizeShapeError
from resizekit.ops.quantize import LEVELS

__all__ = ["lossless_bits"]


def lossless_bits(x: Tensor, *, levels: int = LEVELS) -> Tensor:
    """Estimate the bits per value that a lossless format such as PNG, WebP or JPEG XL needs: `b c h w -> b`.

    The estimate is the mean of log2(1 + |difference|), with differences in pixel values. Three channels are taken as
    RGB, and green is subtracted from red and blue first. The estimate ranks images; it is not a size.

    Args:
        x: Images `b c h w`, float in [0, 1]. Gradients flow.
        levels: Largest pixel value: 255 for 8 bits, 65535 for 16.

    Returns:
        `b`, float32 or float64.

    Raises:
        ResizeShapeError: If `x` does not have four dimensions.

    Examples:
        >>> flat, noise = torch.full((1, 3, 8, 8), 0.5), torch.rand(1, 3, 8, 8)
        >>> lossless_bits(flat)
        tensor([0.])
        >>> bool(lossless_bits(noise) > 4)
        True
    """
    if x.dim() != 4:
        raise ResizeShapeError(f"lossless_bits got the shape {tuple(x.shape)}, expected images `b c h w`")
    if min(x.shape[2:]) < 2:  # no value has neighbours on both sides
        return x.flatten(1).sum(1) * 0
    values = x * levels if x.dtype == torch.float64 else x.float() * levels
    if values.shape[1] == 3:
        red, green, blue = values.unbind(1)
        values = torch.stack((green, red - green, blue - green), 1)
    left, above, corner = values[:, :, 1:, :-1], values[:, :, :-1, 1:], values[:, :, :-1, :-1]
    predicted = (left + above - corner).clamp(torch.minimum(left, above), torch.maximum(left, above))
    return (1 + (values[:, :, 1:, 1:] - predicted).abs()).log2().mean((1, 2, 3))
