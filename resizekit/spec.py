"""A resize is three exact numbers: how much higher, wider and deeper `high` is than `low`."""

import re
import reprlib
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, WithJsonSchema

from resizekit.errors import ResizeShapeError

LIMIT = 999_999
"""Largest numerator and denominator: six digits, so that a pattern in the schema says it too."""
_TEXT = r"^[1-9][0-9]{0,5}(/[1-9][0-9]{0,5})?$"


class HW(NamedTuple):
    """Height and width in pixels: the order of arrays and tensors.

    Image files, manifests and the command line say width first; convert at that border with `from_wh` and `wh`.

    Examples:
        >>> HW(480, 640).wh
        (640, 480)
        >>> HW.from_wh((640, 480))
        HW(h=480, w=640)
    """

    h: int
    """Height."""
    w: int
    """Width."""

    @classmethod
    def from_wh(cls, size: tuple[int, int]) -> "HW":
        """Convert (width, height), the order of Pillow and of manifests."""
        return cls(size[1], size[0])

    @property
    def wh(self) -> tuple[int, int]:
        """The pair (width, height), the order of Pillow and of manifests."""
        return self.w, self.h


def _exact(value: object) -> Fraction:
    if isinstance(value, str) and re.fullmatch(_TEXT, value):
        value = Fraction(value)
    if isinstance(value, bool) or not isinstance(value, int | Fraction):
        raise ValueError(f"a factor is exact: write 2 or '3/2', not {reprlib.repr(value)}")
    factor = Fraction(value)
    if factor <= 0:
        raise ValueError("a factor is positive: write 2 or '3/2', not zero or less")
    if max(factor.numerator, factor.denominator) > LIMIT:
        raise ValueError(f"a factor p/q has p and q of at most {LIMIT}: write 2 or '3/2'")
    return factor


def _plain(factor: Fraction) -> int | str:
    return factor.numerator if factor.denominator == 1 else str(factor)


_ONE: Any = 1  # a default is validated into a Fraction; the schema shows the plain number
_Given: TypeAlias = int | str | Fraction
_INTEGER = {"type": "integer", "minimum": 1, "maximum": LIMIT}
Factor = Annotated[
    Fraction,
    PlainValidator(_exact),
    PlainSerializer(_plain, return_type=int | str, when_used="json"),
    WithJsonSchema({"anyOf": [_INTEGER, {"type": "string", "pattern": _TEXT}]}),
]
"""An exact positive number: an integer, a `Fraction` or a text like `3/2`; never a float."""


class ResizeSpec(BaseModel):
    """Exact upscaling factors `(s, r, t)` of height, width and channels, from low to high.

    `b (t c) (s h) (r w)` is high, `b c h w` is low.  A spec says only what changes:
    `ResizeSpec(t=3)` folds three channels into one, `ResizeSpec(s="3/2", r="3/2")` is x1.5.
    Specs are a group: `a * b` composes, `a ** n` repeats, `a ** -1` inverts, `a ** 0` is identity.
    Factors that are not exact, not positive or absurd raise pydantic's `ValidationError`.
    Source: paper 3.3.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    s: Factor = _ONE
    """Height of high over height of low; 1 leaves it."""
    r: Factor = _ONE
    """Width of high over width of low; 1 leaves it."""
    t: Factor = _ONE
    """Channels of high over channels of low; 1 leaves them."""

    if TYPE_CHECKING:  # what the validator takes is wider than what the fields hold

        def __init__(self, *, s: _Given = 1, r: _Given = 1, t: _Given = 1) -> None: ...

    @property
    def multiple(self) -> tuple[int, int, int]:
        """What `(C, H, W)` of high must be divisible by: the numerators of `(t, s, r)`."""
        return self.t.numerator, self.s.numerator, self.r.numerator

    def low_shape(self, high: Sequence[int]) -> tuple[int, int, int]:
        """`(c, h, w)` of low for `(C, H, W)` of high; `ResizeShapeError` where it is not whole."""
        return _resized(self, "high", tuple(high))

    def high_shape(self, low: Sequence[int]) -> tuple[int, int, int]:
        """`(C, H, W)` of high for `(c, h, w)` of low; `ResizeShapeError` where it is not whole."""
        # without a spec for the way back: torch.compile cannot trace pydantic's validation
        divide, multiply = _parts(self)
        shape = tuple(low)
        if len(shape) != 3 or any(size < 1 or size % by for size, by in zip(shape, multiply, strict=True)):
            return _resized(self.inverse(), "low", shape)
        c, h, w = (size // q * p for size, q, p in zip(shape, multiply, divide, strict=True))
        return c, h, w

    def crop(self, high: Sequence[int]) -> tuple[int, int, int]:
        """Largest `(C, H, W)` inside high that divides: the upper-left crop of paper 4.1.

        Raises `ResizeShapeError` where nothing would be left.
        """
        if len(high) != 3:
            raise ResizeShapeError(f"a shape is (C, H, W), not {tuple(high)}: leave the batch out")
        c, h, w = (size - size % by for size, by in zip(high, self.multiple, strict=True))
        if min(c, h, w) < 1:
            raise ResizeShapeError(
                f"a shape (C, H, W) of {tuple(high)} is too small for '{self.describe()}': "
                f"pad it to at least {self.multiple} or take smaller factors"
            )
        return c, h, w

    def pad(self, high_hw: tuple[int, int]) -> HW:
        """Smallest `(H, W)` around high that divides; `ResizeShapeError` for an empty one."""
        (height, width), (_, s, r) = high_hw, self.multiple
        if min(high_hw) < 1:
            raise ResizeShapeError(f"a size (H, W) of {high_hw} is empty: give at least (1, 1)")
        return HW(-(-height // s) * s, -(-width // r) * r)

    def inverse(self) -> "ResizeSpec":
        """The way back: `spec * spec.inverse()` is the identity."""
        return self**-1

    def __mul__(self, other: object) -> "ResizeSpec":
        if not isinstance(other, ResizeSpec):
            return NotImplemented
        return ResizeSpec(s=self.s * other.s, r=self.r * other.r, t=self.t * other.t)

    def __pow__(self, times: int) -> "ResizeSpec":
        if not isinstance(times, int):
            return NotImplemented
        # 2**20 passes LIMIT and 1 stays 1, so a larger exponent changes nothing but the cost
        n = max(-20, min(times, 20))
        return ResizeSpec(s=self.s**n, r=self.r**n, t=self.t**n)

    def describe(self) -> str:
        """The way down in einops text: `b (3 c) (2 h) (2 w) -> b c h w`; a factor 1 is not said."""
        axes = {"c": self.t, "h": self.s, "w": self.r}
        high = " ".join(_axis(factor.numerator, name) for name, factor in axes.items())
        low = " ".join(_axis(factor.denominator, name) for name, factor in axes.items())
        return f"b {high} -> b {low}"

    @property
    def short(self) -> str:
        """How people say it: `x8` where height and width share a factor and the channels stay; else as `str`."""
        return f"x{self.s}" if self.s == self.r and self.t == 1 else str(self)

    def __str__(self) -> str:
        factors = {"s": self.s, "r": self.r, "t": self.t}
        return " ".join(f"{name}={f}" for name, f in factors.items() if f != 1) or "identity"


def _axis(factor: int, name: str) -> str:
    return name if factor == 1 else f"({factor} {name})"


def _parts(spec: ResizeSpec) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """The numerators and the denominators of (t, s, r)."""
    t, s, r = spec.t, spec.s, spec.r
    return (t.numerator, s.numerator, r.numerator), (t.denominator, s.denominator, r.denominator)


def _resized(spec: ResizeSpec, name: str, shape: tuple[int, ...]) -> tuple[int, int, int]:
    crop = spec.crop(shape)
    if crop != shape:
        raise ResizeShapeError(
            f"a {name} shape (C, H, W) of {shape} does not divide by {spec.multiple}, as "
            f"'{spec.describe()}' needs: crop it to {crop}"
        )
    c, h, w = (size // f.numerator * f.denominator for size, f in zip(crop, (spec.t, spec.s, spec.r), strict=True))
    return c, h, w
