"""The loss of Equation 4: the error of `restored` against `high`, plus the error of `low` against its guide.

loss = restoration_norm(restored - high) + guide_weight * guide_norm(low - guide)
       + luma_weight * restoration_norm(luma(restored) - luma(high)) + rate_weight * rate(low)

The second line is not in the paper: it restores luma better than colour, and makes the small file smaller.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from resizekit.codec import Resized
from resizekit.codec.guides import LUMA
from resizekit.errors import ConfigError
from resizekit.ops import lossless_bits
from resizekit.spec import ResizeSpec

__all__ = ["Guided", "Loss", "LossConfig", "Norm", "RateScale", "guided", "guided_l1", "rate"]

Loss = Callable[[Resized, Tensor], Tensor]
"""Maps the codec's output and the original `b c h w` to a scalar."""
Norm = Literal["l1", "l2", "charbonnier", "rms", "psnr"]
RateScale = Literal["bits", "log2"]
_LEAST_BITS = 0.007
"""Added to the bits per value before the logarithm, so that a flat crop does not dominate a batch."""
_LEAST_ERROR = 3e-5
"""Added to the squared error before the logarithm, for the same reason: 45 dB."""
_EPSILON = 1e-3
"""Smoothing of the Charbonnier norm, for values in [0, 1]: a quarter of an 8-bit step."""


class LossConfig(Protocol):
    """The settings of a task's config that a loss uses."""

    @property
    def guide_weight(self) -> float:
        """The paper's lambda."""

    @property
    def guide_loss(self) -> Norm:
        """Norm of the guide term."""

    @property
    def restoration_loss(self) -> Norm:
        """Norm of the restoration term."""

    @property
    def rate_weight(self) -> float:
        """Weight of the estimated size of low."""

    @property
    def rate_scale(self) -> RateScale:
        """Scale of the estimated size of low."""

    @property
    def luma_weight(self) -> float:
        """Weight of the restoration of luma."""

    @property
    def channels(self) -> int:
        """Channels of low."""


def _charbonnier(a: Tensor, b: Tensor) -> Tensor:
    return ((a - b).square() + _EPSILON**2).sqrt().mean()


def _rms(a: Tensor, b: Tensor) -> Tensor:
    return ((a - b).square().mean((1, 2, 3)) + 1e-12).sqrt().mean()


def _psnr(a: Tensor, b: Tensor) -> Tensor:
    return 10 * ((a - b).square().mean((1, 2, 3)) + _LEAST_ERROR).log10().mean()


_NORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": F.l1_loss,
    "l2": F.mse_loss,
    "charbonnier": _charbonnier,
    "rms": _rms,
    "psnr": _psnr,
}
"""l1: mean absolute error. l2: mean squared error. charbonnier: a smooth form of l1. rms: root mean square error of
each picture, averaged over the batch. psnr: negative PSNR of each picture in dB, averaged over the batch."""


def rate(low: Tensor, bits: Callable[[Tensor], Tensor] = lossless_bits) -> Tensor:
    """Estimate the bits per value of a batch: `b c h w -> ()`.

    Args:
        low: Low before the compression, float in [0, 1].
        bits: The estimate for each image, such as `codec.compression.bits`; by default that of a lossless file.

    Examples:
        >>> import torch
        >>> rate(torch.zeros(2, 3, 8, 8))
        tensor(0.)
    """
    return bits(low).mean()


def _luma(rgb: Tensor) -> Tensor:
    """Return luma of RGB, as in the JFIF standard: `b 3 h w -> b 1 h w`."""
    return (rgb * rgb.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


@dataclass(frozen=True, eq=False)
class Guided:
    """The loss of Equation 4. To change the weight or a norm, use `dataclasses.replace(loss, weight=...)`.

    >>> import torch
    >>> from resizekit import Resized
    >>> high = torch.zeros(1, 3, 4, 4)
    >>> out = Resized(low=torch.full((1, 3, 2, 2), 0.5), guide=torch.zeros(1, 3, 2, 2), restored=high + 0.25)
    >>> Guided(weight=0.1)(out, high)
    tensor(0.3000)
    """

    weight: float | Tensor
    """Weight of the guide term, the paper's lambda."""
    restoration: Norm = "l1"
    """Norm of the restoration term."""
    guide: Norm = "l1"
    """Norm of the guide term."""
    rate_weight: float | Tensor = 0.0
    """Weight of the estimated bits per value of low; 0: no such term."""
    rate_scale: RateScale = "bits"
    """bits: the mean of all pictures. log2: the mean of the binary logarithms, so that each picture counts equally."""
    luma_weight: float = 0.0
    """Weight of the restoration term of luma alone; the pictures must be RGB. 0: no such term."""
    bits: Callable[[Tensor], Tensor] = lossless_bits
    """Estimates the bits per value of low, `b c h w -> b`; training takes that of the compression."""

    def __call__(self, out: Resized, high: Tensor) -> Tensor:
        """Return the loss of one batch, a scalar.

        Args:
            out: Output of a codec: `low` and `guide` of equal shape, and `restored`.
            high: Original pictures `b c h w` in [0, 1].
        """
        restoration = _NORMS[self.restoration]
        loss = restoration(out.restored, high) + self.weight * _NORMS[self.guide](out.low, out.guide)
        if self.luma_weight:
            loss = loss + self.luma_weight * restoration(_luma(out.restored), _luma(high))
        if not torch.is_tensor(self.rate_weight) and not self.rate_weight:
            return loss
        encoded = out.low if out.encoded is None else out.encoded
        if self.rate_scale == "log2":
            return loss + self.rate_weight * (self.bits(encoded) + _LEAST_BITS).log2().mean()
        return loss + self.rate_weight * rate(encoded, self.bits)


def guided(spec: ResizeSpec, config: LossConfig) -> Loss:
    """Create the loss of Equation 4 with the norms and the guide weight of a config.

    With the default norms, l1, it equals the paper's loss. A squared guide norm (l2) allows a better restoration at the
    same quality of low: small deviations from the guide cost almost nothing, and the last bits of low can encode
    details of high. The l1 norm penalizes each deviation in proportion to its size.

    Args:
        spec: Factors of one step; with the channels of low they give those of the picture.
        config: Config of a task.

    Raises:
        ConfigError: If `luma_weight` is set for pictures that are not RGB.
    """
    channels = config.channels * spec.t
    if config.luma_weight and channels != 3:
        raise ConfigError(f"config.luma_weight needs pictures of 3 channels, not {channels}: remove it")
    return Guided(
        weight=config.guide_weight,
        restoration=config.restoration_loss,
        guide=config.guide_loss,
        rate_weight=config.rate_weight,
        rate_scale=config.rate_scale,
        luma_weight=config.luma_weight,
    )


def guided_l1(spec: ResizeSpec, config: LossConfig) -> Loss:
    """Create the loss of Equation 4 with the paper's norms, regardless of the norms in the config.

    Args:
        spec: Not used; part of the signature of all losses of tasks.
        config: Config of a task; only its guide weight is used.
    """
    return Guided(config.guide_weight)
