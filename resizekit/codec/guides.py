"""Guides: fixed functions from `high` to the target for `low` (the guidance image of section 3.2).

A task calls `guide(spec, config)` and gets the function: `b (t c) (s h) (r w) -> b c h w`, float in [0, 1],
differentiable.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from resizekit.errors import ResizeShapeError
from resizekit.nn import to_float
from resizekit.ops import Guided, resample, resample_codes, to_uint, unshuffle_guide
from resizekit.spec import ResizeSpec

__all__ = ["FusableGuide", "Guide", "Resampled", "as_fusable", "bicubic", "channel_mean", "lanczos", "luma"]

Guide = Callable[[Tensor], Tensor]
"""Any differentiable function `b (t c) (s h) (r w) -> b c h w`."""

# ITU-R BT.601, full range: the luma that a grey image stores.
LUMA = (0.299, 0.587, 0.114)


class FusableGuide:
    """Base class of guides that can be computed together with the encoder's input in one pass. Inherit and override."""

    def __call__(self, high: Tensor) -> Tensor:
        """Compute the guide: `b (t c) (s h) (r w) -> b c h w`, float in [0, 1]."""
        raise NotImplementedError

    def as_stored(self, high: Tensor, bits: Literal[8, 16]) -> Tensor:
        """Compute the guide as a file holds it: `b (t c) (s h) (r w) -> b c h w`.

        Args:
            high: uint8, uint16, or float in [0, 1].
            bits: 8 for uint8, 16 for uint16.
        """
        return to_uint(self(to_float(high)), bits)

    def fuses_with(self, down: tuple[int, int]) -> bool:
        """Return whether `with_unshuffled` serves an encoder that unshuffles by `down` = (height, width)."""
        return False

    def with_unshuffled(self, high: Tensor, *, shift: float) -> Guided:
        """Compute the unshuffled image plus `shift`, and the guide, from uint8: `b c (s h) (r w)`."""
        raise NotImplementedError


@dataclass(frozen=True)
class _Function(FusableGuide):
    """Any function as a guide that never fuses."""

    function: Guide

    def __call__(self, high: Tensor) -> Tensor:
        return self.function(high)


def as_fusable(guide: Guide) -> FusableGuide:
    """Return a guide that declares whether it fuses; a plain function never does."""
    return guide if isinstance(guide, FusableGuide) else _Function(guide)


def bicubic(spec: ResizeSpec, config: object = None) -> "Resampled":
    """Downscale by antialiased bicubic as MATLAB does (4.1). Each channel of low is the mean of a group of t channels.

    Examples:
        >>> bicubic(ResizeSpec(s=2, r=2))(torch.ones(1, 3, 8, 8)).shape
        torch.Size([1, 3, 4, 4])
    """
    return Resampled(spec, "bicubic")


def lanczos(spec: ResizeSpec, config: object = None) -> "Resampled":
    """Downscale by antialiased Lanczos-3 (section 1); channels are the mean of each group of t."""
    return Resampled(spec, "lanczos")


def channel_mean(spec: ResizeSpec, config: object = None) -> "Resampled":
    """Average each group of t channels; bicubic where the spec also scales space."""
    return bicubic(spec, config)


def luma(spec: ResizeSpec, config: object = None) -> "Luma":
    """Take BT.601 luma of RGB, full range (the Y of YCbCr, 4.3); bicubic where the spec scales space.

    Raises:
        ResizeShapeError: If `spec.t` is not 3.
    """
    if spec.t != 3:
        raise ResizeShapeError(f"luma needs t=3 (RGB to grey), got t={spec.t}; use channel_mean")
    return Luma(Resampled(ResizeSpec(s=spec.s, r=spec.r), "bicubic"))


@dataclass(frozen=True)
class Resampled(FusableGuide):
    """The guide that resamples in space and takes the mean of each group of channels."""

    spec: ResizeSpec
    kernel: Literal["bicubic", "lanczos"]

    def __call__(self, high: Tensor) -> Tensor:
        """Compute the guide: `b (t c) (s h) (r w) -> b c h w`."""
        spec = self.spec
        _, h, w = spec.low_shape(high.shape[1:])
        if spec.t != 1:
            if spec.t.denominator != 1:
                raise ResizeShapeError(f"no guide averages channels by t={spec.t}; use a whole t")
            high = torch.stack(high.chunk(spec.t.numerator, 1)).mean(0)
        if (h, w) == tuple(high.shape[2:]):
            return high
        return resample(high, (h, w), scale=(spec.s, spec.r), kernel=self.kernel)

    def as_stored(self, high: Tensor, bits: Literal[8, 16]) -> Tensor:
        """Compute the guide as a file holds it; from integers of the same bits as MATLAB does."""
        if self.spec.t != 1 or high.dtype != (torch.uint16 if bits == 16 else torch.uint8):
            return super().as_stored(high, bits)
        _, h, w = self.spec.low_shape(high.shape[1:])
        return resample_codes(high, (h, w), scale=(self.spec.s, self.spec.r), kernel=self.kernel)

    def fuses_with(self, down: tuple[int, int]) -> bool:
        """Return whether the encoder unshuffles by exactly the factors of this bicubic guide."""
        spec = self.spec  # compared by parts: making another spec would cut the graph of a compiled codec in two
        same = spec.s == down[0] and spec.r == down[1] and spec.t == 1
        return same and self.kernel == "bicubic" and down != (1, 1)

    def with_unshuffled(self, high: Tensor, *, shift: float) -> Guided:
        """Compute the unshuffled image plus `shift`, and the guide, from uint8: `b c (s h) (r w)`."""
        s, r = self.spec.s.numerator, self.spec.r.numerator
        return unshuffle_guide(high, s, r, shift=shift, channels_last=high.shape[1] > 1)


@dataclass(frozen=True)
class Luma(FusableGuide):
    """The guide that takes BT.601 luma of RGB, then resamples."""

    resized: Resampled

    def __call__(self, high: Tensor) -> Tensor:
        """Compute the guide: `b (3 c) (s h) (r w) -> b c h w`."""
        red, green, blue = high.chunk(3, 1)
        return self.resized(LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue)
