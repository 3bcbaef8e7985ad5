"""The requested size of a small image."""

import re
import reprlib
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from pydantic import ValidationError

from resizekit.errors import UsageError
from resizekit.spec import HW, ResizeSpec

__all__ = ["TargetSize"]

Factor: TypeAlias = int | float | str | Fraction
_DIGITS = r"[1-9][0-9]{0,8}"
_DECIMAL = r"[0-9]{1,3}\.[0-9]{1,3}"


@dataclass(frozen=True, kw_only=True)
class TargetSize:
    """The requested size of a small image: exactly one of `size`, `scale`, `max_side` and `times`.

    Sizes and factors may be texts, as on the command line.

    Raises:
        UsageError: None or several of the fields are set, or the value is invalid.

    Examples:
        >>> TargetSize(size="320x200").low(HW(480, 640))
        HW(h=200, w=320)
        >>> TargetSize(scale="5/2").low(HW(480, 640))
        HW(h=192, w=256)
        >>> TargetSize(max_side=512).low(HW(480, 640))
        HW(h=384, w=512)
    """

    size: tuple[int, int] | str | None = None
    """Exact size, (width, height) or `640x480`."""
    scale: Factor | tuple[Factor, Factor] | None = None
    """Exact factor of reduction: `3`, `5/2`, `2.5`, or one for the width and one for the height: `2x3/2`.

    Sizes are rounded up.
    """
    max_side: int | str | None = None
    """Maximum of width and height in pixels; the proportions stay. A smaller picture keeps its size."""
    times: int | None = None
    """Number of learned steps: `times=3` with weights that halve each side gives x8."""

    def __post_init__(self) -> None:
        fields = [name for name in ("size", "scale", "max_side", "times") if getattr(self, name) is not None]
        if len(fields) != 1:
            problem = f"{', '.join(fields)} contradict one another" if fields else "none of them is set"
            raise UsageError(f"invalid target size, {problem}: set exactly one of size, scale, max_side, times")
        if self.times is not None:
            if type(self.times) is not int or self.times < 1:
                raise UsageError(f"invalid times {reprlib.repr(self.times)}: expected an integer of at least 1")
            return
        self.low(HW(2**31, 2**31))  # refuse an invalid value before any picture is read

    def low(self, high: HW) -> HW:
        """Compute the size of the small image.

        Args:
            high: Size of the original.

        Raises:
            UsageError: The original cannot have such a small image, or the target is a number of steps, whose size
                depends on the weights.
        """
        if self.size is not None:
            low = self.exact_size()
            if low.w > high.w or low.h > high.h:
                raise UsageError(
                    f"size {low.w}x{low.h} is larger than the picture of {high.w}x{high.h}: "
                    "give a size inside the picture"
                )
            return low
        if self.max_side is not None:
            longer = max(high)
            maximum = min(self._maximum(), longer)
            h, w = (max(1, (2 * side * maximum + longer) // (2 * longer)) for side in high)
            return HW(h, w)
        if self.scale is None:
            raise UsageError(f"times={self.times} counts steps, so the size depends on the weights")
        s, r = self._factors()
        for factor, side, axis in ((r, high.w, "width"), (s, high.h, "height")):
            if factor > side:
                raise UsageError(
                    f"scale {factor} is too large for a {axis} of {side}: the largest factor that works is {side}"
                )
        return HW(-int(-high.h // s), -int(-high.w // r))

    def exact_size(self) -> HW:
        """Return `size` as height and width; raises `UsageError` if it is invalid."""
        size = self.size
        if isinstance(size, str) and (match := re.fullmatch(f"({_DIGITS})[xX]({_DIGITS})", size)):
            return HW.from_wh((int(match[1]), int(match[2])))
        if isinstance(size, tuple) and len(size) == 2 and all(type(side) is int and side > 0 for side in size):
            return HW.from_wh(size)
        raise UsageError(f"invalid size {reprlib.repr(size)}: expected WIDTHxHEIGHT in pixels, such as 640x480")

    def _maximum(self) -> int:
        maximum = self.max_side
        if type(maximum) is int and maximum > 0:
            return maximum
        if isinstance(maximum, str) and re.fullmatch(_DIGITS, maximum):
            return int(maximum)
        raise UsageError(f"invalid max side {reprlib.repr(maximum)}: expected a number of pixels, such as 512")

    def _factors(self) -> tuple[Fraction, Fraction]:
        """Parse the factors of height and width."""
        scale = self.scale
        if isinstance(scale, str) and "x" in scale:
            scale = tuple(scale.split("x", 1))  # type: ignore[assignment]
        pair = scale if isinstance(scale, tuple) else (scale, scale)
        if len(pair) != 2:
            raise UsageError(
                f"invalid scale {reprlib.repr(scale)}: expected one factor, or two as in 2x3/2, WIDTHxHEIGHT"
            )
        r, s = (_parse_factor(factor) for factor in pair)
        return s, r


def _parse_factor(value: object) -> Fraction:
    if isinstance(value, str) and re.fullmatch("0|-[0-9]{1,9}", value):  # an integer gets the better error message
        value = int(value)
    if isinstance(value, str | float) and re.fullmatch(_DECIMAL, str(value)):
        value = Fraction(str(value))  # a decimal number is exact, unlike the float that is closest to it
    try:
        factor = ResizeSpec.model_validate({"s": value}).s
    except ValidationError as error:
        raise UsageError(f"invalid scale: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
    if factor < 1:
        raise UsageError(f"invalid scale {factor}: expected a factor of at least 1, such as 3/2")
    return factor
