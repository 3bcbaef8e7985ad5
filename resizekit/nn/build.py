"""Build an encoder and a decoder for any (s, r, t). The paper's network `tad` is built this way.

    x ─► head ─► block ─► ... ─► block ─► conv ─► (+ head) ─► tail ─► y

The head unshuffles by the factors that the resize divides by. The tail shuffles by the factors that it multiplies by.
With a factor of 1 there is no scaling layer: head and tail are then plain convolutions, as the paper requires for
colorization (3.3). Encoder and decoder mirror each other: for s = 3/2 the encoder unshuffles by 3 and shuffles by 2,
and the decoder unshuffles by 2 and shuffles by 3.
"""

from fractions import Fraction
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from resizekit.errors import ResizeShapeError
from resizekit.nn.blocks import Down, ResidualBlocks, Up, conv
from resizekit.nn.fused import conv_add
from resizekit.nn.low_resolution import LowResolutionNet
from resizekit.spec import ResizeSpec

__all__ = ["Resizer", "TadOptions", "high_channels", "tad", "tad_decoder"]

_Channels = npt.NDArray[np.int64]


class TadOptions(BaseModel):
    """Options of the network `tad`. The defaults are the paper's numbers (section 3.2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(64, ge=1, le=1024, description="channels of every feature map")
    blocks: int = Field(3, ge=0, le=256, description="residual blocks per side")
    init_as_average: bool = Field(
        False, description="initialize the encoder as the mean of each block: for tasks with residual=False"
    )


def high_channels(spec: ResizeSpec, low_channels: int) -> int:
    """Return the number of channels of the high image, `t * low_channels`.

    Raises:
        ResizeShapeError: The result is not an integer.

    >>> high_channels(ResizeSpec(t=3), 1)
    3
    """
    channels = spec.t * low_channels
    if channels.denominator != 1:
        raise ResizeShapeError(
            f"invalid number of low channels {low_channels}: t={spec.t} needs whole channels; "
            f"use a multiple of {Fraction(spec.t).denominator} channels"
        )
    return channels.numerator


class Resizer(LowResolutionNet):
    """An encoder or a decoder: `b i (down_s h) (down_r w) -> b o (up_s h) (up_r w)`.

    The input is float in [0, 1] or uint8. Under autocast only the trunk runs in half precision. Head and tail process
    the image itself and keep full precision, since the last bits of the low image hold information.

    Args:
        channels_in: Channels of the input.
        channels_out: Channels of the output.
        down: Factors of height and width that the input is unshuffled by.
        up: Factors of height and width that the output is shuffled by.
        options: Width and number of residual blocks.
        scale: Factor of every residual block's output before it is added.

    >>> encoder = Resizer(3, 3, down=(2, 2), up=(1, 1), options=TadOptions(width=8, blocks=1))
    >>> encoder(torch.rand(1, 3, 8, 12)).shape
    torch.Size([1, 3, 4, 6])
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        down: tuple[int, int],
        up: tuple[int, int],
        options: TadOptions,
        scale: float = 1.0,
    ) -> None:
        super().__init__(down=down, up=up, shift=-0.5)  # to the range [-0.5, 0.5] (section 4.1)
        width = options.width
        self.head = conv(channels_in, width) if down == (1, 1) else Down(channels_in, width, *down)
        self.blocks = ResidualBlocks(options.blocks, width, scale=scale)
        self.join = conv(width, width)
        self.tail = conv(width, channels_out) if up == (1, 1) else Up(width, channels_out, *up)

    def forward_low_resolution(self, x: Tensor) -> Tensor:
        """Run the network on unshuffled pixels."""
        device, head, tail = x.device.type, self.head, self.tail
        with torch.autocast(device, enabled=False):
            features = head.forward_low_resolution(x) if isinstance(head, Down) else head(x)
        trunk = conv_add(self.join, self.blocks(features), features).to(features.dtype)
        with torch.autocast(device, enabled=False):
            return tail.forward_low_resolution(trunk) if isinstance(tail, Up) else cast(Tensor, tail(trunk))


def _init_as_zero(encoder: Resizer) -> None:
    """Initialize the last convolution to zero: the encoder adds nothing, and the low image starts as the guide."""
    last = encoder.tail.second if isinstance(encoder.tail, Up) else encoder.tail
    for parameter in last.parameters():
        nn.init.zeros_(parameter)


def _init_as_resize(side: Resizer, channels_in: int, channels_out: int) -> None:
    """Initialize a side as a plain resize: the long skip connection passes the image on, and the trunk adds nothing.

    Only the initial values differ from an ordinary network, not the layers. The head copies the input channels to the
    first feature maps, each phase of the sub-pixel layer copies these, and the last convolution selects them.
    """
    copied = min(channels_in, side.join.out_channels)
    each = np.arange(copied)
    with torch.no_grad():
        nn.init.zeros_(side.join.weight)
        nn.init.zeros_(_bias(side.join))
        if isinstance(side.head, Down):
            _copy_channels(side.head.first, each, each)
            phases = side.head.s * side.head.r
            unshuffled = np.arange(copied * phases)
            _copy_channels(side.head.second, unshuffled // phases, unshuffled, 1 / phases)
        else:
            _copy_channels(side.head, each, each)
        last = side.tail
        if isinstance(last, Up):
            phases = last.s * last.r
            shuffled = np.arange(copied * phases)
            _copy_channels(last.first, shuffled, shuffled // phases)
            last = last.second
        last.weight.mul_(0.1)
        outputs = np.arange(channels_out)
        outputs = outputs[outputs % channels_in < copied]
        _copy_channels(last, outputs, outputs % channels_in)
        _bias(last).fill_(0.5)  # inverts the shift to [-0.5, 0.5]


def _copy_channels(layer: nn.Conv2d, outputs: _Channels, inputs: _Channels, weight: float = 1.0) -> None:
    """Initialize outputs as weighted copies of inputs, pair by pair."""
    out, source = torch.tensor(outputs), torch.tensor(inputs)
    layer.weight[out] = 0
    _bias(layer)[out] = 0
    layer.weight[out, source, 1, 1] = weight


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias


def tad(spec: ResizeSpec, low_channels: int, options: TadOptions) -> tuple[nn.Module | None, nn.Module]:
    """Build the paper's encoder `b (t c) (s h) (r w) -> b c h w` and the decoder back.

    Each side has ten convolutions, or nine if height and width stay the same (sections 3.2 and 3.3). The encoder's
    output is added to the guide, or it is the low image itself (3.2, change 2). For the second case, set
    `init_as_average`.

    Args:
        spec: The factors of one step.
        low_channels: Channels of the low image.
        options: Width, depth and initialization.

    Returns:
        Encoder and decoder. Their input is in [0, 1].

    Raises:
        ResizeShapeError: `t * low_channels` is not an integer.

    >>> encoder, decoder = tad(ResizeSpec(s=2, r=2), 3, TadOptions(width=8, blocks=1))
    >>> decoder(torch.rand(1, 3, 4, 6)).shape
    torch.Size([1, 3, 8, 12])
    """
    channels = high_channels(spec, low_channels)
    big = spec.s.numerator, spec.r.numerator
    small = spec.s.denominator, spec.r.denominator
    encoder = Resizer(channels, low_channels, down=big, up=small, options=options)
    decoder = tad_decoder(spec, low_channels, options)
    if options.init_as_average:
        _init_as_resize(encoder, channels, low_channels)
    else:
        _init_as_zero(encoder)
    return encoder, decoder


def tad_decoder(spec: ResizeSpec, low_channels: int, options: TadOptions, *, scale: float = 1.0) -> Resizer:
    """Build the decoder alone, `b c h w -> b (t c) (s h) (r w)`, initialized as a plain resize.

    Args:
        spec: The factors of one step.
        low_channels: Channels of the low image.
        options: Width and depth.
        scale: Factor of every residual block's output before it is added.

    Raises:
        ResizeShapeError: `t * low_channels` is not an integer.
    """
    big, small = (spec.s.numerator, spec.r.numerator), (spec.s.denominator, spec.r.denominator)
    channels = high_channels(spec, low_channels)
    decoder = Resizer(low_channels, channels, down=small, up=big, options=options, scale=scale)
    _init_as_resize(decoder, low_channels, channels)
    return decoder
