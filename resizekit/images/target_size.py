"""What size a small image shall have, as somebody asks for it."""

import re
import reprlib
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from pydantic import ValidationError

from resizekit.errors import UsageError
from resizekit.spec import ResizeSpec

__all__ = ["TargetSize", "check_size"]

Factor: TypeAlias = int | str | Fraction
_DIGITS = r"[1-9][0-9]{0,8}"


@dataclass(frozen=True, kw_only=True)
class TargetSize:
    """One of: an exact size, an exact factor, the most that a side may have.

    Numbers may be texts, as from a command line.  Raises `UsageError` for none or several, and for what is no size.
    """

    size: tuple[int, int] | str | None = None
    """(width, height), or `640x480`."""
    scale: Factor | tuple[Factor, Factor] | None = None
    """How many times smaller: `3`, `5/2`; (for width, for height), or `2x3/2`, where they differ.

    Sizes are rounded up.
    """
    max_side: int | str | None = None
    """The longer side has so many pixels, in proportion; a picture that is no larger stays as it is."""

    def __post_init__(self) -> None:
        said = [name for name in ("size", "scale", "max_side") if getattr(self, name) is not None]
        if len(said) != 1:
            came = f"{', '.join(said)} contradict one another" if said else "none is said"
            raise UsageError(f"how small? Say one of size, scale and max side; {came}")
        self.low((2**31, 2**31))  # what is no size at all is refused here, before any picture is read

    def low(self, high: tuple[int, int]) -> tuple[int, int]:
        """Give (height, width) of the small image for those of an original; `UsageError` where it cannot be."""
        h, w = high
        if self.size is not None:
            width, height = self._size()
            if width > w or height > h:
                raise UsageError(
                    f"size {width}x{height} is larger than the picture of {w}x{h}, which is to become smaller: "
                    "say a size inside it"
                )
            return height, width
        if self.max_side is not None:
            most, longer = min(self._most(), max(h, w)), max(h, w)
            h, w = (max(1, (2 * side * most + longer) // (2 * longer)) for side in (h, w))
            return h, w
        s, r = self._factors()
        for factor, side, what in ((r, w, "width"), (s, h, "height")):
            if factor > side:
                raise UsageError(
                    f"scale {factor} is too large for a {what} of {side}: the largest factor that works is {side}"
                )
        return -int(-h // s), -int(-w // r)

    def _size(self) -> tuple[int, int]:
        size = self.size
        if isinstance(size, str) and (found := re.fullmatch(f"({_DIGITS})[xX]({_DIGITS})", size)):
            return int(found[1]), int(found[2])
        if isinstance(size, tuple) and len(size) == 2 and all(type(side) is int and side > 0 for side in size):
            return size
        raise UsageError(f"size {reprlib.repr(size)}: write WIDTHxHEIGHT in pixels, as in 640x480")

    def _most(self) -> int:
        most = self.max_side
        if type(most) is int and most > 0:
            return most
        if isinstance(most, str) and re.fullmatch(_DIGITS, most):
            return int(most)
        raise UsageError(f"max side {reprlib.repr(most)}: write a number of pixels, as in 512")

    def _factors(self) -> tuple[Fraction, Fraction]:
        """Factors of height and width."""
        scale = self.scale
        if isinstance(scale, str) and "x" in scale:
            scale = tuple(scale.split("x", 1))  # type: ignore[assignment]
        both = scale if isinstance(scale, tuple) else (scale, scale)
        if len(both) != 2:
            raise UsageError(f"scale {reprlib.repr(scale)}: write one factor, or two as in 2x3/2, WIDTHxHEIGHT")
        r, s = (_factor(one) for one in both)
        return s, r


def check_size(wanted: TargetSize | None, times: int | None) -> None:
    """Refuse a number of steps beside a size, for which a plan counts them; `UsageError`."""
    if wanted is not None and times is not None:
        raise UsageError(
            "times and a wanted size (size, scale, max side) contradict one another, since the size says how many "
            "steps; say one of them"
        )


def _factor(given: object) -> Fraction:
    if isinstance(given, str) and re.fullmatch("0|-[0-9]{1,9}", given):  # for the message that fits
        given = int(given)
    try:
        factor = ResizeSpec.model_validate({"s": given}).s
    except ValidationError as error:
        hint = ""
        if re.fullmatch(r"[0-9]{1,3}\.[0-9]{1,3}", str(given)):
            exact = Fraction(str(given))
            hint = f"; {given} is {exact}" if exact else ""
        raise UsageError(f"scale: {error.errors()[0]['msg'].removeprefix('Value error, ')}{hint}") from None
    if factor < 1:
        raise UsageError(f"scale {factor}: a picture is to become smaller; write a factor of at least 1, as 3/2")
    return factor
