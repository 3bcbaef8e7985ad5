"""Convert pixel values between bit depths and number formats, without loss of precision."""

from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor

from resizekit.errors import ImageError
from resizekit.ops.quantize import LEVELS, LEVELS16, SCALE, SCALE16, to_uint, uint16_to_float
from resizekit.storage.formats import Pixels

__all__ = [
    "as_dtype", "bit_depth", "convert_bits", "dtype_of_bits", "from_batch", "from_tensor", "to_batch", "to_tensor",
]  # fmt: skip

_STEP = 257
"""Distance in 16-bit values between two neighbouring 8-bit values."""


def to_tensor(pixels: Pixels) -> Tensor:
    """Convert an array to a float tensor: `h w c -> 1 c h w`.

    Integers are multiplied by float32(1/255), or by float32(1/65535) for 16 bits, and never divided: the result is
    bit-equal to the compression's output in training.

    Args:
        pixels: uint8 or uint16.

    Examples:
        >>> to_tensor(np.array([[0, 255]], np.uint8))
        tensor([[[[0., 1.]]]])
    """
    stored = to_batch(pixels)
    return uint16_to_float(stored) if stored.dtype == torch.uint16 else stored.to(torch.float32).mul_(SCALE)


def from_tensor(x: Tensor, bits: Literal[8, 16] = 8) -> Pixels:
    """Convert a float tensor to an array: `1 c h w -> h w c`, clamped to [0, 1] and rounded half to even.

    Args:
        x: Floats.
        bits: 8 for uint8, 16 for uint16.

    Raises:
        ImageError: If the batch has more than one image.

    Examples:
        >>> from_tensor(torch.tensor([[[[0.2, 7.0]]]]))[:, :, 0]
        array([[ 51, 255]], dtype=uint8)
    """
    return from_batch(to_uint(x.detach(), bits).cpu())


def to_batch(array: Pixels) -> Tensor:
    """View an array as a batch of one image: `h w`, `h w c -> 1 c h w`, in memory as `h w c`.

    Args:
        array: uint8, uint16 or float32. It is copied only if it is read-only or has gaps.
    """
    # PyTorch cannot share memory that is read-only or has a negative stride
    array = np.require(array, None, ["C", "W"])
    return torch.from_numpy(array[:, :, None] if array.ndim == 2 else array).permute(2, 0, 1)[None]


def dtype_of_bits(bits: int) -> type[np.uint8 | np.uint16 | np.float32]:
    """Return NumPy's type of pixel values with 8, 16 or 32 bits."""
    if bits == 32:
        return np.float32
    return np.uint16 if bits == 16 else np.uint8


def bit_depth(array: Pixels) -> Literal[8, 16, 32]:
    """Return the bits of a pixel value: 8 for uint8, 16 for uint16, 32 for float32."""
    if array.dtype == np.float32:
        return 32
    return 16 if array.dtype == np.uint16 else 8


def convert_bits(array: Pixels, bits: int) -> Pixels:
    """Convert pixel values to 8, 16 or 32 bits at equal brightness: 255, 65535 and 1.0 are the same white.

    Args:
        array: uint8, uint16, or float32 nominally in [0, 1].
        bits: 8 for uint8, 16 for uint16, 32 for float32.

    Returns:
        An array of the same shape. Integers are rounded to the nearest and clamped.

    Examples:
        >>> convert_bits(np.array([0, 128, 255], np.uint8), 16)
        array([    0, 32896, 65535], dtype=uint16)
    """
    dtype = dtype_of_bits(bits)
    if array.dtype == dtype:
        return array
    if dtype == np.float32:
        scale = SCALE16 if array.dtype == np.uint16 else SCALE
        return array.astype(np.float32) * np.float32(scale)
    if array.dtype == np.float32:
        levels = LEVELS16 if bits == 16 else LEVELS
        return np.rint(array.clip(0, 1) * np.float32(levels)).astype(dtype)
    if bits == 16:
        return array.astype(np.uint16) * np.uint16(_STEP)
    return ((array.astype(np.uint32) + _STEP // 2) // _STEP).astype(np.uint8)


def from_batch(x: Tensor) -> Pixels:
    """Convert a batch of one image to an array without gaps: `1 c h w -> h w c`.

    Raises:
        ImageError: If the batch has more than one image.
    """
    if x.ndim != 4 or x.shape[0] != 1:
        raise ImageError(f"invalid batch of shape {tuple(x.shape)}: expected one image, `1 c h w`")
    return cast(Pixels, x[0].permute(1, 2, 0).contiguous().numpy())


def as_dtype(high: Tensor, dtype: torch.dtype) -> Tensor:
    """Round floats to uint8 or uint16, or clamp them to float32 in [0, 1]: `... -> ...`."""
    if dtype == torch.float32:
        return high.float().clamp(0, 1)
    return to_uint(high, 16 if dtype == torch.uint16 else 8)
