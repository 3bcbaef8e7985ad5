"""Measure the receptive field of a network. No declaration is needed, so the result is also correct for plugins."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.overrides import BaseTorchFunctionMode

from resizekit.errors import ResizeShapeError

__all__ = ["receptive_field"]

_LARGEST = 512
"""Side in cells of the largest probe."""


@torch.no_grad()
def receptive_field(run: Callable[[Tensor], Tensor], channels: int, cell: tuple[int, int], out: tuple[int, int]) -> int:
    """Measure how many cells to each side an output of a network can depend on.

    One cell of the input is NaN, and NaN survives every convolution, sum and ReLU: the cells of the output that become
    NaN depend on it.

    Args:
        run: The network: `b c h w -> b c2 h2 w2`.
        channels: Channels of the input.
        cell: (height, width) of a cell in pixels of the input.
        out: (height, width) of a cell in pixels of the output.

    Raises:
        ResizeShapeError: If the network sees further than 256 cells, such as one with global attention: it cannot be
            tiled.

    Examples:
        >>> receptive_field(torch.nn.Conv2d(1, 1, 5, padding=2), 1, (1, 1), (1, 1))
        2
    """
    cells = 32
    while cells <= _LARGEST:
        middle = cells // 2
        x = torch.zeros(1, channels, cells * cell[0], cells * cell[1])
        x[
            :,
            :,
            middle * cell[0] : (middle + 1) * cell[0],
            middle * cell[1] : (middle + 1) * cell[1],
        ] = torch.nan
        with BaseTorchFunctionMode():  # fused operations do not run inside a mode: their ReLU turns NaN into 0
            seen = run(x).isnan().any(dim=1)[0].nonzero()
        if not len(seen):
            return 0
        grid = seen // torch.tensor(out)
        furthest = int((grid - middle).abs().max())
        if furthest < middle - 1:
            return furthest
        cells *= 2
    raise ResizeShapeError(
        f"this network sees further than {_LARGEST // 2} cells, so it cannot work in tiles; use tile='off'"
    )
