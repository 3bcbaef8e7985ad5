"""MATLAB-style resampling: antialiased downwards, plain interpolation upwards, any exact factor.

Neither a matrix product nor a convolution is used.  Each output pixel is a sum over its own taps,
in one fixed order, with separate multiplications and additions, so its bits depend on those taps
alone: a tile gives what the whole picture gives, whatever its size or alignment.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache, partial
from operator import index
from typing import Literal, TypeVar

import torch
from torch import Tensor

from resizekit.errors import ResizeShapeError, UsageError
from resizekit.ops.quantize import LEVELS, LEVELS16

Kernel = Literal["bicubic", "lanczos"]
Border = Literal["replicate", "symmetric"]
_Index = TypeVar("_Index", int, Tensor)

_HALF_SUPPORT = {"bicubic": 2, "lanczos": 3}
_BORDERS = ("replicate", "symmetric")
_LARGEST = {torch.uint8: LEVELS, torch.uint16: LEVELS16}
# Up to so many phases: strided slices and scalar weights; beyond, a gather a tap serves them all.
_STRIDED_PHASES = 4


def resample(
    x: Tensor,
    size: tuple[int, int],
    *,
    scale: tuple[Fraction, Fraction] | None = None,
    kernel: Kernel = "bicubic",
    border: Border = "replicate",
) -> Tensor:
    """Resize a floating tensor as MATLAB's `imresize` does, differentiably and without rounding.

    Shapes: `b c h w -> b c h2 w2` with `size = (h2, w2)`; any value range.  `scale` is the
    downscaling factor (input over output) of height and width, `h / h2` and `w / w2` if not given.
    Output pixel i looks at `u = (i + 1/2) * factor - 1/2`; a factor above 1 stretches the kernel.
    The axis that shrinks most goes first, the height if equal.  Half precision is computed in
    float32 and returned in the type that came.
    Raises `ResizeShapeError` for shapes and types that do not fit, `UsageError` for unknown names.
    Source: Keys 1981 with a = -1/2 ("bicubic"); Duchon 1979 with three lobes ("lanczos").
    """
    if not x.is_floating_point():
        raise ResizeShapeError(f"resample got {x.dtype}, it takes floating values: call .float() or use resample_uint8")
    work = x if x.dtype == torch.float64 else x.float()
    return _both_axes(work, size, scale, kernel, border, lambda y: y).to(x.dtype)


def resample_uint8(
    x: Tensor,
    size: tuple[int, int],
    *,
    scale: tuple[Fraction, Fraction] | None = None,
    kernel: Kernel = "bicubic",
    border: Border = "replicate",
) -> Tensor:
    """Resize 8-bit pictures to exactly what MATLAB's `imresize` writes (bicubic, bit for bit).

    Shapes: `b c h w -> b c h2 w2`, uint8 0..255 in and out; `scale`, errors and the order of the
    axes as in `resample`.  Computed in float64, rounded half up and clamped after each of the two
    passes.  "replicate" is the border of the MATLAB versions behind the public benchmark sets.
    (MATLAB adds an epsilon to its lanczos weights, so that kernel is held to no such promise.)
    """
    if x.dtype != torch.uint8:
        raise ResizeShapeError(f"resample_uint8 got {x.dtype}, it takes uint8: use resample for floating values")
    return resample_codes(x, size, scale=scale, kernel=kernel, border=border)


def resample_codes(
    x: Tensor,
    size: tuple[int, int],
    *,
    scale: tuple[Fraction, Fraction] | None = None,
    kernel: Kernel = "bicubic",
    border: Border = "replicate",
) -> Tensor:
    """Resize pictures of 8 or 16 bits, both as `resample_uint8` does those of 8: `b c h w -> b c h2 w2`, codes both."""
    if x.dtype not in _LARGEST:
        raise ResizeShapeError(f"resample_codes got {x.dtype}, it takes uint8 and uint16: use resample for floats")
    to_codes = partial(_to_codes, levels=_LARGEST[x.dtype])
    return _both_axes(x.double(), size, scale, kernel, border, to_codes).to(x.dtype)


def reach(factor: Fraction, kernel: Kernel = "bicubic") -> int:
    """How many input pixels output pixel i can see to either side of its own.

    Its own are those that overlap `[i * factor, (i + 1) * factor)`.  Tiles need so wide a halo.
    """
    _check_names(kernel, "replicate")
    return math.ceil(_HALF_SUPPORT[kernel] * max(factor, Fraction(1)))


def taps(factor: int, kernel: Kernel = "bicubic") -> tuple[int, tuple[float, ...]]:
    """Where the taps of output pixel 0 begin and what they weigh, for a whole factor; pixel i's lie `i * factor` on.

    For code that gives the bits of `resample`: sum in this order, and leave out the taps that weigh 0.
    """
    _check_names(kernel, "replicate")
    return _first(0, factor, 1, kernel), _cached_weights(factor, 1, 1, kernel)[0]


def _to_codes(x: Tensor, levels: int) -> Tensor:
    return (x + 0.5).floor_().clamp_(0, levels)


def _check_names(kernel: str, border: str) -> None:
    if kernel not in _HALF_SUPPORT:
        raise UsageError(f"unknown kernel {kernel!r}: choose one of {', '.join(_HALF_SUPPORT)}")
    if border not in _BORDERS:
        raise UsageError(f"unknown border {border!r}: choose one of {', '.join(_BORDERS)}")


def _both_axes(
    x: Tensor,
    size: tuple[int, int],
    scale: tuple[Fraction, Fraction] | None,
    kernel: Kernel,
    border: Border,
    finish: Callable[[Tensor], Tensor],
) -> Tensor:
    _check_names(kernel, border)
    if x.dim() != 4 or min(x.shape[-2:]) < 1:
        raise ResizeShapeError(f"resample got shape {tuple(x.shape)}: reshape it to 'b c h w' with h and w at least 1")
    (h, w), (h2, w2) = x.shape[-2:], size
    if h2 < 1 or w2 < 1:
        raise ResizeShapeError(f"resample got size {h2}x{w2}: ask for at least 1x1 pixels")
    # index(), here and below, tells the compiler that an integer is a constant.
    if scale is None:
        (ph, qh), (pw, qw) = _ratio(h, h2), _ratio(w, w2)
    else:
        ph, qh, pw, qw = (index(n) for f in scale for n in (f.numerator, f.denominator))
        if ph < 1 or pw < 1:
            raise ResizeShapeError(f"resample got scale {ph}/{qh}, {pw}/{qw}: factors are above 0, 2 halves the size")
    # Both passes run over the rows of a contiguous tensor, where slices and gathers are fast.
    if pw * qh > ph * qw:
        x = finish(_rows(x.mT.contiguous(), w2, pw, qw, kernel, border))
        return finish(_rows(x.mT.contiguous(), h2, ph, qh, kernel, border))
    x = finish(_rows(x.contiguous(), h2, ph, qh, kernel, border))
    return finish(_rows(x.mT.contiguous(), w2, pw, qw, kernel, border)).mT.contiguous()


def _ratio(a: int, b: int) -> tuple[int, int]:
    a, b = index(a), index(b)
    common = math.gcd(a, b)
    return a // common, b // common


def _rows(x: Tensor, n: int, p: int, q: int, kernel: Kernel, border: Border) -> Tensor:
    """Resample along the height: `b c h w -> b c n w` with factor p/q."""
    phases = q if q <= _STRIDED_PHASES else min(index(n), q)
    weights: tuple[tuple[float, ...], ...] = _weights(p, q, phases, kernel)
    width = len(weights[0])
    if q > _STRIDED_PHASES:
        i = torch.arange(n, device=x.device)
        first = _first(i, p, q, kernel)
        table = torch.tensor(weights, dtype=x.dtype, device=x.device).index_select(0, i % q)
        total = None
        for k in range(width):
            tap = x.index_select(-2, _fold(first + k, x.shape[-2], border)).mul_(table[:, k, None])
            total = tap if total is None else total.add_(tap)
        assert total is not None
        return total
    count = -(-n // q)
    starts = [_first(f, p, q, kernel) for f in range(len(weights))]
    low, high = starts[0], starts[-1] + width + p * (count - 1)
    seen = torch.arange(low, high, device=x.device)
    padded = x.index_select(-2, _fold(seen, x.shape[-2], border))
    parts = []
    for start, row in zip(starts, weights, strict=True):
        total = None
        for k, weight in enumerate(row):
            if weight:
                begin = start - low + k
                tap = padded[..., begin : begin + p * (count - 1) + 1 : p, :] * weight
                total = tap if total is None else total.add_(tap)
        assert total is not None  # the weights of a phase sum to 1
        parts.append(total)
    return torch.stack(parts, -2).flatten(-3, -2)[..., :n, :]


def _first(i: _Index, p: int, q: int, kernel: Kernel) -> _Index:
    """The first tap of output i (of one or of a tensor of them) under factor p/q: in integers, hence exact."""
    return ((2 * i + 1) * p - q - 2 * _HALF_SUPPORT[kernel] * max(p, q)) // (2 * q) + 1


def _fold(at: Tensor, n: int, border: Border) -> Tensor:
    """Bring positions beyond the border back to 0..n-1, however far out they are."""
    if border == "replicate":
        return at.clamp(0, n - 1)
    at = at.remainder(2 * n)
    return torch.minimum(at, 2 * n - 1 - at)


def _weights(p: int, q: int, phases: int, kernel: Kernel) -> tuple[tuple[float, ...], ...]:
    # The compiler would trace into the cache and warn of it: it computes anew, once a compilation.
    compute = _new_weights if torch.compiler.is_compiling() else _cached_weights
    return compute(p, q, phases, kernel)


def _new_weights(p: int, q: int, phases: int, kernel: Kernel) -> tuple[tuple[float, ...], ...]:
    """The normalised weights of the first `phases` outputs' taps, all rows equally long."""
    value = _keys if kernel == "bicubic" else _lanczos
    half, widest = _HALF_SUPPORT[kernel], max(p, q)
    taps = -(-2 * half * widest // q)
    rows = []
    for i in range(phases):
        first = _first(i, p, q, kernel)
        centre = (2 * i + 1) * p - q
        row = [value(abs(2 * q * (first + k) - centre), 2 * widest) for k in range(taps)]
        total = sum(row)
        rows.append(tuple(weight / total for weight in row))
    return tuple(rows)


_cached_weights = lru_cache(maxsize=64)(_new_weights)


def _keys(numerator: int, denominator: int) -> float:
    d = numerator / denominator
    if d <= 1:
        return (1.5 * d - 2.5) * d * d + 1
    return ((-0.5 * d + 2.5) * d - 4) * d + 2 if d < 2 else 0.0


def _lanczos(numerator: int, denominator: int) -> float:
    if numerator % denominator == 0 or numerator > 3 * denominator:  # exactly 0, which sines miss
        return float(numerator == 0)
    d = math.pi * numerator / denominator
    return 3 * math.sin(d) * math.sin(d / 3) / (d * d)
