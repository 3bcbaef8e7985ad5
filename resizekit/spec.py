"""A resize as three exact factors: height, width and channels of `high` relative to `low`."""

import re
import reprlib
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, WithJsonSchema

from resizekit.errors import ResizeShapeError

LIMIT = 999_999
"""Largest numerator and denominator: six digits, so that the pattern in the JSON schema can check it, too."""
_TEXT = r"^[1-9][0-9]{0,5}(/[1-9][0-9]{0,5})?$"


class HW(NamedTuple):
    """Height and width in pixels: the order of arrays and tensors.

    Image files, manifests and the command line use (width, height): convert with `from_wh` and `wh`.

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


def _to_json(factor: Fraction) -> int | str:
    return factor.numerator if factor.denominator == 1 else str(factor)


_ONE: Any = 1  # a default is validated into a Fraction; the schema shows the plain number
_FactorLike: TypeAlias = int | str | Fraction
_INTEGER = {"type": "integer", "minimum": 1, "maximum": LIMIT}
Factor = Annotated[
    Fraction,
    PlainValidator(_exact),
    PlainSerializer(_to_json, return_type=int | str, when_used="json"),
    WithJsonSchema({"anyOf": [_INTEGER, {"type": "string", "pattern": _TEXT}]}),
]
"""An exact positive number: an integer, a `Fraction` or a string such as "3/2", but never a float."""


class ResizeSpec(BaseModel):
    """Exact upscaling factors `(s, r, t)` of height, width and channels, from low to high.

    `b (t c) (s h) (r w)` is high, `b c h w` is low (paper 3.3). Specs combine: `a * b` composes, `a ** n` repeats,
    `a ** -1` inverts, and `a ** 0` is the identity. Factors that are not exact, not positive or too large raise
    pydantic's `ValidationError`.

    Args:
        s: Factor of the height.
        r: Factor of the width.
        t: Factor of the channels.

    Examples:
        >>> x2 = ResizeSpec(s=2, r=2)
        >>> x2 * ResizeSpec(s="3/2") == ResizeSpec(s=3, r=2)
        True
        >>> print(x2**3, "and", x2**-1)
        s=8 r=8 and s=1/2 r=1/2
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    s: Factor = _ONE
    """Height of high divided by height of low."""
    r: Factor = _ONE
    """Width of high divided by width of low."""
    t: Factor = _ONE
    """Channels of high divided by channels of low."""

    if TYPE_CHECKING:  # the validator accepts more types than the fields hold

        def __init__(self, *, s: _FactorLike = 1, r: _FactorLike = 1, t: _FactorLike = 1) -> None: ...

    @property
    def multiple(self) -> tuple[int, int, int]:
        """The numbers that must divide `(C, H, W)` of high: the numerators of `(t, s, r)`.

        Examples:
            >>> ResizeSpec(s="3/2", r=2).multiple
            (1, 3, 2)
        """
        return self.t.numerator, self.s.numerator, self.r.numerator

    def low_shape(self, high: Sequence[int]) -> tuple[int, int, int]:
        """Compute the shape of low.

        Args:
            high: `(C, H, W)` of high.

        Returns:
            `(c, h, w)` of low.

        Raises:
            ResizeShapeError: If the factors do not divide the shape; the message gives the nearest crop.

        Examples:
            >>> ResizeSpec(s=2, r=2).low_shape((3, 480, 640))
            (3, 240, 320)
        """
        return _resized(self, "high", tuple(high))

    def high_shape(self, low: Sequence[int]) -> tuple[int, int, int]:
        """Compute the shape of high.

        Args:
            low: `(c, h, w)` of low.

        Returns:
            `(C, H, W)` of high.

        Raises:
            ResizeShapeError: If a fractional factor does not divide the shape; it names the nearest crop.

        Examples:
            >>> ResizeSpec(s="3/2", r="3/2").high_shape((3, 320, 200))
            (3, 480, 300)
        """
        # without the inverse spec: torch.compile cannot trace pydantic's validation
        divide, multiply = _parts(self)
        shape = tuple(low)
        if len(shape) != 3 or any(size < 1 or size % by for size, by in zip(shape, multiply, strict=True)):
            return _resized(self.inverse(), "low", shape)
        c, h, w = (size // q * p for size, q, p in zip(shape, multiply, divide, strict=True))
        return c, h, w

    def crop(self, high: Sequence[int]) -> tuple[int, int, int]:
        """Compute the largest shape inside high that the factors divide: the upper-left crop of paper 4.1.

        Args:
            high: `(C, H, W)` of high.

        Returns:
            `(C, H, W)` after the crop.

        Raises:
            ResizeShapeError: If nothing would remain.

        Examples:
            >>> ResizeSpec(s=3, r=3).crop((3, 512, 512))
            (3, 510, 510)
        """
        if len(high) != 3:
            raise ResizeShapeError(f"invalid shape {tuple(high)}: expected (C, H, W), without the batch")
        c, h, w = (size - size % by for size, by in zip(high, self.multiple, strict=True))
        if min(c, h, w) < 1:
            raise ResizeShapeError(
                f"shape (C, H, W) = {tuple(high)} is too small for '{self.describe()}': "
                f"pad it to at least {self.multiple} or use smaller factors"
            )
        return c, h, w

    def pad(self, high_hw: tuple[int, int]) -> HW:
        """Compute the smallest size around high that the factors divide.

        Args:
            high_hw: `(H, W)` of high.

        Returns:
            `(H, W)` after padding.

        Raises:
            ResizeShapeError: If the size is empty.

        Examples:
            >>> ResizeSpec(s=3, r=3).pad((512, 512))
            HW(h=513, w=513)
        """
        (height, width), (_, s, r) = high_hw, self.multiple
        if min(high_hw) < 1:
            raise ResizeShapeError(f"size (H, W) = {high_hw} is empty: expected at least (1, 1)")
        return HW(-(-height // s) * s, -(-width // r) * r)

    def inverse(self) -> "ResizeSpec":
        """Invert the spec: `spec * spec.inverse()` is the identity.

        Examples:
            >>> print(ResizeSpec(s=2, t=3).inverse())
            s=1/2 t=1/3
        """
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
        """Write the downscaling in einops text, without factors of 1.

        Examples:
            >>> ResizeSpec(s=2, r=2, t=3).describe()
            'b (3 c) (2 h) (2 w) -> b c h w'
        """
        axes = {"c": self.t, "h": self.s, "w": self.r}
        high = " ".join(_axis(factor.numerator, name) for name, factor in axes.items())
        low = " ".join(_axis(factor.denominator, name) for name, factor in axes.items())
        return f"b {high} -> b {low}"

    @property
    def short(self) -> str:
        """The usual short name: `x8` if only height and width change, by the same factor; else as `str`.

        Examples:
            >>> ResizeSpec(s=8, r=8).short, ResizeSpec(s=8).short
            ('x8', 's=8')
        """
        return f"x{self.s}" if self.s == self.r and self.t == 1 else str(self)

    def __str__(self) -> str:
        factors = {"s": self.s, "r": self.r, "t": self.t}
        return " ".join(f"{name}={f}" for name, f in factors.items() if f != 1) or "identity"


def _axis(factor: int, name: str) -> str:
    return name if factor == 1 else f"({factor} {name})"


def _parts(spec: ResizeSpec) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return the numerators and the denominators of (t, s, r)."""
    t, s, r = spec.t, spec.s, spec.r
    return (t.numerator, s.numerator, r.numerator), (t.denominator, s.denominator, r.denominator)


def _resized(spec: ResizeSpec, name: str, shape: tuple[int, ...]) -> tuple[int, int, int]:
    crop = spec.crop(shape)
    if crop != shape:
        raise ResizeShapeError(
            f"{name} shape (C, H, W) = {shape} is not a multiple of {spec.multiple}, which "
            f"'{spec.describe()}' needs: crop it to {crop}"
        )
    c, h, w = (size // f.numerator * f.denominator for size, f in zip(crop, (spec.t, spec.s, spec.r), strict=True))
    return c, h, w
