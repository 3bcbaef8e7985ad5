"""Compute the structural similarity of Wang et al. (2004), with torchmetrics: 11x11 Gaussian window, sigma 1.5."""

import importlib.util

import torch

from resizekit.errors import MissingExtraError
from resizekit.ops.quantize import LEVELS
from resizekit.storage.formats import Pixels

__all__ = ["check_ssim", "ssim"]

_WINDOW = 11


def check_ssim() -> None:
    """Raise `MissingExtraError` if torchmetrics is not installed."""
    if importlib.util.find_spec("torchmetrics") is None:  # the import itself takes seconds and may not be needed
        raise MissingExtraError(
            'SSIM needs torchmetrics: pip install "resizekit[suite]", or leave it out with --no-ssim'
        )


def ssim(a: Pixels, b: Pixels, *, border: int = 0, device: str = "cpu") -> float | None:
    """Compute the SSIM of two 8-bit pictures.

    Args:
        a: A picture `h w` or `h w c`.
        b: A picture of the same shape.
        border: Number of pixels to leave out on each side.
        device: Where to compute.

    Returns:
        SSIM, at most 1; None if less than one window of 11x11 pixels remains.

    Examples:
        >>> import numpy as np
        >>> a = np.arange(256, dtype=np.uint8).reshape(16, 16)
        >>> ssim(a, a)
        1.0
        >>> ssim(a[:8], a[:8]) is None
        True
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    if min(a.shape[:2]) - 2 * border < _WINDOW:
        return None
    inside = slice(border, a.shape[0] - border), slice(border, a.shape[1] - border)
    x, y = (
        torch.from_numpy(pixels[inside].reshape(*pixels[inside].shape[:2], -1).copy())
        .to(device)
        .permute(2, 0, 1)[None]
        .float()
        for pixels in (a, b)
    )
    value = structural_similarity_index_measure(x, y, data_range=float(LEVELS))
    assert isinstance(value, torch.Tensor), "a single number, because no map was requested"
    return value.item()
