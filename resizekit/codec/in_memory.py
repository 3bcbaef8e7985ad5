"""`Codec.down` and `Codec.up` of anything that holds a picture, padded and cropped like a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from resizekit.codec.alpha import alpha_down, alpha_up, fill_hidden
from resizekit.codec.batches import ArrayLike, as_batch, check_range
from resizekit.codec.pad import reflect_batch, reflect_pad_or_crop
from resizekit.codec.padded_sizes import padded_sizes_for
from resizekit.codec.refine.effort import Effort
from resizekit.errors import ImageError, ManifestError, ResizeShapeError, UsageError
from resizekit.pictures.channels import match_channels
from resizekit.pictures.io.icc import fitting_profile
from resizekit.pictures.io.pil import picture_from_pil, picture_to_pil
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.redundancy import without_redundancy
from resizekit.pictures.io.source import PictureFile
from resizekit.pictures.io.write import alpha_refusal
from resizekit.pictures.manifest import Manifest
from resizekit.pictures.picture import Mode, Picture
from resizekit.spec import HW

if TYPE_CHECKING:
    from resizekit.codec.codec import Codec

__all__ = ["ImageLike", "Size", "down_any", "picture_of", "up_any"]

ImageLike: TypeAlias = PIL.Image.Image | PictureFile | ArrayLike
"""What `Codec.down` and `Codec.up` take."""

Size: TypeAlias = tuple[int, int] | HW | None
"""(width, height), or `HW(height, width)`."""

_ORIGINAL = "resizekit_original"
"""Key in the `info` of a small PIL image that `down` returned: size and mode of its original."""


def down_any(codec: "Codec", image: Any, effort: int | Effort) -> Any:
    """Downscale an image, or each image of a list; the result has the same form."""
    if isinstance(image, list | tuple):
        return [down_any(codec, item, effort) for item in image]
    if isinstance(image, np.ndarray | Tensor):
        return _down_array(codec, image, effort)
    picture = picture_of(image)
    colours, alpha = match_channels(picture.pixels, codec.channels, folds=codec.spec.t > 1), picture.alpha
    padded = padded_sizes_for(codec.spec, picture.hw)
    if alpha is not None:
        if not codec.storage.alpha:
            raise UsageError(alpha_refusal(codec.storage, "these weights"))
        colours = fill_hidden(colours, alpha)
        alpha = alpha_down(codec.spec, reflect_pad_or_crop(alpha, padded.high))
        alpha = reflect_pad_or_crop(alpha, padded.stored)
    # reflected as in files, so that the networks see enough of a picture of a few pixels
    low = reflect_pad_or_crop(_down_array(codec, reflect_pad_or_crop(colours, padded.high), effort), padded.stored)
    small = Picture(pixels=low, alpha=alpha, icc=fitting_profile(picture.icc, low.shape[2]))
    return picture_to_pil(small, **{_ORIGINAL: (picture.hw.wh, picture.mode)})


def up_any(codec: "Codec", image: Any, size: Size) -> Any:
    """Restore an image from the small one of `down_any`, or each image of a list."""
    if isinstance(image, list | tuple):
        return [up_any(codec, item, size) for item in image]
    if isinstance(image, np.ndarray | Tensor):
        return _up_array(codec, image, size)
    small = picture_of(image, as_stored=True)
    if small.embedded_manifest is None:
        small = without_redundancy(small)
    original, mode = _original(codec, image, small)
    size = original if size is None else size
    largest = HW(*codec.spec.high_shape((codec.low_channels, *small.hw))[1:])
    target = largest if size is None else _checked_size(codec, small.hw, size)
    low = padded_sizes_for(codec.spec, target).low
    colours = reflect_pad_or_crop(_up_array(codec, reflect_pad_or_crop(small.pixels, low), None), target)
    alpha = small.alpha
    if alpha is not None:
        alpha = reflect_pad_or_crop(alpha_up(codec.spec, reflect_pad_or_crop(alpha, low)), target)
    if mode in ("L", "LA") and colours.shape[2] == 3 == small.pixels.shape[2]:
        colours = np.rint(colours.mean(axis=2, keepdims=True)).astype(colours.dtype)
    return picture_to_pil(Picture(pixels=colours, alpha=alpha, icc=fitting_profile(small.icc, colours.shape[2])))


def _original(codec: "Codec", image: Any, small: Picture) -> tuple[Size, Mode]:
    """Return size and mode of the original, as far as the small image has them: in its manifest, or from `down`.

    Raises:
        ManifestError: Other weights made the small file, or its pixels have changed.
    """
    in_memory = isinstance(image, PIL.Image.Image)
    if small.embedded_manifest is not None:
        name = image if isinstance(image, str | Path) else "this image"
        manifest = Manifest.from_text(small.embedded_manifest, name)
        if manifest.pixels == small.digest:
            if (manifest.digest, manifest.spec, manifest.times) != (codec.digest, codec.spec, codec.times):
                raise ManifestError(
                    f"{name} was made with {manifest.weights!r} by {manifest.spec}, and this codec is "
                    f"{codec.info.weights!r} by {codec.spec}: use resizekit.up_file or up_bytes, which choose the codec"
                )
            return (None if manifest.intermediate_size else manifest.size), manifest.mode
        if not in_memory:
            raise ManifestError(
                f"{name} was changed after it was made small: give the file as `down` wrote it, or pass its pixels as "
                "an array"
            )
    size, mode = image.info.get(_ORIGINAL, (None, small.mode)) if in_memory else (None, small.mode)
    # other programs keep `info` when they resize an image
    fits = size is not None and padded_sizes_for(codec.spec, HW.from_wh(size)).stored == small.hw
    return (size, mode) if fits else (None, small.mode)


def picture_of(image: PIL.Image.Image | PictureFile, *, as_stored: bool = False) -> Picture:
    """Convert a PIL image, or decode a file, of 8 bits per channel.

    Raises:
        ImageError: The object is something else, or the file cannot be read or has more bits or channels.
    """
    if isinstance(image, PIL.Image.Image):
        return picture_from_pil(image, as_stored=as_stored)
    if not isinstance(image, str | Path | bytes | bytearray) and not hasattr(image, "read"):
        raise ImageError(
            f"invalid image of type {type(image).__name__}: expected a PIL image, an array, a tensor, a path, bytes or "
            "a file object"
        )
    picture = read_picture(image, as_stored=as_stored)
    if picture.bits != 8 or picture.mode == "CUBE":
        raise ImageError(
            f"{image if isinstance(image, str | Path) else 'this file'} has {picture.pixels.shape[2]} channels of "
            f"{picture.pixels.dtype}, which a PIL image cannot hold: use down_file, or pass an array"
        )
    return picture


def _down_array(codec: "Codec", image: Any, effort: int | Effort) -> Any:
    batch, restore = as_batch(image)
    if codec.spec.t == 1:  # otherwise `down_tensor` names the numbers of channels that t divides
        _check_layout("high", image, batch.shape[1], codec.channels)
    check_range(batch)
    if batch.dtype == torch.uint16 and codec.storage.bits == 8:
        raise ImageError(
            "uint16 pixel values for a codec that stores 8 bits: use a codec with compression 'uint16', or pass uint8"
        )
    size = HW(*batch.shape[2:])
    high = reflect_batch(batch, codec.spec.pad(size))
    stored = padded_sizes_for(codec.spec, size).stored
    if batch.is_floating_point():  # gradients are up to the caller
        low = codec.down_tensor(high.float(), effort=effort)
    else:
        with torch.no_grad():  # callers may change the result in place, which inference mode forbids
            low = codec.read_back(codec.down_codes(high.to(codec.device), effort=effort)).to(batch.device)
    return restore(low[:, :, : stored.h, : stored.w])


def _up_array(codec: "Codec", image: Any, size: Size) -> Any:
    batch, restore = as_batch(image)
    _check_layout("low", image, batch.shape[1], codec.low_channels)
    check_range(batch, tolerance=1)  # low of a compression that does not round may leave [0, 1]
    bits = codec.storage.bits
    if not batch.is_floating_point() and (batch.dtype == torch.uint16) != (bits == 16):
        kind = "uint16" if batch.dtype == torch.uint16 else "8-bit"
        raise ImageError(f"{kind} pixel values for a codec that stores {bits} bits: pass the output of `down`")
    target = None if size is None else _checked_size(codec, HW(*batch.shape[2:]), size)
    if batch.is_floating_point():
        high = codec.up_tensor(batch.float())
    else:
        with torch.no_grad():  # callers may change the result in place, which inference mode forbids
            high = codec.up_codes(batch.to(codec.device)).to(batch.device)
    return restore(high if target is None else high[:, :, : target.h, : target.w])


def _check_layout(name: str, image: ArrayLike, channels: int, expected: int) -> None:
    """Refuse other channels than those of the codec, which are often another axis; grey has a message of its own."""
    if channels not in (1, expected):
        layout = "a tensor `c h w` or `b c h w`" if isinstance(image, Tensor) else "an array `h w c` or `b h w c`"
        raise ResizeShapeError(f"{name} has {channels} channels; this codec takes {expected}: expected {layout}")


def _checked_size(codec: "Codec", low: HW, size: tuple[int, int]) -> HW:
    """Return the size of the original.

    Raises:
        UsageError: A picture of this size does not have a small picture of this size.
    """
    if not (isinstance(size, tuple) and len(size) == 2 and all(type(side) is int for side in size)):
        raise UsageError(f"invalid size {size!r}: expected (width, height), or HW(height, width)")
    target = size if isinstance(size, HW) else HW.from_wh(size)
    if min(target) < 1 or padded_sizes_for(codec.spec, target).stored != low:
        most = codec.spec.high_shape((codec.low_channels, *low))[1:]
        raise UsageError(
            f"size {target.w}x{target.h} does not have a small picture of {low.w}x{low.h}: expected at most "
            f"{most[1]}x{most[0]}, as (width, height) or HW(height, width)"
        )
    return target
