"""The network `wavelet`: a residual encoder and decoder whose convolutions all run at low resolution.

    encoder: bands of high ─► head ─► blocks ─► (+ head) ─► tail ─► low, to be added to the guide
    decoder: low ─► head ─► blocks ─► (+ head) ─► tail ─► bands ─► pixels, added to a plain enlargement of low

Both tails are initialized to zero, so the pair starts as the guide and a plain enlargement, and learns the difference.
The last convolution of every block is initialized to zero too. You can therefore initialize a deep pair with the
weights of a shallower one: the additional blocks change nothing at first.
"""

import torch
import torch.nn.functional as F
from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from torch import Tensor, nn

from resizekit import ResizeSpec
from resizekit.nn import LowResolutionNet, ResidualBlocks
from resizekit.nn.blocks import conv
from resizekit.nn.derived import derived
from resizekit_sr.bands import Bands, mix_channels

__all__ = ["WaveletNet", "WaveletOptions", "wavelet"]

_TAIL_SCALE = 0.1
"""Factor of the tail's output. It makes updates of the tail a tenth as large, which stabilizes high learning rates."""


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
        description="side of the blocks that the network works on, in units of the factors; 2 costs a quarter",
    )
    adds_average: bool = Field(
        False, description="the encoder adds the mean of each block to its output: for tasks with residual=False"
    )


class WaveletNet(LowResolutionNet):
    """An encoder or a decoder: `b i (down_s h) (down_r w) -> b o (up_s h) (up_r w)`.

    Under autocast the head runs in full precision, because half precision would round the pixel values. In training
    mode, the tail does too.

    Args:
        input_matrix: From unshuffled pixels to the input of the head.
        output_matrix: From the output of the tail to unshuffled pixels.
        skip_matrix: From unshuffled pixels to the values that are added to the output. None: nothing is added.
        blocks: Number of residual blocks.
        width: Channels of every feature map.
        down: Factors of height and width that the input is unshuffled by.
        up: Factors of height and width that the output is shuffled by.
        block_size: Multiplies `down` and `up`.
    """

    input_matrix: Tensor
    output_matrix: Tensor
    skip_matrix: Tensor | None

    def __init__(
        self,
        input_matrix: Tensor,
        output_matrix: Tensor,
        skip_matrix: Tensor | None,
        *,
        blocks: int,
        width: int,
        down: tuple[int, int],
        up: tuple[int, int],
        block_size: int = 1,
    ) -> None:
        super().__init__(down=down, up=up, shift=-0.5, block_size=block_size)
        self.head = conv(input_matrix.shape[0], width)
        self.blocks = ResidualBlocks(blocks, width)
        self.tail = conv(width, output_matrix.shape[1])
        for end in (self.tail, *(block.second for block in self.blocks.each())):
            for parameter in end.parameters():
                nn.init.zeros_(parameter)
        # computed from the spec, so not saved with the weights
        self.register_buffer("input_matrix", input_matrix, persistent=False)
        self.register_buffer("output_matrix", output_matrix, persistent=False)
        self.register_buffer("skip_matrix", skip_matrix, persistent=False)

    def forward_low_resolution(self, x: Tensor) -> Tensor:
        """Run the network on unshuffled pixels."""
        half = torch.is_autocast_enabled(x.device.type) and not self.training
        if half and self.head.weight.dtype != torch.float64:  # autocast does not convert float64
            return self._forward_half(x)
        with torch.autocast(x.device.type, enabled=False):
            features = self.head(mix_channels(x, self.input_matrix))
        deep = features + self.blocks(features).to(features.dtype)
        with torch.autocast(x.device.type, enabled=False):
            residual = mix_channels(_TAIL_SCALE * self.tail(deep), self.output_matrix)
        if self.skip_matrix is None:
            return residual
        return residual + mix_channels(x, self.skip_matrix) - self.shift

    # The methods below save passes over memory, but round in another order. So float32, whose bits must not change, and
    # training do not use them.

    def _forward_half(self, x: Tensor) -> Tensor:
        """Run the network with the layers between head and sum in the dtype of autocast."""
        dtype = torch.get_autocast_dtype(x.device.type)
        with torch.autocast(x.device.type, enabled=False):
            features = self._folded_head(x).to(dtype)
        deep = features + self.blocks(features)
        with torch.autocast(x.device.type, enabled=False):
            residual = self._folded_tail(deep)
            skip = self.skip_matrix
            if skip is None:
                return residual.to(x.dtype)
            shift = derived(self.tail, "shift", lambda: skip.new_full((skip.shape[0],), -self.shift))
            return F.linear(x.permute(0, 2, 3, 1).to(skip.dtype), skip, shift).permute(0, 3, 1, 2) + residual

    def _folded_head(self, x: Tensor) -> Tensor:
        """Run the head as one convolution, with the input matrix in its weights."""
        weight = derived(
            self.head, "folded", lambda: torch.einsum("okyx,ki->oiyx", self.head.weight, self.input_matrix)
        )
        return F.conv2d(x.to(weight.dtype), weight, self.head.bias, padding=1)

    def _folded_tail(self, deep: Tensor) -> Tensor:
        """Run the tail as one convolution, with the output matrix and the scale in its weights."""

        def fold() -> tuple[Tensor, Tensor]:
            assert self.tail.bias is not None
            matrix = _TAIL_SCALE * self.output_matrix
            weight = torch.einsum("pk,kiyx->piyx", matrix, self.tail.weight)
            return weight.to(deep.dtype), (matrix @ self.tail.bias).to(deep.dtype)

        return F.conv2d(deep, *derived(self.tail, f"folded {deep.dtype}", fold), padding=1)


def wavelet(spec: ResizeSpec, low_channels: int, options: WaveletOptions) -> tuple[nn.Module, nn.Module]:
    """Build the encoder `b (t c) (s h) (r w) -> b c h w` and the decoder back.

    Args:
        spec: The factors of one step.
        low_channels: Channels of the low image.
        options: Width, depth and block size. With `adds_average` the encoder returns the low image itself. Otherwise
            its output is added to the guide.

    Returns:
        Encoder and decoder. Their input is in [0, 1].

    Raises:
        ResizeShapeError: `t * low_channels` is not an integer.
    """
    bands = Bands.from_spec(spec, low_channels, options.block_size)
    high, low = (spec.s.numerator, spec.r.numerator), (spec.s.denominator, spec.r.denominator)
    encoder = WaveletNet(
        bands.high_basis,
        bands.low_basis.T,
        bands.shrink if options.adds_average else None,
        blocks=options.down_blocks,
        width=options.width,
        down=high,
        up=low,
        block_size=options.block_size,
    )
    decoder = WaveletNet(
        bands.low_basis,
        bands.high_basis.T,
        bands.grow,
        blocks=options.up_blocks,
        width=options.width,
        down=low,
        up=high,
        block_size=options.block_size,
    )
    return encoder, decoder
