"""What a codec costs: multiply-adds for each pixel of the high picture, counted while it runs."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from resizekit.codec import Codec

__all__ = ["multiply_adds"]


def multiply_adds(codec: Codec, *, cells: int = 4) -> tuple[float, float]:
    """Count the multiply-adds a pixel of `high` on the way down and on the way up, guide and rounding left out.

    Counted are convolutions and matrix products, on pictures of `cells` and of twice as many times the factors a side.
    What the larger one costs more is told: what is done once a call, as the merging of `tad`'s kernels, is no part.
    """
    small, large = _counted(codec, cells), _counted(codec, 2 * cells)
    more = 3 * cells**2 * codec.spec.s.numerator * codec.spec.r.numerator
    return (large[0] - small[0]) / more, (large[1] - small[1]) / more


def _counted(codec: Codec, cells: int) -> tuple[float, float]:
    step, device = codec.spec, codec.device
    high = torch.zeros(1, codec.channels, cells * step.s.numerator, cells * step.r.numerator, device=device)
    low = torch.zeros(1, *step.low_shape(high.shape[1:]), device=device)
    counted = []
    with torch.no_grad():
        for way, x in ((codec.encode, high), (codec.decode, low)):
            counter = FlopCounterMode(display=False)
            with counter:
                way(x)
            counted.append(counter.get_total_flops() / 2)
    return counted[0], counted[1]
