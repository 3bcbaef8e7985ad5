"""A plan: a wanted size as learned steps and a small remainder that bicubic handles."""

from pydantic import BaseModel, ConfigDict, Field

from resizekit.errors import ResizeShapeError
from resizekit.spec import ResizeSpec


class Plan(BaseModel):
    """How one size becomes another: `high ─► step, times over ─► middle ─► bicubic ─► low`.

    The way up is the mirror: bicubic from low to middle, then the learned steps, then a crop.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    times: int = Field(ge=0)
    """How often the learned step is applied; 0 leaves everything to bicubic."""
    step: ResizeSpec
    """One learned step."""
    middle: tuple[int, int]
    """`(h, w)` between the learned steps and bicubic; equal to low where nothing remains."""


def plan(high_hw: tuple[int, int], low_hw: tuple[int, int], step: ResizeSpec) -> Plan:
    """Take as many learned steps as fit between `(H, W)` of high and of low (paper 3.2, end).

    x3 is x2 and then 3/2, x5.3 is x4 and then 5.3/4.  A high that `step ** times` does not divide
    is padded first, so middle is rounded up.  No axis of middle is smaller than low; with whole
    factors one more step would make some axis smaller, and with a low of high's proportions bicubic
    is left less than one step.  A step that makes nothing smaller is never taken.

    Raises `ResizeShapeError` for an empty size and for a low that is larger than high.
    """
    if min(low_hw) < 1 or any(low > high for low, high in zip(low_hw, high_hw, strict=True)):
        raise ResizeShapeError(
            f"a plan goes down: low (H, W) of {low_hw} does not lie between (1, 1) and "
            f"high of {high_hw}; give a smaller size"
        )
    times, middle = 0, high_hw
    while True:
        after = _after(high_hw, step, times + 1)
        fits = all(low <= a <= m for low, a, m in zip(low_hw, after, middle, strict=True))
        if not fits or after == middle:
            return Plan(times=times, step=step, middle=middle)
        times, middle = times + 1, after


def _after(high_hw: tuple[int, int], step: ResizeSpec, times: int) -> tuple[int, int]:
    """`(h, w)` of `step ** times` on the padded high; plain integers, so no factor limit here."""
    h, w = (
        -(-size // f.numerator**times) * f.denominator**times for size, f in zip(high_hw, (step.s, step.r), strict=True)
    )
    return h, w
