"""The network `recurrent`: one step, made to be applied again and again, that hands its next application a state.

    down: picture ─► first ─┐            ┌─► tail ─► + clean ─► low
                            ├─► blocks ──┤
          state ───► head ──┘            └─► hand ─► + pixels ─► state

A step that hands on gives the picture that bicubic makes, `clean`, and the pixels it was made of, block by block.  So
the next one, and every one after it, sees two factors at once, and what is hidden in low is hidden once, by the last.
Up it is mirrored: a step that hands on says the pixels of two factors at once, and its blocks are done with the second.

    up: low ───► head ─┐            ┌─► last ─► + pixels ─► picture
                       ├─► blocks ──┤
        state ─► later ┘            └─► tail ─► + pixels, repeated ─► state

Therefore the first of several steps down and the last of several steps up only move pixels, and two steps together are
a `wavelet` pair of twice the factor, whose weights they can begin with.  Every end starts at zero: the first values are
bicubic down, and plain growing up.  A step alone sees one factor where the others see two, and a step between states
hides nothing: both can have blocks of their own, which leaves those of two steps to what is done beside low.
"""

from typing import cast

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from resizekit import ResizeSpec, ops
from resizekit.errors import ResizeShapeError
from resizekit.nn import Recurrent, ResidualBlock, to_float
from resizekit.nn.blocks import conv
from resizekit_sr.bands import Bands, change

__all__ = ["RecurrentOptions", "recurrent"]

_SCALE = 0.1
"""What an end's output is multiplied by: its steps are a tenth as large, which keeps a fast start quiet."""


class RecurrentOptions(BaseModel):
    """Options of the network `recurrent`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(64, ge=1, le=1024, description="channels of every feature map")
    down_blocks: int = Field(4, ge=0, le=256, description="residual blocks of the encoder")
    up_blocks: int = Field(6, ge=0, le=256, description="residual blocks of the decoder")
    down_alone: int = Field(0, ge=0, le=256, description="blocks of the encoder's own for one step alone; 0: the same")
    up_alone: int = Field(0, ge=0, le=256, description="blocks of the decoder's own for one step alone; 0: the same")
    down_between: int = Field(0, ge=0, le=256, description="blocks of the encoder's own for handing on; 0: the same")
    up_between: int = Field(0, ge=0, le=256, description="blocks of the decoder's own for a state; 0: the same")


class _Side(Recurrent):
    """What both ways have in common: the trunk, and bands of one factor and of two."""

    one: Tensor
    two: Tensor

    def __init__(self, spec: ResizeSpec, channels: int, *, blocks: int, alone: int, between: int, width: int) -> None:
        super().__init__()
        self.s, self.r, self.channels = spec.s.numerator, spec.r.numerator, channels
        self.pixels = channels * self.s * self.r  # in a block of one factor
        self.blocks = _trunk(blocks, width)
        self.blocks_alone = _trunk(alone, width) if alone else None
        self.blocks_between = _trunk(between, width) if between else None
        # fixed by the spec, so no part of the weights
        self.register_buffer("one", Bands.of(spec, channels).high, persistent=False)
        nested = _nested(channels, self.s, self.r)
        self.register_buffer("two", Bands.of(spec**2, channels).high[:, nested], persistent=False)

    def _deep(self, features: Tensor, *, at_low: bool, alone: bool) -> Tensor:
        own = self.blocks_alone if alone else None if at_low else self.blocks_between
        blocks = self.blocks if own is None else own
        return features + cast(Tensor, blocks(features)).float()


class Encoder(_Side):
    """The way down, `b c (s h) (r w) -> b c h w`; see the module."""

    def __init__(self, spec: ResizeSpec, channels: int, *, blocks: int, alone: int, between: int, width: int) -> None:
        super().__init__(spec, channels, blocks=blocks, alone=alone, between=between, width=width)
        self.state_channels = channels + self.pixels
        self.first = conv(self.pixels, width)
        self.head = conv(self.pixels * self.s * self.r, width)
        self.tail = _quiet(conv(width, channels))
        self.hand = _quiet(conv(width, self.pixels))

    def step(self, x: Tensor, *, first: bool, last: bool) -> Tensor:
        """Go down by one factor; a state is `clean`, and the pixels it was made of, less 0.5: `b (c + c s r) h w`."""
        picture = to_float(x) if first else x[:, : self.channels]
        small = picture.shape[2] // self.s, picture.shape[3] // self.r
        clean = ops.resample(picture, small)
        seen = ops.unshuffle(picture - 0.5 if first else x[:, self.channels :], self.s, self.r)
        if first and not last:
            return torch.cat([clean, seen], dim=1)
        with torch.autocast(x.device.type, enabled=False):
            entered = self.first(change(seen, self.one)) if first else self.head(change(seen, self.two))
        deep = self._deep(entered, at_low=last, alone=first and last)
        with torch.autocast(x.device.type, enabled=False):
            if last:
                low: Tensor = clean + _SCALE * self.tail(deep)
                return low
            pixels = ops.unshuffle(picture - 0.5, self.s, self.r)
            return torch.cat([clean, pixels + _SCALE * self.hand(deep)], dim=1)


class Decoder(_Side):
    """The way up, `b c h w -> b c (s h) (r w)`; see the module."""

    def __init__(self, spec: ResizeSpec, channels: int, *, blocks: int, alone: int, between: int, width: int) -> None:
        super().__init__(spec, channels, blocks=blocks, alone=alone, between=between, width=width)
        self.state_channels = self.pixels
        self.head = conv(channels, width)
        self.later = conv(self.pixels, width)
        self.last = _quiet(conv(width, self.pixels))
        self.tail = _quiet(conv(width, self.pixels * self.s * self.r))

    def step(self, x: Tensor, *, first: bool, last: bool) -> Tensor:
        """Go up by one factor; a state is the pixels of one factor more, less 0.5: `b (c s r) h w`."""
        if last and not first:
            return ops.shuffle(x, self.s, self.r) + 0.5
        block = self.s * self.r
        if first:
            x = to_float(x) - 0.5
        pixels = x.repeat_interleave(block, dim=1) if first else x
        with torch.autocast(x.device.type, enabled=False):
            entered = self.head(x) if first else self.later(change(x, self.one))
        deep = self._deep(entered, at_low=first, alone=first and last)
        with torch.autocast(x.device.type, enabled=False):
            if last:
                return ops.shuffle(pixels + change(_SCALE * self.last(deep), self.one.T), self.s, self.r) + 0.5
            # each pixel stands alone in a cell of the next factor, and the factor after makes a block of it
            b, _, h, w = pixels.shape
            wide = pixels.reshape(b, self.channels, 1, block, h, w).expand(-1, -1, block, -1, -1, -1).flatten(1, 3)
            return ops.shuffle(wide + change(_SCALE * self.tail(deep), self.two.T), self.s, self.r)


def recurrent(spec: ResizeSpec, low_channels: int, options: RecurrentOptions) -> tuple[nn.Module, nn.Module]:
    """Build the pair: `b c (s h) (r w) -> b c h w` and back, input in [0, 1]; the encoder gives low itself.

    Raises `ResizeShapeError` for fractions, and for a factor of channels.
    """
    if spec.t != 1 or spec.s.denominator != 1 or spec.r.denominator != 1:
        raise ResizeShapeError(
            f"network 'recurrent' takes whole factors of height and width, not {spec}; take 'wavelet'"
        )
    down = {"blocks": options.down_blocks, "alone": options.down_alone, "between": options.down_between}
    up = {"blocks": options.up_blocks, "alone": options.up_alone, "between": options.up_between}
    encoder = Encoder(spec, low_channels, **down, width=options.width)
    decoder = Decoder(spec, low_channels, **up, width=options.width)
    return encoder, decoder


def _trunk(blocks: int, width: int) -> nn.Sequential:
    """Give residual blocks that start as nothing."""
    trunk = [ResidualBlock(width) for _ in range(blocks)]
    for block in trunk:
        _quiet(block.second)
    return nn.Sequential(*trunk)


def _quiet(layer: nn.Conv2d) -> nn.Conv2d:
    """Let a layer start at zero."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def _nested(channels: int, s: int, r: int) -> Tensor:
    """Where the channels of two unshuffles by (s, r), one after the other, stand in those of one by (s², r²)."""
    order = torch.arange(channels * s * r * s * r).reshape(channels, s, s, r, r)  # c, outer and inner row, and column
    return order.permute(0, 2, 4, 1, 3).flatten()
