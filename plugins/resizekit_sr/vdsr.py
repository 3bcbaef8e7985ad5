"""The network `vdsr`: a decoder alone, after *Very Deep Convolutional Networks* (Kim et al., 2016).

    low ─► bicubic ─► head ─► ReLU ─► conv ─► ReLU ─► ... ─► tail ─► (+ bicubic)

It works on the picture as bicubic enlarges it, so every factor is one to it, and each convolution costs as much as the
large picture is large.  The tail starts at zero: it starts as bicubic and learns what that leaves out.
"""

from typing import cast

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from resizekit import ResizeSpec
from resizekit.errors import ResizeShapeError
from resizekit.nn import high_channels
from resizekit.nn.blocks import conv
from resizekit.ops import resample

__all__ = ["Vdsr", "VdsrOptions", "vdsr"]


class VdsrOptions(BaseModel):
    """Options of the network `vdsr`; the defaults are its paper's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(64, ge=1, le=1024, description="channels of every feature map")
    layers: int = Field(20, ge=2, le=256, description="convolutions, the first and the last among them")


class Vdsr(nn.Module):
    """Bicubic and a learned rest: `b c h w -> b (t c) (s h) (r w)`, input in [0, 1]; channels are repeated t times.

    Raises `ResizeShapeError` for a t that is not whole.  Under autocast only the layers between head and tail run in
    half precision.
    """

    def __init__(self, spec: ResizeSpec, low_channels: int, options: VdsrOptions) -> None:
        super().__init__()
        if spec.t.denominator != 1:
            raise ResizeShapeError(f"vdsr repeats channels, and t={spec.t} is no number of times; take another network")
        self.factors, self.copies = (spec.s, spec.r), spec.t.numerator
        self.head = conv(low_channels, options.width)
        self.body = nn.ModuleList(conv(options.width, options.width) for _ in range(options.layers - 2))
        self.tail = conv(options.width, high_channels(spec, low_channels))
        for layer in (self.head, *self.body):
            assert isinstance(layer, nn.Conv2d)
            assert layer.bias is not None
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        for parameter in self.tail.parameters():
            nn.init.zeros_(parameter)

    def enlarged(self, low: Tensor) -> Tensor:
        """Enlarge by bicubic: `b c h w -> b c (s h) (r w)`; a factor below 1 makes smaller, antialiased."""
        size = [n * f.numerator // f.denominator for n, f in zip(low.shape[2:], self.factors, strict=True)]
        s, r = self.factors
        return low if s == r == 1 else resample(low, (size[0], size[1]), scale=(1 / s, 1 / r))

    def forward(self, low: Tensor) -> Tensor:
        """Add to bicubic what it leaves out."""
        device = low.device.type
        with torch.autocast(device, enabled=False):
            # one layout for every size, so that tiles get the bits of the whole
            plain = self.enlarged(low).contiguous(memory_format=torch.channels_last)
            features = F.relu(self.head(plain - 0.5))
        deep = features
        for layer in self.body:
            deep = F.relu(layer(deep))
        with torch.autocast(device, enabled=False):
            made = cast(Tensor, self.tail(deep.to(features.dtype)))
            return made + plain.repeat(1, self.copies, 1, 1)


def vdsr(spec: ResizeSpec, low_channels: int, options: VdsrOptions) -> tuple[None, nn.Module]:
    """Build the decoder; there is no encoder."""
    return None, Vdsr(spec, low_channels, options)
