"""Which of a task's weights suit a wanted size: those whose steps leave the least for bicubic to do."""

import math

from resizekit.codec.resize_plan import ResizePlan, plan_resize
from resizekit.images.target_size import TargetSize
from resizekit.recipes.checkpoint import fitting_weights, installed_outline

__all__ = ["best_weights_for"]

_SHRUNK, _REPEATED = 3.0, 1.5
"""What bicubic's shrinking by a factor of e costs, and a step that the weights were not trained to repeat, where its
enlarging by e costs 1: measured with steps by 2 and by 4 between 3/2 and 16 (benchmarks/NOTEBOOK.md)."""


def best_weights_for(task: str, channels: int, size: tuple[int, int], wanted: TargetSize) -> str:
    """Name a task's weights for a picture of (width, height) and so many channels; of equal ones the first.

    What bicubic shrinks is lost, what it enlarges takes time alone.  Raises `UsageError` for a size that the picture
    cannot have, and `UnknownNameError` for a task without weights.
    """
    high = size[1], size[0]
    low, names = wanted.low(high), fitting_weights(task, channels)
    if len(names) == 1:
        return names[0]

    def cost(name: str) -> float:
        codec = installed_outline(name)
        return _cost(plan_resize(high, low, codec.step), codec.times)

    return min(names, key=cost)


def _cost(route: ResizePlan, trained: int) -> float:
    if not route.times:
        return math.inf
    middle = route.middle or route.high
    ways = [math.log(b / a) for a, b in zip(route.high, middle, strict=True)]
    remainder = sum(way if way > 0 else -_SHRUNK * way for way in ways) / len(ways)
    return remainder + _REPEATED * max(0, route.times - trained)
