"""Compressions: how `low` is stored, as a layer that gradients can pass through (the compression module of 3.2).

    low ─► compression ─► low as it will be read back from its file

A compression maps `b c h w` to `b c h w`, float in [0, 1]. It inherits `CompressionModule`, which declares the file
format; a plain `nn.Module` is stored as an 8-bit PNG.
"""

import reprlib
from typing import cast

import torch
from torch import Tensor, nn

from resizekit.errors import UsageError
from resizekit.ops import lossless_bits, quantize, quantize16, to_uint8
from resizekit.ops.quantize import SCALE
from resizekit.storage.formats import PNG, WEBP, Storage
from resizekit.storage.jxl import JXL, register_jxl
from resizekit.storage.png16 import PNG16

__all__ = [
    "CompressionModule", "EightBit", "Float", "JpegXl", "Lossy", "Round", "Uint8", "Uint16", "Webp", "as_compression",
    "read_back",
]  # fmt: skip


class CompressionModule(nn.Module):
    """A differentiable layer from low to low as it will be read back. Inherit it and define `forward`."""

    storage: Storage = PNG
    """The file format of low."""
    adds_guide: bool = False
    """True: `forward(low, guide)` adds the guide in the same pass, and its file holds `to_uint8(low + guide)`."""
    in_memory: bool = False
    """True: low stays float and is never written to a file."""

    qualities: range | None = None
    """The values of the option `quality`, from the smallest file to the largest; None: there is no such option."""

    def bits(self, low: Tensor) -> Tensor:
        """Estimate the bits per value of the file of low: `b c h w -> b`, with a gradient.

        The estimate ranks images of one compression; it is not a size. By default it is that of a lossless format.

        Args:
            low: Low before the compression, float in [0, 1].
        """
        stored = cast(Tensor, self(low)) if self.storage.exact else low
        return lossless_bits(stored, levels=2**self.storage.bits - 1)


class _Plain(CompressionModule):
    """A module that declares nothing, stored as an 8-bit PNG."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, low: Tensor) -> Tensor:
        """Apply the module."""
        return cast(Tensor, self.module(low))


def as_compression(module: nn.Module) -> CompressionModule:
    """Return a compression as it is, and wrap any other module as one that is stored as an 8-bit PNG.

    Raises:
        UsageError: If it is not a module.
    """
    if not isinstance(module, nn.Module):
        raise UsageError(f"invalid compression {reprlib.repr(module)}: expected a name or a torch.nn.Module")
    return module if isinstance(module, CompressionModule) else _Plain(module)


class EightBit(CompressionModule):
    """Low as an 8-bit image. The file always holds `to_uint8(low + guide)`, rounded half to even."""

    adds_guide = True

    def forward(self, low: Tensor, guide: Tensor | None = None) -> Tensor:
        """Round `low + guide` to 8 bits: `b c h w -> b c h w`, float in [0, 1]."""
        return quantize(low, guide)


class Uint8(EightBit):
    """Clamp and round to 8 bits, half to even, in training and in use; the gradient passes straight through."""


class Webp(Uint8):
    """As `Uint8`, stored as a lossless WebP, which is smaller than a PNG. For colour only."""

    storage: Storage = WEBP


class JpegXl(Uint8):
    """As `Uint8`, stored as a lossless JPEG XL, which is smaller still.

    Raises:
        MissingExtraError: If pillow-jxl-plugin, the extra `jxl`, is not installed.
    """

    storage: Storage = JXL

    def __init__(self) -> None:
        register_jxl()  # before any work, not when the file is written
        super().__init__()


class Uint16(CompressionModule):
    """Clamp and round to 16 bits, half to even, in training and in use; the gradient passes straight through."""

    storage: Storage = PNG16

    def forward(self, low: Tensor) -> Tensor:
        """Round to 16 bits: `b c h w -> b c h w`, float32 for every input type."""
        return quantize16(low)


class Round(EightBit):
    """Round to 8 bits in use, do nothing in training: "a simple rounding operation" (3.2 change 1, 3.3)."""

    def forward(self, low: Tensor, guide: Tensor | None = None) -> Tensor:
        """Round `low + guide` to 8 bits, or only add in training: `b c h w -> b c h w`."""
        if not self.training:
            return quantize(low, guide)
        return low if guide is None else guide + low


class Lossy(EightBit):
    """Low in an 8-bit format that changes pixel values: in training and in use, low is read from a real file.

    A file has no gradient, so gradients take the path of `smooth`. Inherit this class, or pass the storage alone.

    Args:
        storage: The file format with its settings.
    """

    def __init__(self, storage: Storage) -> None:
        super().__init__()
        self.storage = storage

    def smooth(self, low: Tensor) -> Tensor:
        """Approximate the format for gradients: `b c h w -> b c h w`, float32; the identity by default."""
        return low

    def read_files(self, stored: Tensor) -> Tensor:
        """Write a batch to files in memory and read them: `b c h w -> b c h w`, uint8."""
        return read_back(self.storage, stored)

    def forward(self, low: Tensor, guide: Tensor | None = None) -> Tensor:
        """Write `low + guide` to a file in memory and read it: `b c h w -> b c h w`.

        Raises:
            ImageError: If the format cannot hold the image.
        """
        rounded = quantize(low, guide)
        with torch.no_grad():
            stored = to_uint8(low, guide)  # not from `rounded`, whose type may be too narrow for a pixel value
        read = (self.read_files(stored) * SCALE).to(rounded.dtype)
        if not (torch.is_grad_enabled() and rounded.requires_grad):
            return read
        with torch.autocast(low.device.type, enabled=False):
            smooth = self.smooth(rounded.float()).to(read.dtype)
        # the difference is exactly zero, so the value is that of the file to the last bit
        return read + (smooth - smooth.detach())


class Float(CompressionModule):
    """Keep `low` as it is: for experiments without storage (the trade-off of section 4.2)."""

    in_memory = True

    def forward(self, low: Tensor) -> Tensor:
        """Return `low` itself."""
        return low


def read_back(storage: Storage, stored: Tensor) -> Tensor:
    """Write images to files in memory, one file per image, and read them: `b c h w -> b c h w`, uint8 or uint16.

    Raises:
        ImageError: If the format cannot hold an image.
    """
    if not len(stored):
        return stored
    images = stored.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    read = [torch.from_numpy(storage.read_back(pixels)) for pixels in images]
    return torch.stack(read).permute(0, 3, 1, 2).to(stored.device)
