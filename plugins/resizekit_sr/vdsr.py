"""The network `vdsr`: a decoder without an encoder, after *Very Deep Convolutional Networks* (Kim et al., 2016).

    low ─► bicubic ─► head ─► ReLU ─► conv ─► ReLU ─► ... ─► tail ─► (+ bicubic)

All convolutions run at full size, on the bicubic enlargement of the low image. The layers are therefore the same for
every factor, and the cost grows with the size of the high image. The tail is initialized to zero: the network starts
as bicubic and learns the difference.
"""

from typing import cast

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from resizekit import ResizeSpec
from resizekit.errors import ResizeShapeError
from resizekit.nn import conv_relu, high_channels
from resizekit.nn.blocks import conv
from resizekit.ops import resample

__all__ = ["Vdsr", "VdsrOptions", "vdsr"]


class VdsrOptions(BaseModel):
    """Options of the network `vdsr`. The defaults are those of the VDSR paper."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(64, ge=1, le=1024, description="channels of every feature map")
    layers: int = Field(20, ge=2, le=256, description="convolutions, including the first and the last")


class Vdsr(nn.Module):
    """Bicubic enlargement plus a learned residual: `b c h w -> b (t c) (s h) (r w)`, input in [0, 1].

    The channels of the bicubic image are repeated t times. Under autocast only the layers between head and tail run in
    half precision.

    Args:
        spec: The factors of one step. `t` must be an integer.
        low_channels: Channels of the low image.
        options: Width and depth.

    Raises:
        ResizeShapeError: `t` is not an integer.
    """

    def __init__(self, spec: ResizeSpec, low_channels: int, options: VdsrOptions) -> None:
        super().__init__()
        if spec.t.denominator != 1:
            raise ResizeShapeError(
                f"network 'vdsr' cannot repeat channels {spec.t} times: use an integer t or another network"
            )
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

    def enlarge(self, low: Tensor) -> Tensor:
        """Resize by bicubic: `b c h w -> b c (s h) (r w)`. A factor below 1 shrinks, with antialiasing."""
        size = [n * f.numerator // f.denominator for n, f in zip(low.shape[2:], self.factors, strict=True)]
        s, r = self.factors
        return low if s == r == 1 else resample(low, (size[0], size[1]), scale=(1 / s, 1 / r))

    def forward(self, low: Tensor) -> Tensor:
        """Enlarge by bicubic and add the learned residual."""
        device = low.device.type
        with torch.autocast(device, enabled=False):
            # one memory layout for every size, so that tiles give the same bits as the entire image
            bicubic = self.enlarge(low).contiguous(memory_format=torch.channels_last)
            features = conv_relu(self.head, bicubic - 0.5)
        deep = features
        for layer in self.body:
            deep = conv_relu(cast(nn.Conv2d, layer), deep)
        with torch.autocast(device, enabled=False):
            residual = cast(Tensor, self.tail(deep.to(features.dtype)))
            return residual + bicubic.repeat(1, self.copies, 1, 1)


def vdsr(spec: ResizeSpec, low_channels: int, options: VdsrOptions) -> tuple[None, nn.Module]:
    """Build the decoder `b c h w -> b (t c) (s h) (r w)`.

    Args:
        spec: The factors of one step. `t` must be an integer.
        low_channels: Channels of the low image.
        options: Width and depth.

    Returns:
        None for the missing encoder, and the decoder. Its input is in [0, 1].

    Raises:
        ResizeShapeError: `t` is not an integer.
    """
    return None, Vdsr(spec, low_channels, options)
