"""The network `wavelet`: a residual pair around a fixed carrier, all of its convolutions on the small grid.

    encoder: bands of high ─► head ─► blocks ─► (+ head) ─► tail ─► low, to be added to the guide
    decoder: low ─► head ─► blocks ─► (+ head) ─► tail ─► bands ─► pixels, added to low grown by its bands

Both tails start at zero: the pair starts as guide down and plain growing up, and learns only what these leave out.  So
does the end of every block: a block more changes nothing at first, and a deeper pair can begin with a shallower one.
"""

import torch
from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from torch import Tensor, nn

from resizekit import ResizeSpec
from resizekit.nn import LowResolutionNet, ResidualBlock
from resizekit.nn.blocks import conv
from resizekit_sr.bands import Bands, change

__all__ = ["WaveletOptions", "wavelet"]

_SCALE = 0.1
"""What the tail's output is multiplied by: its steps are a tenth as large, which keeps a fast start quiet."""


class WaveletOptions(BaseModel):
    """Options of the network `wavelet`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(64, ge=1, le=1024, description="channels of every feature map")
    down_blocks: int = Field(4, ge=0, le=256, description="residual blocks of the encoder")
    up_blocks: int = Field(6, ge=0, le=256, description="residual blocks of the decoder")
    block_size: int = Field(
        1,
        ge=1,
        le=4,
        validation_alias=AliasChoices("block_size", "squeeze"),  # headers of older weights say "squeeze"
        description="unshuffle blocks of this many times the factors: 2 makes the convolutions four times cheaper",
    )
    adds_average: bool = Field(
        False, description="the encoder adds the mean of each block itself: for tasks without residual"
    )


class Side(LowResolutionNet):
    """One side of a pair, `b i (down_s h) (down_r w) -> b o (up_s h) (up_r w)`; input in [0, 1], or uint8 codes.

    `taken` turns unshuffled pixels into what the head meets, `given` what the tail makes into unshuffled pixels; what
    `carried` makes of the input is added at the end.  Under autocast only the blocks run in half precision.
    """

    taken: Tensor
    given: Tensor
    carried: Tensor | None

    def __init__(
        self,
        taken: Tensor,
        given: Tensor,
        carried: Tensor | None,
        *,
        blocks: int,
        width: int,
        down: tuple[int, int],
        up: tuple[int, int],
        block_size: int = 1,
    ) -> None:
        super().__init__(down=down, up=up, shift=-0.5, block_size=block_size)
        self.head = conv(taken.shape[0], width)
        trunk = [ResidualBlock(width) for _ in range(blocks)]
        self.blocks = nn.Sequential(*trunk)
        self.tail = conv(width, given.shape[1])
        for end in (self.tail, *(block.second for block in trunk)):
            for parameter in end.parameters():
                nn.init.zeros_(parameter)
        # fixed by the spec, so no part of the weights
        self.register_buffer("taken", taken, persistent=False)
        self.register_buffer("given", given, persistent=False)
        self.register_buffer("carried", carried, persistent=False)

    def forward_low_resolution(self, x: Tensor) -> Tensor:
        """Run the network on unshuffled pixels."""
        device = x.device.type
        with torch.autocast(device, enabled=False):
            features = self.head(change(x, self.taken))
        deep = (features + self.blocks(features)).to(features.dtype)
        with torch.autocast(device, enabled=False):
            made = change(_SCALE * self.tail(deep), self.given)
            return made if self.carried is None else made + change(x, self.carried) - self.shift


def wavelet(spec: ResizeSpec, low_channels: int, options: WaveletOptions) -> tuple[nn.Module, nn.Module]:
    """Build the pair: `b (t c) (s h) (r w) -> b c h w` and back, input in [0, 1].

    The encoder's output is meant to be added to the guide, or is low itself with `adds_average`.  With `block_size` the blocks
    are larger than the factors ask, and the convolutions fewer: 2 makes them four times cheaper a pixel.
    """
    bands = Bands.of(spec, low_channels, options.block_size)
    high, low = (spec.s.numerator, spec.r.numerator), (spec.s.denominator, spec.r.denominator)
    encoder = Side(
        bands.high,
        bands.low.T,
        bands.shrink if options.adds_average else None,
        blocks=options.down_blocks,
        width=options.width,
        down=high,
        up=low,
        block_size=options.block_size,
    )
    decoder = Side(
        bands.low,
        bands.high.T,
        bands.grow,
        blocks=options.up_blocks,
        width=options.width,
        down=low,
        up=high,
        block_size=options.block_size,
    )
    return encoder, decoder
