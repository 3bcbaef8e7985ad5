"""Structural similarity, by torchmetrics: an 11x11 Gaussian of sigma 1.5, as Wang et al. (2004) define it."""

import importlib.util

import torch

from resizekit.errors import MissingExtraError
from resizekit.ops.quantize import LEVELS
from resizekit.storage.formats import Pixels

__all__ = ["check_ssim", "ssim"]

_WINDOW = 11


def check_ssim() -> None:
    """Raise `MissingExtraError` without torchmetrics."""
    if importlib.util.find_spec("torchmetrics") is None:  # importing it takes seconds, which may not be needed
        raise MissingExtraError(
            'SSIM needs torchmetrics: pip install "resizekit[suite]", or leave it out with --no-ssim'
        )


def ssim(a: Pixels, b: Pixels, *, border: int = 0, device: str = "cpu") -> float | None:
    """SSIM of two 8-bit pictures of one shape, `h w` or `h w c`, without `border` pixels on each side.

    `device` is where it is computed.  None where that leaves less than one window of 11x11.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    if min(a.shape[:2]) - 2 * border < _WINDOW:
        return None
    inside = slice(border, a.shape[0] - border), slice(border, a.shape[1] - border)
    one, other = (
        torch.from_numpy(x[inside].reshape(*x[inside].shape[:2], -1).copy()).to(device).permute(2, 0, 1)[None].float()
        for x in (a, b)
    )
    value = structural_similarity_index_measure(one, other, data_range=float(LEVELS))
    assert isinstance(value, torch.Tensor), "one number, as no map of it was asked for"
    return value.item()
