"""Count the multiply-adds of a codec per pixel of the high-resolution picture."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from resizekit.codec import Codec

__all__ = ["multiply_adds"]


def multiply_adds(codec: Codec, *, cells: int = 4) -> tuple[float, float]:
    """Count the multiply-adds per pixel of high, for the encoder and for the decoder.

    Only convolutions and matrix products count; the guide and the rounding do not. The codec runs on two pictures
    of different size, and only the difference counts. This removes work that happens once per call, such as the
    kernel merging of the `tad` network.

    Args:
        codec: The codec to run.
        cells: Side of the smaller picture, in units of the factors. The larger one has twice the side.

    Returns:
        (encoder, decoder), in multiply-adds per pixel.
    """
    small, large = _count(codec, cells), _count(codec, 2 * cells)
    extra_pixels = 3 * cells**2 * codec.spec.s.numerator * codec.spec.r.numerator
    return (large[0] - small[0]) / extra_pixels, (large[1] - small[1]) / extra_pixels


def _count(codec: Codec, cells: int) -> tuple[float, float]:
    spec, device = codec.spec, codec.device
    high = torch.zeros(1, codec.channels, cells * spec.s.numerator, cells * spec.r.numerator, device=device)
    low = torch.zeros(1, *spec.low_shape(high.shape[1:]), device=device)
    counts = []
    with torch.no_grad():
        for network, x in ((codec.encode, high), (codec.decode, low)):
            network(x)  # what is computed once for given weights, and then kept, must not count in one size only
            counter = FlopCounterMode(display=False)
            with counter:
                network(x)
            counts.append(counter.get_total_flops() / 2)
    return counts[0], counts[1]
