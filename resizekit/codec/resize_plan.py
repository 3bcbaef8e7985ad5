"""A plan: a wanted size as a small remainder that bicubic handles, and learned steps."""

from pydantic import BaseModel, ConfigDict, Field

from resizekit.errors import ResizeShapeError
from resizekit.spec import LIMIT, ResizeSpec

__all__ = ["ResizePlan", "plan_resize", "size_before_steps"]

Size = tuple[int, int]


class ResizePlan(BaseModel):
    """How one size becomes another: `high ─► bicubic ─► middle ─► step, times over ─► low`; sizes are `(h, w)`.

    The way up is the mirror: the learned steps from low to middle, then the bicubic remainder undone.  The remainder
    stands first since a small image whose pixels are resampled has lost its message (benchmarks/NOTEBOOK.md).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    times: int = Field(ge=0)
    """How often the learned step is applied; 0: nothing is learned, bicubic does everything."""
    step: ResizeSpec
    """One learned step."""
    high: Size
    """Size of the original."""
    middle: Size | None
    """What bicubic makes of high for the learned steps; None: nothing remains, they take high itself, padded."""
    low: Size
    """Size of the small image."""


def plan_resize(high: Size, low: Size, step: ResizeSpec) -> ResizePlan:
    """Take as many learned steps as fit between `(h, w)` of high and of low, and one where less than one would fit.

    x3 is 3/2 and then x2, x5.3 is 5.3/4 and then x4 (paper 3.2, end); for x3/2 high is enlarged by 4/3 and then x2.
    Steps fit as long as bicubic has to enlarge no axis for them.  A step that changes the channels is taken once,
    whatever the size; one that makes no axis smaller that is to be smaller, or an axis larger, is never taken.

    Raises `ResizeShapeError` for an empty size and for a low that is larger than high.
    """
    if min(low) < 1 or any(a > b for a, b in zip(low, high, strict=True)):
        raise ResizeShapeError(
            f"a plan goes down: low (h, w) of {low} does not lie between (1, 1) and high of {high}; give a smaller size"
        )
    factors = step.s, step.r
    helps = any(f > 1 and a < b for f, a, b in zip(factors, low, high, strict=True)) and min(factors) >= 1
    times = int(step.t != 1 or helps)
    if times and step.t == 1:
        times = max(1, _fitting(high, low, step))
    exact = low == _after(high, step, times)
    return ResizePlan(
        times=times, step=step, high=high, middle=None if exact else size_before_steps(low, step, times), low=low
    )


def size_before_steps(low: Size, step: ResizeSpec, times: int) -> Size:
    """`(h, w)` from which so many steps lead to low; rounded up where a factor p/q makes it no whole number."""
    h, w = (
        -(-size * f.numerator**times // f.denominator**times) for size, f in zip(low, (step.s, step.r), strict=True)
    )
    return h, w


def _fitting(high: Size, low: Size, step: ResizeSpec) -> int:
    """How many steps fit and make a difference; never more than one spec can say."""
    factors, times, now = (step.s, step.r), 0, high
    while all(f.numerator ** (times + 1) <= LIMIT for f in factors):
        after = _after(high, step, times + 1)
        if after == now or any(a < b for a, b in zip(after, low, strict=True)):
            break
        times, now = times + 1, after
    return times


def _after(high: Size, step: ResizeSpec, times: int) -> Size:
    """`(h, w)` of `step ** times` on the padded high."""
    h, w = (
        -(-size // f.numerator**times) * f.denominator**times for size, f in zip(high, (step.s, step.r), strict=True)
    )
    return h, w
