"""What a codec costs: multiply-adds for each pixel of the high picture, counted while it runs."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from resizekit.codec import Codec

__all__ = ["multiply_adds"]


def multiply_adds(codec: Codec, *, cells: int = 128) -> tuple[float, float]:
    """Count the multiply-adds a pixel of `high` on the way down and on the way up, guide and rounding left out.

    Counted are convolutions and matrix products, on a picture of `cells` times the factors a side: large enough to let
    vanish what is done once a call, as the merging of `tad`'s kernels.
    """
    step = codec.spec
    sides = cells * step.s.numerator, cells * step.r.numerator
    device = codec.device
    high = torch.zeros(1, codec.channels, *sides, device=device)
    low = torch.zeros(1, *step.low_shape(high.shape[1:]), device=device)
    counted = []
    with torch.no_grad():
        for way, x in ((codec.encode, high), (codec.decode, low)):
            counter = FlopCounterMode(display=False)
            with counter:
                way(x)
            counted.append(counter.get_total_flops() / 2 / (sides[0] * sides[1]))
    return counted[0], counted[1]
