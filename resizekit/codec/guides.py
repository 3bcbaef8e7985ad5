"""Guides: fixed maps from `high` to what `low` should look like (the guidance image of section 3.2).

Each is called as `guide(spec, config)` by a task and returns the map itself, `b (t c) (s h) (r w) -> b c h w`, float in
[0, 1], differentiable.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from resizekit.errors import ResizeShapeError
from resizekit.ops import Guided, resample, unshuffle_guide
from resizekit.spec import ResizeSpec

__all__ = ["Guide", "Resampled", "bicubic", "channel_mean", "lanczos", "luma"]

Guide = Callable[[Tensor], Tensor]

# ITU-R BT.601, full range: the luma that a grey picture stores.
_LUMA = (0.299, 0.587, 0.114)


def bicubic(spec: ResizeSpec, config: object = None) -> Guide:
    """MATLAB's antialiased bicubic in space (4.1), the mean of each group in the channels."""
    return Resampled(spec, "bicubic")


def lanczos(spec: ResizeSpec, config: object = None) -> Guide:
    """Antialiased Lanczos-3 in space (named in section 1), the mean of each group in the channels."""
    return Resampled(spec, "lanczos")


def channel_mean(spec: ResizeSpec, config: object = None) -> Guide:
    """The mean of each group of t channels; bicubic where the spec also scales space."""
    return bicubic(spec, config)


def luma(spec: ResizeSpec, config: object = None) -> Guide:
    """BT.601 luma of RGB, full range (the Y of YCbCr, 4.3); for t = 3, bicubic where the spec also scales space."""
    if spec.t != 3:
        raise ResizeShapeError(f"luma needs t=3 (RGB to grey), got t={spec.t}; use channel_mean")
    return partial(_luma, small=Resampled(ResizeSpec(s=spec.s, r=spec.r), "bicubic"))


@dataclass(frozen=True)
class Resampled:
    """The guide that resamples in space and takes the mean of each group of channels."""

    spec: ResizeSpec
    kernel: Literal["bicubic", "lanczos"]

    def __call__(self, high: Tensor) -> Tensor:
        """Make the guide: `b (t c) (s h) (r w) -> b c h w`."""
        spec = self.spec
        _, h, w = spec.low_shape(high.shape[1:])
        if spec.t != 1:
            if spec.t.denominator != 1:
                raise ResizeShapeError(f"no guide averages channels by t={spec.t}; use a whole t")
            high = torch.stack(high.chunk(spec.t.numerator, 1)).mean(0)
        if (h, w) == tuple(high.shape[2:]):
            return high
        return resample(high, (h, w), scale=(spec.s, spec.r), kernel=self.kernel)

    def fuses_with(self, down: tuple[int, int]) -> bool:
        """Tell whether one reading of a picture's bytes serves this guide and a network that unshuffles by `down`."""
        spec = self.spec  # compared by parts: making another spec would cut the graph of a compiled codec in two
        same = spec.s == down[0] and spec.r == down[1] and spec.t == 1
        return same and self.kernel == "bicubic" and down != (1, 1)

    def with_unshuffled(self, codes: Tensor, *, shift: float) -> Guided:
        """Give the unshuffled picture and the guide at once, from uint8 codes: `b c (s h) (r w)`."""
        s, r = self.spec.s.numerator, self.spec.r.numerator
        return unshuffle_guide(codes, s, r, shift=shift, channels_last=codes.shape[1] > 1)


def _luma(high: Tensor, *, small: Resampled) -> Tensor:  # made before: a compiler cannot trace a dataclass being made
    red, green, blue = high.chunk(3, 1)
    grey = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    return small(grey)
