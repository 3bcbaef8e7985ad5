"""Set the precision of a codec. For "int8", its decoder runs once on a drawn picture, to record its ranges.

The encoder does not compute with 8 bits, since its errors would be stored: 0.3 to 1 dB (benchmarks/NOTEBOOK.md).
"""

import numpy as np
import numpy.typing as npt
import torch

from resizekit.codec.padded_sizes import padded_sizes_for
from resizekit.codec.pair import NetworkPair
from resizekit.codec.precision import prepare_precision
from resizekit.nn.int8 import recording
from resizekit.spec import HW
from resizekit.system.precisions import Precision

__all__ = ["dead_leaves", "set_precision"]

_SIDE = 128
_DISKS = 1000


def set_precision(codec: NetworkPair, precision: Precision) -> None:
    """Set the precision in which a codec runs its networks.

    Args:
        codec: The codec, with its final weights.
        precision: The precision; "int8" takes the time of a picture of 128x128.
    """
    codec.precision = precision
    prepare_precision(precision, codec.device)
    if precision != "int8":
        return
    high = padded_sizes_for(codec.spec, HW(_SIDE, _SIDE)).high
    picture = torch.from_numpy(dead_leaves(high, codec.channels))[None].to(codec.device)
    with torch.no_grad():
        low = codec.compress(codec.encode(picture))
        with recording():
            codec.decode(low)


def dead_leaves(size: HW, channels: int) -> npt.NDArray[np.float32]:
    """Draw overlapping disks, whose edges and contrasts are distributed as in photographs (dead leaves model).

    The picture is always the same, so all machines record the same ranges.

    Args:
        size: Height and width.
        channels: Number of channels; each disk has a random value in each.

    Returns:
        `c h w` in [0, 1].

    Examples:
        >>> dead_leaves(HW(4, 5), 3).shape
        (3, 4, 5)
    """
    draw = np.random.default_rng(0)
    y, x = np.ogrid[: size.h, : size.w]
    picture = np.full((channels, *size), 0.5, np.float32)
    # radii with the density r^-3, from 1 to half the side: as many edges at every scale
    radii = 1 / np.sqrt(draw.uniform((2 / max(*size, 3)) ** 2, 1, _DISKS))
    for radius in radii:
        inside = (y - draw.uniform(0, size.h)) ** 2 + (x - draw.uniform(0, size.w)) ** 2 < radius**2
        picture[:, inside] = draw.uniform(0, 1, (channels, 1))
    return picture
