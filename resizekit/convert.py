"""Pictures in memory to tensors and back, exact both ways.

PIL image "L", "RGB"      ─┐                                        ┌─► PIL image
array `h w`, `h w c` uint8 ┼─► to_tensor ─► b c h w ─► from_tensor ─┼─► array
tensor `b c h w` float    ─┘                                        └─► tensor
"""

from typing import Literal, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt
import PIL.Image
import torch
from torch import Tensor

from resizekit.errors import ImageError
from resizekit.ops.quantize import SCALE, codes

__all__ = ["ImageLike", "Kind", "Pixels", "from_codes", "from_tensor", "kind_of", "to_codes", "to_tensor"]

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""8-bit codes, `h w` or `h w c`."""

ImageLike: TypeAlias = PIL.Image.Image | Pixels | Tensor
"""What `Codec.down` and `Codec.up` take and give."""

Kind = Literal["pil", "array", "tensor"]

I = TypeVar("I", bound=ImageLike)  # noqa: E741 - an image of one kind, the same in and out

_MODES = {1: "L", 3: "RGB"}


def kind_of(image: object) -> Kind:
    """Tell which kind of image this is; an `ImageError` says how to convert what is none."""
    if isinstance(image, PIL.Image.Image):
        if image.mode not in _MODES.values():
            to = "L" if image.mode in ("1", "LA", "La") else "RGB"
            raise ImageError(
                f"a PIL image of mode {image.mode!r}: use image.convert({to!r}); "
                f"down_file takes palettes and alpha from files"
            )
        return _not_empty("pil", (image.height, image.width))
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim not in (2, 3):
            raise ImageError(f"an array of {image.dtype} with shape {image.shape}: give uint8 codes, `h w` or `h w c`")
        return _not_empty("array", image.shape)
    if isinstance(image, Tensor):
        if not image.is_floating_point() or image.ndim != 4:
            raise ImageError(
                f"a tensor of {image.dtype} with shape {tuple(image.shape)}: give floats in [0, 1], `b c h w`"
            )
        return _not_empty("tensor", tuple(image.shape))
    raise ImageError(
        f"a {type(image).__name__} is no image: give a PIL image, a uint8 array `h w c` or a float tensor `b c h w`"
    )


def _not_empty(kind: Kind, shape: tuple[int, ...]) -> Kind:
    if 0 in shape:
        raise ImageError(f"an image without pixels (shape {shape}): every side is at least 1")
    return kind


def to_tensor(image: ImageLike) -> Tensor:
    """Turn an image into `b c h w` float32: codes become [0, 1], a tensor keeps values and device.

    Codes are multiplied with float32(1/255), never divided, so they equal what the compression
    gave the decoder while it learned.  Raises `ImageError` for what `kind_of` refuses.
    """
    kind_of(image)
    if isinstance(image, Tensor):
        return image.to(torch.float32)
    return to_codes(image).to(torch.float32).mul_(SCALE)


def to_codes(image: PIL.Image.Image | Pixels) -> Tensor:
    """Turn an 8-bit image into its codes: `1 c h w` uint8, in memory as `h w c`.  Errors are those of `kind_of`."""
    kind_of(image)
    # a copy where torch could not share the memory: read-only, or with a negative stride
    array = np.require(np.asarray(image), np.uint8, ["C", "W"])
    return torch.from_numpy(array[:, :, None] if array.ndim == 2 else array).permute(2, 0, 1)[None]


def from_tensor(x: Tensor, like: I) -> I:
    """Turn `b c h w` into the kind of `like`: clamped and rounded half to even for 8-bit kinds.

    A tensor is handed through as it is, since its values may be wanted unrounded.  Errors are those of `from_codes`.
    """
    return cast(I, x) if kind_of(like) == "tensor" else from_codes(codes(x.detach()).cpu(), like)


def from_codes(x: Tensor, like: I) -> I:
    """Turn codes `1 c h w` uint8 into the kind of `like`, an 8-bit image; a grey array is `h w` if `like` is.

    Raises `ImageError` for a batch or a channel count that the kind cannot hold.
    """
    kind = kind_of(like)
    if x.ndim != 4 or x.shape[0] != 1:
        raise ImageError(f"a batch of shape {tuple(x.shape)} is not one picture: give `1 c h w`")
    array = cast(Pixels, x[0].permute(1, 2, 0).contiguous().numpy())
    channels = array.shape[2]
    if kind == "array":
        return cast(I, array[:, :, 0] if channels == 1 and cast(Pixels, like).ndim == 2 else array)
    if channels not in _MODES:
        raise ImageError(f"{channels} channels make no PIL image: give an array or a tensor instead")
    return cast(I, PIL.Image.fromarray(array[:, :, 0] if channels == 1 else array))
