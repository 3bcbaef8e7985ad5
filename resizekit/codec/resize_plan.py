"""A resize plan: a requested size as a bicubic resize and a number of learned steps."""

from pydantic import BaseModel, ConfigDict, Field

from resizekit.errors import ResizeShapeError
from resizekit.spec import HW, LIMIT, ResizeSpec

__all__ = ["ResizePlan", "plan_resize", "size_before_steps"]


class ResizePlan(BaseModel):
    """How one size becomes another: `high -> bicubic -> intermediate_size -> learned step, times -> low`.

    The way up runs in reverse: the learned steps from low to the intermediate size, then the inverse bicubic resize.
    Bicubic comes first on the way down because resampling a small image destroys the information that the encoder has
    embedded in its pixels (benchmarks/NOTEBOOK.md).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    times: int = Field(ge=0)
    """Number of learned steps; 0: bicubic does the entire resize."""
    step: ResizeSpec
    """Factors of one learned step."""
    high: HW
    """Size of the original."""
    intermediate_size: HW | None
    """Size after the bicubic resize, before the learned steps; None: no bicubic resize, the steps take high, padded."""
    low: HW
    """Size of the small image."""

    @property
    def size_before_steps(self) -> HW:
        """Size that the first learned step takes, without padding."""
        return self.high if self.intermediate_size is None else self.intermediate_size


def plan_resize(high: HW, low: HW, step: ResizeSpec) -> ResizePlan:
    """Plan a resize with as many learned steps as fit between two sizes, and one step where less than one would fit.

    A step fits if bicubic does not have to enlarge any axis for it.  x3 becomes x3/2 by bicubic and then x2; x5.3
    becomes x5.3/4 and then x4 (paper 3.2, end). For x3/2, bicubic enlarges by 4/3 and one step shrinks by 2.

    Steps that change the channels are applied exactly once, whatever the size. Steps that enlarge an axis, or that
    shrink no axis that has to shrink, are never applied.

    Args:
        high: Size of the original.
        low: Requested size of the small image.
        step: Factors of one learned step.

    Returns:
        The plan; `intermediate_size` is None where the steps alone lead to `low`.

    Raises:
        ResizeShapeError: `low` is empty, or larger than `high` along an axis.

    Examples:
        >>> plan = plan_resize(HW(480, 640), HW(160, 214), ResizeSpec(s=2, r=2))
        >>> plan.times, plan.intermediate_size
        (1, HW(h=320, w=428))
    """
    if min(low) < 1 or any(a > b for a, b in zip(low, high, strict=True)):
        raise ResizeShapeError(
            f"invalid low size (h, w) {tuple(low)}: expected a size from (1, 1) to the high size {tuple(high)}"
        )
    factors = step.s, step.r
    shrinks = any(f > 1 and a < b for f, a, b in zip(factors, low, high, strict=True)) and min(factors) >= 1
    times = int(step.t != 1 or shrinks)
    if times and step.t == 1:
        times = max(1, _count_fitting_steps(high, low, step))
    exact = low == _size_after_steps(high, step, times)
    return ResizePlan(
        times=times,
        step=step,
        high=high,
        intermediate_size=None if exact else size_before_steps(low, step, times),
        low=low,
    )


def size_before_steps(low: HW, step: ResizeSpec, times: int) -> HW:
    """Compute the size from which `times` steps lead to `low`.

    Rounded up where a factor p/q does not give an integer.

    Examples:
        >>> size_before_steps(HW(5, 7), ResizeSpec(s=2, r="3/2"), 1)
        HW(h=10, w=11)
    """
    h, w = (
        -(-size * f.numerator**times // f.denominator**times) for size, f in zip(low, (step.s, step.r), strict=True)
    )
    return HW(h, w)


def _count_fitting_steps(high: HW, low: HW, step: ResizeSpec) -> int:
    """Count the steps that fit and still change the size; never more than a spec can express."""
    factors, times, size = (step.s, step.r), 0, high
    while all(f.numerator ** (times + 1) <= LIMIT for f in factors):
        smaller = _size_after_steps(high, step, times + 1)
        if smaller == size or any(a < b for a, b in zip(smaller, low, strict=True)):
            break
        times, size = times + 1, smaller
    return times


def _size_after_steps(high: HW, step: ResizeSpec, times: int) -> HW:
    """Compute the size that `step ** times` makes of `high`, padded to a multiple."""
    h, w = (
        -(-size // f.numerator**times) * f.denominator**times for size, f in zip(high, (step.s, step.r), strict=True)
    )
    return HW(h, w)
