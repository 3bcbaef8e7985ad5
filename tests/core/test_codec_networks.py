"""Codecs with other networks: no encoder, no residual, and networks that work on blocks."""

import numpy as np
import torch
from torch import nn

import resizekit
from resizekit import Codec, ResizeSpec, guides
from resizekit.codec.tiling import tile_alignment, tiled_down, tiled_up
from resizekit.codec.traits import Traits
from resizekit.storage.compressions import Float, Uint8


def test_codec_without_encoder_uses_the_guide_as_low() -> None:
    upsampler = nn.Upsample(scale_factor=2)
    codec = Codec(
        step=ResizeSpec(s=2, r=2),
        low_channels=3,
        encoder=None,
        decoder=upsampler,
        guide=guides.bicubic,
        compression=Uint8(),
    )
    out = codec(torch.rand(1, 3, 8, 8))
    assert torch.equal(out.low, Uint8()(out.guide))
    assert torch.equal(out.restored, upsampler(out.low))


def test_encoder_that_is_not_residual_returns_low_itself() -> None:
    half = nn.AvgPool2d(2)
    codec = Codec(
        step=ResizeSpec(s=2, r=2),
        low_channels=3,
        encoder=half,
        decoder=nn.Upsample(scale_factor=2),
        guide=guides.bicubic,
        compression=Float(),
        traits=Traits(residual=False),
    )
    high = torch.rand(1, 3, 8, 8)
    assert torch.equal(codec(high).low, half(high))


def test_tiles_align_with_the_blocks_of_both_networks() -> None:
    """Blocks of 2 and 3 cells meet at every 6th cell: at every 3rd, tiles would cut blocks of the encoder."""
    codec = tiny_blocks(encoder=2, decoder=3)
    assert tile_alignment(codec) == 6
    high = np.random.default_rng(1).integers(0, 256, (156, 180, 3), np.uint8)
    low = tiled_down(codec, high, "off")
    assert np.array_equal(tiled_down(codec, high, 66), low)
    assert np.array_equal(tiled_up(codec, low, 66), tiled_up(codec, low, "off"))


def tiny_blocks(encoder: int, decoder: int) -> Codec:
    """Build a small codec whose networks work on blocks of different sizes."""
    torch.manual_seed(0)
    network = {"name": "wavelet", "width": 4, "down_blocks": 1, "up_blocks": 1}
    codec = resizekit.build(
        "sr", network={**network, "block_size": decoder}, encoder={**network, "block_size": encoder}
    )
    with torch.no_grad():
        for parameter in codec.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return codec.eval()
