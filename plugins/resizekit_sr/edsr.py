"""The network `edsr`: a decoder without an encoder, after *Enhanced Deep Residual Networks* (Lim et al., 2017).

It is the decoder of the paper's own network with a deeper trunk: 16 residual blocks (EDSR-baseline) instead of 3.
For a factor of 4 it upscales by 4 in one sub-pixel layer. The original network upscales by 2 twice.
"""

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from resizekit import ResizeSpec
from resizekit.nn import TadOptions, tad_decoder

__all__ = ["EdsrOptions", "edsr"]


class EdsrOptions(BaseModel):
    """Options of the network `edsr`.

    The defaults are EDSR-baseline. The large EDSR has width = 256, blocks = 32 and scale = 0.1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    width: int = Field(64, ge=1, le=1024, description="channels of every feature map")
    blocks: int = Field(16, ge=0, le=256, description="residual blocks")
    scale: float = Field(1.0, gt=0, le=1, description="factor applied to the output of each block before it is added")


def edsr(spec: ResizeSpec, low_channels: int, options: EdsrOptions) -> tuple[None, nn.Module]:
    """Build the decoder `b c h w -> b (t c) (s h) (r w)`.

    Args:
        spec: The factors of one step.
        low_channels: Channels of the low image.
        options: Width, depth and residual scale.

    Returns:
        None for the missing encoder, and the decoder. Its input is in [0, 1].

    Raises:
        ResizeShapeError: `t * low_channels` is not an integer.
    """
    trunk = TadOptions(width=options.width, blocks=options.blocks)
    return None, tad_decoder(spec, low_channels, trunk, scale=options.scale)
