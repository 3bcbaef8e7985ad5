"""Pictures in memory to tensors and back, exact both ways.

PIL image "L", "RGB"              ─┐                                        ┌─► PIL image
array `h w`, `h w c` uint8, uint16 ┼─► to_tensor ─► b c h w ─► from_tensor ─┼─► array
tensor `b c h w` float            ─┘                                        └─► tensor
"""

from typing import Literal, TypeAlias, TypeVar, cast

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from resizekit.errors import ImageError
from resizekit.ops.quantize import LEVELS, LEVELS16, SCALE, SCALE16, to_uint, uint16_to_float
from resizekit.storage.formats import Pixels

__all__ = [
    "ImageLike", "Kind",
    "bits_of", "from_batch", "from_codes", "from_tensor", "kind_of", "kind_of_bits", "to_batch", "to_codes",
    "to_tensor",
    "with_bits",
]  # fmt: skip

ImageLike: TypeAlias = PIL.Image.Image | Pixels | Tensor
"""What `Codec.down` and `Codec.up` take and give."""

Kind = Literal["pil", "array", "tensor"]

I = TypeVar("I", bound=ImageLike)  # noqa: E741 - an image of one kind, the same in and out

_MODES = {1: "L", 3: "RGB"}
_STEP = 257
"""From one code of 8 bits to the next, in codes of 16."""


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
        if image.dtype not in (np.uint8, np.uint16) or image.ndim not in (2, 3):
            raise ImageError(
                f"an array of {image.dtype} with shape {image.shape}: give uint8 or uint16 codes, `h w` or `h w c`"
            )
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

    Codes are multiplied with float32(1/255), or of 16 bits with float32(1/65535), never divided, so they equal what the
    compression gave the decoder while it learned.  Raises `ImageError` for what `kind_of` refuses.
    """
    kind_of(image)
    if isinstance(image, Tensor):
        return image.to(torch.float32)
    stored = to_codes(image)
    return uint16_to_float(stored) if stored.dtype == torch.uint16 else stored.to(torch.float32).mul_(SCALE)


def to_codes(image: PIL.Image.Image | Pixels) -> Tensor:
    """Turn an image into its codes: `1 c h w`, in memory as `h w c`.  Errors are those of `kind_of`."""
    kind_of(image)
    return to_batch(np.asarray(image))


def to_batch(array: Pixels) -> Tensor:
    """See an array as a batch of one: `h w`, `h w c -> 1 c h w`, in memory as `h w c`; also float32 ones."""
    # a copy where torch could not share the memory: read-only, or with a negative stride
    array = np.require(array, None, ["C", "W"])
    return torch.from_numpy(array[:, :, None] if array.ndim == 2 else array).permute(2, 0, 1)[None]


def kind_of_bits(bits: int) -> type[np.uint8 | np.uint16 | np.float32]:
    """Give numpy's type of values of 8, 16 or 32 bits."""
    if bits == 32:
        return np.float32
    return np.uint16 if bits == 16 else np.uint8


def bits_of(array: Pixels) -> Literal[8, 16, 32]:
    """Tell how many bits a value has: 8 and 16 are codes, 32 are floats."""
    if array.dtype == np.float32:
        return 32
    return 16 if array.dtype == np.uint16 else 8


def with_bits(array: Pixels, bits: int) -> Pixels:
    """Give values with 8, 16 or 32 bits, at equal brightness: codes 255 and 65535 and the float 1 are one.

    To codes they are rounded to the nearest, clamped.
    """
    wanted = kind_of_bits(bits)
    if array.dtype == wanted:
        return array
    if wanted == np.float32:
        scale = SCALE16 if array.dtype == np.uint16 else SCALE
        return array.astype(np.float32) * np.float32(scale)
    if array.dtype == np.float32:
        levels = LEVELS16 if bits == 16 else LEVELS
        return np.rint(array.clip(0, 1) * np.float32(levels)).astype(wanted)
    if bits == 16:
        return array.astype(np.uint16) * np.uint16(_STEP)
    return ((array.astype(np.uint32) + _STEP // 2) // _STEP).astype(np.uint8)


def from_tensor(x: Tensor, like: I) -> I:
    """Turn `b c h w` into the kind of `like`: clamped and rounded half to even for all but tensors.

    A tensor is handed through as it is, since its values may be wanted unrounded.  Errors are those of `from_codes`.
    """
    if kind_of(like) == "tensor":
        return cast(I, x)
    deep = isinstance(like, np.ndarray) and like.dtype == np.uint16
    return from_codes(to_uint(x.detach(), 16 if deep else 8).cpu(), like)


def from_codes(x: Tensor, like: I) -> I:
    """Turn codes `1 c h w` into the kind of `like`, which is no tensor; a grey array is `h w` if `like` is.

    Raises `ImageError` for a batch or a channel count that the kind cannot hold.
    """
    array = from_batch(x)
    channels = array.shape[2]
    if kind_of(like) == "array":
        return cast(I, array[:, :, 0] if channels == 1 and cast(Pixels, like).ndim == 2 else array)
    if channels not in _MODES or array.dtype != np.uint8:
        what = f"{channels} channels" if channels not in _MODES else f"{array.dtype} codes"
        raise ImageError(f"{what} make no PIL image: give an array or a tensor instead")
    return cast(I, PIL.Image.fromarray(array[:, :, 0] if channels == 1 else array))


def from_batch(x: Tensor) -> Pixels:
    """Give a batch of one as an array: `1 c h w -> h w c`, without gaps; an `ImageError` for a larger batch."""
    if x.ndim != 4 or x.shape[0] != 1:
        raise ImageError(f"a batch of shape {tuple(x.shape)} is not one picture: give `1 c h w`")
    return cast(Pixels, x[0].permute(1, 2, 0).contiguous().numpy())
