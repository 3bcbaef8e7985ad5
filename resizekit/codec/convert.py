"""Convert images in memory to tensors and back, without loss of precision.

PIL image "L", "RGB"              ─┐                                        ┌─► PIL image
array `h w`, `h w c` uint8, uint16 ┼─► to_tensor ─► b c h w ─► from_tensor ─┼─► array
tensor `b c h w` float            ─┘                                        └─► tensor
"""

from typing import Literal, TypeAlias, TypeVar, cast

import numpy as np
import PIL.Image
import PIL.ImageOps
import torch
from torch import Tensor

from resizekit.errors import ImageError
from resizekit.ops.quantize import LEVELS, LEVELS16, SCALE, SCALE16, to_uint, uint16_to_float
from resizekit.storage.formats import Pixels

__all__ = [
    "ImageKind", "ImageLike",
    "as_dtype", "bit_depth", "convert_bits", "dtype_of_bits", "from_batch", "from_codes", "from_tensor", "image_kind",
    "to_batch", "to_codes", "to_tensor",
]  # fmt: skip

ImageLike: TypeAlias = PIL.Image.Image | Pixels | Tensor
"""An image that `Codec.down` and `Codec.up` accept and return."""

ImageKind = Literal["pil", "array", "tensor"]

I = TypeVar("I", bound=ImageLike)  # noqa: E741 - an image; input and output are of the same kind

_MODES = {1: "L", 3: "RGB"}
_HIGHEST = 2.0
"""Largest float value that can come from a picture in [0, 1], for example by sharpening or a resize."""
_STEP = 257
"""Distance in 16-bit values between two neighbouring 8-bit values."""


def image_kind(image: object) -> ImageKind:
    """Classify an image, and refuse every other object.

    Args:
        image: A PIL image in mode L or RGB, an array `h w` or `h w c` of uint8 or uint16, or a float tensor `b c h w`.

    Raises:
        ImageError: For everything else, and for images without pixels; the message gives the conversion to use.

    Examples:
        >>> image_kind(np.zeros((4, 6, 3), np.uint8))
        'array'
    """
    if isinstance(image, PIL.Image.Image):
        if image.mode not in _MODES.values():
            to = "L" if image.mode in ("1", "LA", "La") else "RGB"
            raise ImageError(
                f"invalid PIL image of mode {image.mode!r}: expected L or RGB; use image.convert({to!r}), "
                "or down_file, which reads palettes and alpha from files"
            )
        return _not_empty("pil", (image.height, image.width))
    if isinstance(image, np.ndarray):
        if image.dtype not in (np.uint8, np.uint16) or image.ndim not in (2, 3):
            raise ImageError(
                f"invalid array of {image.dtype} with shape {image.shape}: expected uint8 or uint16, `h w` or `h w c`"
            )
        return _not_empty("array", image.shape)
    if isinstance(image, Tensor):
        if not image.is_floating_point() or image.ndim != 4:
            raise ImageError(
                f"invalid tensor of {image.dtype} with shape {tuple(image.shape)}: expected floats in [0, 1], `b c h w`"
            )
        return _not_empty("tensor", tuple(image.shape))
    raise ImageError(
        f"invalid image of type {type(image).__name__}: "
        "expected a PIL image, a uint8 array `h w c` or a float tensor `b c h w`"
    )


def _not_empty(kind: ImageKind, shape: tuple[int, ...]) -> ImageKind:
    if 0 in shape:
        raise ImageError(f"invalid image of shape {shape}: expected every side to be at least 1")
    return kind


def to_tensor(image: ImageLike) -> Tensor:
    """Convert an image to a float tensor `b c h w`.

    Integers are multiplied by float32(1/255), or by float32(1/65535) for 16 bits, and never divided: the result is
    bit-equal to the compression's output in training.

    Args:
        image: Any image that `image_kind` accepts.

    Returns:
        `b c h w`, float32: in [0, 1] for integer pixel values; a tensor keeps its values and its device.

    Raises:
        ImageError: If `image_kind` refuses the image, or a tensor has values above 2: they cannot be in [0, 1].

    Examples:
        >>> to_tensor(np.array([[0, 255]], np.uint8))
        tensor([[[[0., 1.]]]])
    """
    image_kind(image)
    if isinstance(image, Tensor):
        _check_range(image)
        return image.to(torch.float32)
    stored = to_codes(image)
    return uint16_to_float(stored) if stored.dtype == torch.uint16 else stored.to(torch.float32).mul_(SCALE)


def _check_range(image: Tensor) -> None:
    """Refuse values such as 0 to 255. Compilers and the meta device have no values."""
    if image.device.type != "meta" and not torch.compiler.is_compiling() and (image.detach() > _HIGHEST).any():
        highest = float(image.detach().nan_to_num().amax())
        raise ImageError(
            f"invalid tensor with values up to {highest:.6g}: expected floats in [0, 1]; divide 8-bit values by 255, "
            "or pass them as a uint8 array"
        )


def to_codes(image: PIL.Image.Image | Pixels) -> Tensor:
    """Convert an image to a tensor of its integer pixel values.

    Args:
        image: A PIL image, which is turned upright by its EXIF orientation, or an array.

    Returns:
        `1 c h w`, uint8 or uint16, in memory as `h w c`.

    Raises:
        ImageError: If `image_kind` refuses the image.
    """
    image_kind(image)
    if isinstance(image, PIL.Image.Image):
        image = PIL.ImageOps.exif_transpose(image)
    return to_batch(np.asarray(image))


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


def from_tensor(x: Tensor, like: I) -> I:
    """Convert a float tensor to the kind of another image.

    Args:
        x: `b c h w`, float.
        like: An image of the requested kind: a PIL image, an array or a tensor. A uint16 array asks for 16 bits.

    Returns:
        `x` itself for a tensor, unrounded. Else `x` clamped to [0, 1] and rounded half to even, as `from_codes` does.

    Raises:
        ImageError: If `x` has more than one image, or the kind cannot hold its channels.

    Examples:
        >>> from_tensor(torch.tensor([[[[0.2, 7.0]]]]), like=np.zeros((1, 1), np.uint8))
        array([[ 51, 255]], dtype=uint8)
    """
    if image_kind(like) == "tensor":
        return cast(I, x)
    deep = isinstance(like, np.ndarray) and like.dtype == np.uint16
    return from_codes(to_uint(x.detach(), 16 if deep else 8).cpu(), like)


def from_codes(x: Tensor, like: I) -> I:
    """Convert integer pixel values to the kind of another image.

    Args:
        x: `1 c h w`, uint8 or uint16.
        like: A PIL image or an array. For one channel, the result is `h w` if `like` is.

    Raises:
        ImageError: If `x` has more than one image, or the kind cannot hold its channels.
    """
    array = from_batch(x)
    channels = array.shape[2]
    if image_kind(like) == "array":
        return cast(I, array[:, :, 0] if channels == 1 and cast(Pixels, like).ndim == 2 else array)
    if channels not in _MODES:
        raise ImageError(f"a PIL image cannot hold {channels} channels: pass an array or a tensor instead")
    if array.dtype != np.uint8:
        raise ImageError(f"a PIL image cannot hold {array.dtype} values: pass an array or a tensor instead")
    image = PIL.Image.fromarray(array[:, :, 0] if channels == 1 else array)
    profile = like.info.get("icc_profile") if isinstance(like, PIL.Image.Image) and like.mode == image.mode else None
    if profile:
        image.info["icc_profile"] = profile  # PIL writes it when the image is saved as PNG or WebP
    return cast(I, image)


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
