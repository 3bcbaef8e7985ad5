"""The network `edsr`: a decoder alone, after *Enhanced Deep Residual Networks* (Lim et al., 2017).

It is the way up of the paper's own network with a deeper trunk: 16 residual blocks (EDSR-baseline) where that has 3.
By 4 the sub-pixel layer makes its one step of 4, where the original takes two of 2.
"""

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from resizekit import ResizeSpec
from resizekit.nn import TadOptions, tad_decoder

__all__ = ["EdsrOptions", "edsr"]


class EdsrOptions(BaseModel):
    """Options of the network `edsr`; the defaults are EDSR-baseline, EDSR is width = 256, blocks = 32, scale = 0.1."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    width: int = Field(64, ge=1, le=1024, description="channels of every feature map")
    blocks: int = Field(16, ge=0, le=256, description="residual blocks")
    scale: float = Field(1.0, gt=0, le=1, description="what each block's own part is multiplied by")


def edsr(spec: ResizeSpec, low_channels: int, options: EdsrOptions) -> tuple[None, nn.Module]:
    """Build the decoder: `b c h w -> b (t c) (s h) (r w)`, input in [0, 1]; there is no encoder."""
    plain = TadOptions(width=options.width, blocks=options.blocks)
    return None, tad_decoder(spec, low_channels, plain, scale=options.scale)
