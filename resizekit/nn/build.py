"""The generic builder: one encoder and one decoder for every (s, r, t), and the paper's network as its first use.

    x ─► head ─► block ─► ... ─► block ─► conv ─► (+ head) ─► tail ─► y

`head` unshuffles by the factors that the resize divides by, `tail` shuffles by those it multiplies with.  A factor of 1
is no layer: the head is then a plain convolution, the tail too, so "removing the scaling layers" for colorization (3.3)
is nothing to be coded.  Encoder and decoder are mirrors: s = 3/2 unshuffles by 3 and shuffles by 2 on the way down, and
the other way about on the way up.
"""

from fractions import Fraction
from typing import cast

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from resizekit.errors import ResizeShapeError
from resizekit.nn.blocks import Down, ResidualBlock, Up, conv
from resizekit.nn.low_resolution import LowResolutionNet
from resizekit.spec import ResizeSpec

__all__ = ["Resizer", "TadOptions", "high_channels", "tad", "tad_decoder"]


class TadOptions(BaseModel):
    """Options of the network `tad`; the defaults are the paper's numbers (section 3.2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(64, ge=1, le=1024, description="channels of every feature map")
    blocks: int = Field(3, ge=0, le=256, description="residual blocks a side")
    init_as_average: bool = Field(
        False, description="the encoder starts as the mean of each block: for tasks without residual"
    )


def high_channels(spec: ResizeSpec, low_channels: int) -> int:
    """How many channels `high` has: t times those of `low`; a `ResizeShapeError` if that is not a whole number."""
    channels = spec.t * low_channels
    if channels.denominator != 1:
        raise ResizeShapeError(
            f"t={spec.t} does not make whole channels of {low_channels}; "
            f"use a multiple of {Fraction(spec.t).denominator} channels"
        )
    return channels.numerator


class Resizer(LowResolutionNet):
    """One side of a pair: `b i (down_s h) (down_r w) -> b o (up_s h) (up_r w)`; input in [0, 1], or uint8 codes.

    Under autocast only the trunk runs in half precision: head and tail touch the picture, whose last bits carry the
    message.
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
        super().__init__(down=down, up=up, shift=-0.5)  # the range [-0.5, 0.5] of section 4.1
        width = options.width
        self.head = conv(channels_in, width) if down == (1, 1) else Down(channels_in, width, *down)
        self.blocks = nn.Sequential(*(ResidualBlock(width, scale=scale) for _ in range(options.blocks)))
        self.join = conv(width, width)
        self.tail = conv(width, channels_out) if up == (1, 1) else Up(width, channels_out, *up)

    def forward_low_resolution(self, x: Tensor) -> Tensor:
        """Run the network on unshuffled pixels."""
        device, head, tail = x.device.type, self.head, self.tail
        with torch.autocast(device, enabled=False):
            features = head.forward_low_resolution(x) if isinstance(head, Down) else head(x)
        trunk = (features + self.join(self.blocks(features))).to(features.dtype)
        with torch.autocast(device, enabled=False):
            return tail.forward_low_resolution(trunk) if isinstance(tail, Up) else cast(Tensor, tail(trunk))


def _start_quietly(encoder: Resizer) -> None:
    """Let the encoder add nothing at first: its last convolution starts at zero, so `low` starts as the guide."""
    last = encoder.tail.second if isinstance(encoder.tail, Up) else encoder.tail
    for parameter in last.parameters():
        nn.init.zeros_(parameter)


def _start_as_resize(side: Resizer, channels_in: int, channels_out: int) -> None:
    """Let a side start as a plain resize, down or up: the long skip carries the picture, the trunk adds nothing yet.

    Only the starting values differ from an ordinary network, not the layers: the first features carry the channels of
    `low` through the head, each phase of the sub-pixel layer copies them, the last convolution picks them.
    """
    carried = min(channels_in, side.join.out_channels)
    with torch.no_grad():
        nn.init.zeros_(side.join.weight)
        nn.init.zeros_(_bias(side.join))
        if isinstance(side.head, Down):
            _carry(side.head.first, [(i, i, 1.0) for i in range(carried)])
            phases = side.head.s * side.head.r
            averages = [(i, i * phases + k, 1 / phases) for i in range(carried) for k in range(phases)]
            _carry(side.head.second, averages)
        else:
            _carry(side.head, [(i, i, 1.0) for i in range(carried)])
        last = side.tail
        if isinstance(last, Up):
            phases = last.s * last.r
            copies = [(i * phases + k, i, 1.0) for i in range(carried) for k in range(phases)]
            _carry(last.first, copies)
            last = last.second
        last.weight.mul_(0.1)
        _carry(
            last,
            [(i, i % channels_in, 1.0) for i in range(channels_out) if i % channels_in < carried],
        )
        _bias(last).fill_(0.5)  # undoes the shift to [-0.5, 0.5]


def _carry(layer: nn.Conv2d, paths: list[tuple[int, int, float]]) -> None:
    """Make some outputs of a convolution weighted copies of some inputs."""
    for out in {out for out, _, _ in paths}:
        layer.weight[out].zero_()
        _bias(layer)[out] = 0
    for out, inside, weight in paths:
        layer.weight[out, inside, 1, 1] = weight


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias


def tad(spec: ResizeSpec, low_channels: int, options: TadOptions) -> tuple[nn.Module | None, nn.Module]:
    """Build the paper's pair: ten convolutions a side, nine where nothing is scaled in space (sections 3.2 and 3.3).

    Returns (encoder, decoder): `b (t c) (s h) (r w) -> b c h w` and back, input in [0, 1].  The encoder's output is
    meant to be added to the guide, or is low itself (3.2, change 2), for which `init_as_average` gives it a start.
    """
    channels = high_channels(spec, low_channels)
    big = spec.s.numerator, spec.r.numerator
    small = spec.s.denominator, spec.r.denominator
    encoder = Resizer(channels, low_channels, down=big, up=small, options=options)
    decoder = tad_decoder(spec, low_channels, options)
    if options.init_as_average:
        _start_as_resize(encoder, channels, low_channels)
    else:
        _start_quietly(encoder)
    return encoder, decoder


def tad_decoder(spec: ResizeSpec, low_channels: int, options: TadOptions, *, scale: float = 1.0) -> Resizer:
    """Build the way up alone, `b c h w -> b (t c) (s h) (r w)`; it starts as a plain resize.

    `scale` is what every residual block multiplies its own part by.
    """
    big, small = (spec.s.numerator, spec.r.numerator), (spec.s.denominator, spec.r.denominator)
    channels = high_channels(spec, low_channels)
    decoder = Resizer(low_channels, channels, down=small, up=big, options=options, scale=scale)
    _start_as_resize(decoder, low_channels, channels)
    return decoder
