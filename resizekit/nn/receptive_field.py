"""How far a network looks: measured, not declared, so that it is right for every stranger's network too."""

from collections.abc import Callable

import torch
from torch import Tensor

from resizekit.errors import ResizeShapeError

__all__ = ["receptive_field"]

_LARGEST = 512


@torch.no_grad()
def receptive_field(run: Callable[[Tensor], Tensor], channels: int, cell: tuple[int, int], out: tuple[int, int]) -> int:
    """Measure how many cells to any side an output of `run` can depend on.

    A cell is `cell` = (height, width) pixels of the input and `out` pixels of the output.  One cell of the input is
    made NaN, and NaN survives every convolution, sum and ReLU: where it shows is where that cell is seen.  Raises
    `ResizeShapeError` for a network that sees everything, such as one with global attention: it cannot be tiled.
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
