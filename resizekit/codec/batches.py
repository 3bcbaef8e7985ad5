"""Arrays and tensors as batches `b c h w`, and results back in the form of the input.

array `h w`, `h w c`, `b h w c`  ─┐                                 ┌─► array
                                  ├─► b c h w ─► network ─► b c h w ─┤
tensor `c h w`, `b c h w`        ─┘                                 └─► tensor
"""

from collections.abc import Callable
from typing import TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from resizekit.errors import ImageError
from resizekit.storage.formats import Pixels

__all__ = ["ArrayLike", "as_batch", "check_range"]

ArrayLike: TypeAlias = Pixels | Tensor

_INTEGERS = (torch.uint8, torch.uint16)
_TYPES = (*_INTEGERS, torch.float16, torch.bfloat16, torch.float32, torch.float64)


def as_batch(image: ArrayLike) -> tuple[Tensor, Callable[[Tensor], ArrayLike]]:
    """View an array or a tensor as a batch.

    Args:
        image: A uint8 or uint16 array `h w`, `h w c` or `b h w c`, or a tensor `c h w` or `b c h w` of the same types
            or of floats.

    Returns:
        The batch `b c h w`, and a function that turns another batch into the form of the image.

    Raises:
        ImageError: The shape or the type does not fit; the message gives the conversion to use.

    Examples:
        >>> batch, restore = as_batch(np.zeros((4, 6, 3), np.uint8))
        >>> batch.shape, restore(batch[:, :, :2, :3]).shape
        (torch.Size([1, 3, 4, 6]), (2, 3, 3))
    """
    if isinstance(image, Tensor):
        _check_tensor(image)
        kind, batch = type(image), image if image.ndim == 4 else image[None]

        def restore_tensor(x: Tensor) -> Tensor:
            x = x if image.ndim == 4 else x[0]
            return x if kind in (Tensor, torch.nn.Parameter) else x.as_subclass(kind)

        return batch, restore_tensor
    _check_array(image)
    # PyTorch cannot share memory that is read-only or has a negative stride
    array = np.require(image, None, ["C", "W"])
    pixels = torch.from_numpy(array[:, :, None] if array.ndim == 2 else array)

    def restore_array(x: Tensor) -> Pixels:
        pixels = cast(Pixels, x.cpu().permute(0, 2, 3, 1).contiguous().numpy())
        if image.ndim == 4:
            return pixels
        return pixels[0, :, :, 0] if image.ndim == 2 and pixels.shape[3] == 1 else pixels[0]

    return (pixels if array.ndim == 4 else pixels[None]).permute(0, 3, 1, 2), restore_array


def _check_array(image: Pixels) -> None:
    shape = image.shape
    if image.dtype not in (np.uint8, np.uint16) or image.ndim not in (2, 3, 4):
        hint = "; multiply floats by 255 and round them, or pass a tensor" if image.dtype.kind == "f" else ""
        raise ImageError(
            f"invalid array of {image.dtype} with shape {shape}: expected uint8 or uint16, `h w`, `h w c` or `b h w c`"
            + hint
        )
    _check_not_empty(shape)


def _check_tensor(image: Tensor) -> None:
    shape = tuple(image.shape)
    if image.dtype not in _TYPES or image.layout != torch.strided or image.ndim not in (3, 4):
        raise ImageError(
            f"invalid tensor of {image.dtype}, {image.layout}, with shape {shape}: expected `c h w` or `b c h w`, "
            "floats in [0, 1] or uint8"
        )
    _check_not_empty(shape)


def check_range(batch: Tensor, *, tolerance: float = 0.5 / 255) -> None:
    """Refuse floats outside [0, 1], such as 0 to 255, or normalized with a mean and a deviation.

    Args:
        batch: `b c h w`; integers are always in range.
        tolerance: Distance from [0, 1] that is accepted, such as that of rounding.

    Raises:
        ImageError: A value is out of range.
    """
    # compilers and the meta device have no values
    if not batch.is_floating_point() or batch.device.type == "meta" or torch.compiler.is_compiling():
        return
    values = batch.detach()
    if not ((values >= -tolerance) & (values <= 1 + tolerance)).all():  # NaN is not in range either
        low, high = (float(end) for end in values.aminmax())
        raise ImageError(
            f"invalid tensor with values from {low:.6g} to {high:.6g}: expected floats in [0, 1]; pass integers as "
            "uint8, undo a normalization, or clamp them"
        )


def _check_not_empty(shape: tuple[int, ...]) -> None:
    if 0 in shape:
        raise ImageError(f"invalid image of shape {shape}: expected every side to be at least 1")
