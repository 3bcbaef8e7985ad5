"""The network `recurrent`: one step, made for repeated use, that passes a state to its next application.

    down: picture ─► first ─┐            ┌─► tail ─► + clean ─► low
                            ├─► blocks ──┤
          state ───► head ──┘            └─► hand ─► + pixels ─► state

    up: low ───► head ─┐            ┌─► last ─► + pixels ─► picture
                       ├─► blocks ──┤
        state ─► later ┘            └─► tail ─► + pixels, repeated ─► state

Down: every step but the last outputs a state. The state holds `clean`, the bicubic downscaling of its input, and the
pixels that `clean` was computed from, block by block. The next step therefore sees two factors at once, and only the
last step writes information into the low image. Up is the mirror image: every step but the last outputs a state with
the pixels of two factors.

With several steps, the first one down and the last one up only move pixels. Two steps together are a `wavelet` pair of
the squared factor, and you can initialize them with the weights of such a pair. All output layers are initialized to
zero: the network starts as bicubic downscaling and a plain enlargement.

Two special cases can have blocks of their own. A single step (`alone`) sees one factor where the other steps see two,
and a step between two states (`between`) does not write into the low image. The main blocks then specialize in the step
next to the low image.
"""

from typing import cast

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from resizekit import ResizeSpec, ops
from resizekit.errors import ResizeShapeError
from resizekit.nn import Recurrent, ResidualBlocks, to_float
from resizekit.nn.blocks import conv
from resizekit_sr.bands import Bands, mix_channels

__all__ = ["RecurrentOptions", "recurrent"]

_SCALE = 0.1
"""Factor of the output layers. It makes their updates a tenth as large, which stabilizes high learning rates."""


class RecurrentOptions(BaseModel):
    """Options of the network `recurrent`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(64, ge=1, le=1024, description="channels of every feature map")
    down_blocks: int = Field(4, ge=0, le=256, description="residual blocks of the encoder")
    up_blocks: int = Field(6, ge=0, le=256, description="residual blocks of the decoder")
    down_alone: int = Field(
        0, ge=0, le=256, description="separate encoder blocks for a single step; 0: down_blocks are used"
    )
    up_alone: int = Field(
        0, ge=0, le=256, description="separate decoder blocks for a single step; 0: up_blocks are used"
    )
    down_between: int = Field(
        0, ge=0, le=256, description="separate encoder blocks for all steps but the last; 0: down_blocks are used"
    )
    up_between: int = Field(
        0, ge=0, le=256, description="separate decoder blocks for all steps but the first; 0: up_blocks are used"
    )


class _Side(Recurrent):
    """Common base of encoder and decoder: the blocks, and the transforms of one factor and of two."""

    basis: Tensor
    basis_squared: Tensor

    def __init__(self, spec: ResizeSpec, channels: int, *, blocks: int, alone: int, between: int, width: int) -> None:
        super().__init__()
        self.s, self.r, self.channels = spec.s.numerator, spec.r.numerator, channels
        self.scale = spec.s, spec.r  # exact: from sizes alone, `torch.export` would make a graph for one size
        self.pixels = channels * self.s * self.r  # values in a block of one factor
        self.blocks = _trunk(blocks, width)
        self.blocks_alone = _trunk(alone, width) if alone else None
        self.blocks_between = _trunk(between, width) if between else None
        # computed from the spec, so not saved with the weights
        self.register_buffer("basis", Bands.from_spec(spec, channels).high_basis, persistent=False)
        nested = _nested(channels, self.s, self.r)
        self.register_buffer(
            "basis_squared", Bands.from_spec(spec**2, channels).high_basis.index_select(1, nested), persistent=False
        )

    def _deep(self, features: Tensor, *, at_low: bool, alone: bool) -> Tensor:
        special = self.blocks_alone if alone else None if at_low else self.blocks_between
        blocks = self.blocks if special is None else special
        return features + cast(Tensor, blocks(features)).float()


class Encoder(_Side):
    """The encoder, `b c (s h) (r w) -> b c h w`. The module docstring has a diagram."""

    def __init__(self, spec: ResizeSpec, channels: int, *, blocks: int, alone: int, between: int, width: int) -> None:
        super().__init__(spec, channels, blocks=blocks, alone=alone, between=between, width=width)
        self.state_channels = channels + self.pixels
        self.first = conv(self.pixels, width)
        self.head = conv(self.pixels * self.s * self.r, width)
        self.tail = _zero_init(conv(width, channels))
        self.hand = _zero_init(conv(width, self.pixels))

    def step(self, x: Tensor, *, first: bool, last: bool) -> Tensor:
        """Downscale by one factor. A state is `clean` and its pixels minus 0.5: `b (c + c s r) h w`."""
        picture = to_float(x) if first else x[:, : self.channels]
        size = picture.shape[2] // self.s, picture.shape[3] // self.r
        clean = ops.resample(picture, size, scale=self.scale)
        unshuffled = ops.unshuffle(picture - 0.5 if first else x[:, self.channels :], self.s, self.r)
        if first and not last:
            return torch.cat([clean, unshuffled], dim=1)
        with torch.autocast(x.device.type, enabled=False):
            layer, matrix = (self.first, self.basis) if first else (self.head, self.basis_squared)
            features = layer(mix_channels(unshuffled, matrix))
        deep = self._deep(features, at_low=last, alone=first and last)
        with torch.autocast(x.device.type, enabled=False):
            if last:
                low: Tensor = clean + _SCALE * self.tail(deep)
                return low
            pixels = ops.unshuffle(picture - 0.5, self.s, self.r)
            return torch.cat([clean, pixels + _SCALE * self.hand(deep)], dim=1)


class Decoder(_Side):
    """The decoder, `b c h w -> b c (s h) (r w)`. The module docstring has a diagram."""

    def __init__(self, spec: ResizeSpec, channels: int, *, blocks: int, alone: int, between: int, width: int) -> None:
        super().__init__(spec, channels, blocks=blocks, alone=alone, between=between, width=width)
        self.state_channels = self.pixels
        self.head = conv(channels, width)
        self.later = conv(self.pixels, width)
        self.last = _zero_init(conv(width, self.pixels))
        self.tail = _zero_init(conv(width, self.pixels * self.s * self.r))

    def step(self, x: Tensor, *, first: bool, last: bool) -> Tensor:
        """Upscale by one factor. A state is the pixels of the next factor minus 0.5: `b (c s r) h w`."""
        if last and not first:
            return ops.shuffle(x, self.s, self.r) + 0.5
        block = self.s * self.r
        if first:
            x = to_float(x) - 0.5
        pixels = x.repeat_interleave(block, dim=1) if first else x
        with torch.autocast(x.device.type, enabled=False):
            features = self.head(x) if first else self.later(mix_channels(x, self.basis))
        deep = self._deep(features, at_low=first, alone=first and last)
        with torch.autocast(x.device.type, enabled=False):
            if last:
                return ops.shuffle(pixels + mix_channels(_SCALE * self.last(deep), self.basis.T), self.s, self.r) + 0.5
            # each pixel becomes one cell of the next factor, and a block in the factor after that
            b, _, h, w = pixels.shape
            repeated = pixels.reshape(b, self.channels, 1, block, h, w).expand(-1, -1, block, -1, -1, -1).flatten(1, 3)
            return ops.shuffle(repeated + mix_channels(_SCALE * self.tail(deep), self.basis_squared.T), self.s, self.r)


def recurrent(spec: ResizeSpec, low_channels: int, options: RecurrentOptions) -> tuple[nn.Module, nn.Module]:
    """Build the encoder `b c (s h) (r w) -> b c h w` and the decoder back.

    Args:
        spec: The factors of one step. `s` and `r` must be integers, and `t` must be 1.
        low_channels: Channels of the low image.
        options: Width and number of blocks.

    Returns:
        Encoder and decoder. Their input is in [0, 1], and the encoder returns the low image itself.

    Raises:
        ResizeShapeError: `s` or `r` is a fraction, or `t` is not 1.
    """
    if spec.t != 1 or spec.s.denominator != 1 or spec.r.denominator != 1:
        raise ResizeShapeError(
            f"network 'recurrent' needs integer factors of height and width and t=1, got {spec}: use network 'wavelet'"
        )
    down = {"blocks": options.down_blocks, "alone": options.down_alone, "between": options.down_between}
    up = {"blocks": options.up_blocks, "alone": options.up_alone, "between": options.up_between}
    encoder = Encoder(spec, low_channels, **down, width=options.width)
    decoder = Decoder(spec, low_channels, **up, width=options.width)
    return encoder, decoder


def _trunk(blocks: int, width: int) -> ResidualBlocks:
    """Build residual blocks that start as the identity."""
    trunk = ResidualBlocks(blocks, width)
    for block in trunk.each():
        _zero_init(block.second)
    return trunk


def _zero_init(layer: nn.Conv2d) -> nn.Conv2d:
    """Initialize a layer to zero."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def _nested(channels: int, s: int, r: int) -> Tensor:
    """Map the channels of two consecutive unshuffles by (s, r) to those of one unshuffle by (s², r²)."""
    # channel, outer row, inner row, outer column, inner column
    order = np.arange(channels * s * r * s * r).reshape(channels, s, s, r, r)
    return torch.tensor(order.transpose(0, 2, 4, 1, 3).ravel())  # by NumPy, as in `Bands.from_spec`
