"""Resampling as in MATLAB: antialiased when it shrinks, interpolation when it enlarges, any exact factor.

Each output pixel is a sum over its own taps in a fixed order, with separate multiplications and additions. Its bits
depend on these taps only, so a tile is bit-equal to the same part of the entire image, whatever its size or alignment.
A matrix product or a convolution would not guarantee that.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from operator import index
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from resizekit.errors import ResizeShapeError, UsageError
from resizekit.ops.quantize import LEVELS, LEVELS16
from resizekit.ops.resample_weights import (
    BLOCK,
    HALF_SUPPORT,
    Kernel,
    first_tap,
    row_blocks,
    tap_count,
    weights,
)

__all__ = ["Border", "Kernel", "reach", "resample", "resample_codes", "resample_uint8", "taps"]

Border = Literal["replicate", "symmetric"]

_BORDERS = ("replicate", "symmetric")
_LARGEST = {torch.uint8: LEVELS, torch.uint16: LEVELS16}
# Up to this number of phases: strided slices and scalar weights. With more phases: one gather for each tap.
_STRIDED_PHASES = 4
# A loop over taps is slow if there are more taps than the first number, and fewer values per tap than the second.
_MANY_TAPS, _FEW_VALUES = 64, 4096
_MAX_TERM = 2**31
"""Largest numerator and denominator of a factor: positions of taps are then exact in 64 bits."""


def resample(
    x: Tensor,
    size: tuple[int, int],
    *,
    scale: tuple[Fraction, Fraction] | None = None,
    kernel: Kernel = "bicubic",
    border: Border = "replicate",
) -> Tensor:
    """Resize a floating tensor as MATLAB's `imresize` does, differentiably and without rounding.

    Output pixel i is centered at `u = (i + 1/2) * factor - 1/2` of the input; a factor above 1 stretches the kernel.
    The axis with the larger factor is resampled first, the height if they are equal. Half precision is computed in
    float32.

    Args:
        x: Floating tensor `b c h w` with any value range.
        size: Size of the output, `(h2, w2)`.
        scale: Downscaling factors (input over output) of height and width; by default `h / h2` and `w / w2`.
        kernel: "bicubic" (Keys 1981 with a = -1/2) or "lanczos" (Duchon 1979 with three lobes).
        border: Values outside the image: "replicate" repeats the border pixels, "symmetric" reflects the image.

    Returns:
        `b c h2 w2` in the dtype of `x`.

    Raises:
        ResizeShapeError: The shape, the dtype, the size or the scale is invalid.
        UsageError: `kernel` or `border` is unknown.

    >>> resample(torch.tensor([[[[0.0, 256.0, 256.0, 0.0]]]]), (1, 2)).tolist()
    [[[[140.0, 140.0]]]]
    """
    if not x.is_floating_point():
        raise ResizeShapeError(f"resample got {x.dtype}, expected floating values: call .float() or use resample_uint8")
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
    """Resize 8-bit images to exactly what MATLAB's `imresize` writes (bicubic, bit for bit).

    The computation is in float64; each of the two passes rounds half up and clamps. "replicate" is the border of the
    MATLAB versions that wrote the public benchmark sets. "lanczos" does not match MATLAB, which adds an epsilon to its
    weights.

    Args:
        x: uint8 tensor `b c h w`.
        size: Size of the output, `(h2, w2)`.
        scale: Downscaling factors of height and width, as in `resample`.
        kernel: "bicubic" or "lanczos".
        border: "replicate" or "symmetric".

    Returns:
        uint8 tensor `b c h2 w2`.

    Raises:
        ResizeShapeError: The shape, the dtype, the size or the scale is invalid.
        UsageError: `kernel` or `border` is unknown.

    >>> resample_uint8(torch.tensor([[[[0, 255, 255, 0]]]], dtype=torch.uint8), (1, 2)).tolist()
    [[[[139, 139]]]]
    """
    if x.dtype != torch.uint8:
        raise ResizeShapeError(f"resample_uint8 got {x.dtype}, expected uint8: use resample for floating values")
    return resample_codes(x, size, scale=scale, kernel=kernel, border=border)


def resample_codes(
    x: Tensor,
    size: tuple[int, int],
    *,
    scale: tuple[Fraction, Fraction] | None = None,
    kernel: Kernel = "bicubic",
    border: Border = "replicate",
) -> Tensor:
    """Resize images of 8 or 16 bits as `resample_uint8` does: `b c h w -> b c h2 w2`.

    Args:
        x: uint8 or uint16 tensor `b c h w`.
        size: Size of the output, `(h2, w2)`.
        scale: Downscaling factors of height and width, as in `resample`.
        kernel: "bicubic" or "lanczos".
        border: "replicate" or "symmetric".

    Returns:
        `b c h2 w2` in the dtype of `x`.

    Raises:
        ResizeShapeError: The shape, the dtype, the size or the scale is invalid.
        UsageError: `kernel` or `border` is unknown.

    >>> resample_codes(torch.tensor([[[[0, 65535, 65535, 0]]]], dtype=torch.uint16), (1, 2)).tolist()
    [[[[35839, 35839]]]]
    """
    if x.dtype not in _LARGEST:
        raise ResizeShapeError(f"resample_codes got {x.dtype}, expected uint8 or uint16: use resample for floats")
    to_codes = partial(_to_codes, levels=_LARGEST[x.dtype])
    return _both_axes(x.double(), size, scale, kernel, border, to_codes).to(x.dtype)


def reach(factor: Fraction, kernel: Kernel = "bicubic") -> int:
    """Return how many input pixels an output pixel depends on, to each side of its own: the halo that tiles need.

    The own pixels of output pixel i are those that overlap `[i * factor, (i + 1) * factor)`.

    Args:
        factor: Downscaling factor, input over output.
        kernel: "bicubic" or "lanczos".

    Returns:
        The halo in input pixels.

    Raises:
        UsageError: `kernel` is unknown.

    >>> reach(Fraction(2))
    4
    """
    _check_names(kernel, "replicate")
    return math.ceil(HALF_SUPPORT[kernel] * max(factor, Fraction(1)))


def taps(factor: int, kernel: Kernel = "bicubic") -> tuple[int, tuple[float, ...]]:
    """Return the first tap of output pixel 0 and all its weights, for an integer factor.

    The taps of pixel i start `i * factor` later. Code that sums in this order without the taps of weight 0 gives the
    same bits as `resample`.

    Args:
        factor: Downscaling factor.
        kernel: "bicubic" or "lanczos".

    Returns:
        The position of the first tap, and the weights.

    Raises:
        UsageError: `kernel` is unknown.

    >>> taps(1)
    (-1, (0.0, 1.0, 0.0, 0.0))
    """
    _check_names(kernel, "replicate")
    return first_tap(0, factor, 1, kernel), tuple(_lists(weights(factor, 1, range(1), kernel))[0])


def _to_codes(x: Tensor, levels: int) -> Tensor:
    return (x + 0.5).floor_().clamp_(0, levels)


def _check_names(kernel: str, border: str) -> None:
    if kernel not in HALF_SUPPORT:
        raise UsageError(f"unknown kernel {kernel!r}: expected one of {', '.join(HALF_SUPPORT)}")
    if border not in _BORDERS:
        raise UsageError(f"unknown border {border!r}: expected one of {', '.join(_BORDERS)}")


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
        raise ResizeShapeError(f"resample got shape {tuple(x.shape)}: expected 'b c h w' with h and w of at least 1")
    (h, w), (h2, w2) = x.shape[-2:], size
    if h2 < 1 or w2 < 1:
        raise ResizeShapeError(f"resample got size {h2}x{w2}: expected at least 1x1 pixels")
    # index(), here and below, makes an integer a constant for torch.compile.
    if scale is None:
        (ph, qh), (pw, qw) = _ratio(h, h2), _ratio(w, w2)
    else:
        ph, qh, pw, qw = (index(n) for f in scale for n in (f.numerator, f.denominator))
        if ph < 1 or pw < 1:
            raise ResizeShapeError(
                f"resample got scale {ph}/{qh}, {pw}/{qw}: expected factors above 0 (2 halves the size)"
            )
    if max(ph, qh, pw, qw) > _MAX_TERM:
        raise ResizeShapeError(
            f"resample got scale {ph}/{qh}, {pw}/{qw}: expected numerators and denominators of at most {_MAX_TERM}"
        )
    # Both passes work on the rows of a contiguous tensor, where slices and gathers are fast.
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
    if _has_long_rows(x, n, p, q, kernel):
        return _long_rows(x, n, p, q, kernel, border)
    return (_gathered_rows if q > _STRIDED_PHASES else _strided_rows)(x, n, p, q, kernel, border)


def _strided_rows(x: Tensor, n: int, p: int, q: int, kernel: Kernel, border: Border) -> Tensor:
    """Resample with few phases: the taps of a phase are strided slices, its weights are scalars."""
    table = _lists(weights(p, q, range(q), kernel))
    width, count = len(table[0]), -(-n // q)
    starts = [first_tap(f, p, q, kernel) for f in range(q)]
    low, high = starts[0], starts[-1] + width + p * (count - 1)
    positions = torch.arange(low, high, device=x.device)
    padded = x.index_select(-2, _fold(positions, x.shape[-2], border))
    parts = []
    for start, row in zip(starts, table, strict=True):
        total = None
        for k, weight in enumerate(row):
            if weight:
                begin = start - low + k
                tap = padded[..., begin : begin + p * (count - 1) + 1 : p, :] * weight
                total = tap if total is None else total.add_(tap)
        assert total is not None  # the weights of a phase sum to 1
        parts.append(total)
    return torch.stack(parts, -2).flatten(-3, -2)[..., :n, :]


def _gathered_rows(x: Tensor, n: int, p: int, q: int, kernel: Kernel, border: Border) -> Tensor:
    """Resample with many phases: one gather for each tap, for as many outputs as a block of weights has."""
    width, n = tap_count(p, q, kernel), index(n)
    step = max(1, BLOCK // width)
    repeats = min(n, q) <= step
    parts = []
    for begin in range(0, n, step):
        outputs = range(begin, min(begin + step, n))
        i = torch.arange(outputs.start, outputs.stop, device=x.device)
        first = first_tap(i, p, q, kernel)
        rows = weights(p, q, range(min(n, q)) if repeats else outputs, kernel)
        table = torch.tensor(rows, dtype=x.dtype, device=x.device)
        if repeats:
            table = table.index_select(0, i % q)
        total = None
        for k in range(width):
            tap = x.index_select(-2, _fold(first + k, x.shape[-2], border)).mul_(table[:, k, None])
            total = tap if total is None else total.add_(tap)
        assert total is not None
        parts.append(total)
    return parts[0] if len(parts) == 1 else torch.cat(parts, -2)


def _has_long_rows(x: Tensor, n: int, p: int, q: int, kernel: Kernel) -> bool:
    """Return whether an output has many taps and a tap few values, so that a loop over the taps would be slow."""
    if torch.compiler.is_compiling() or x.device.type != "cpu" or (x.requires_grad and torch.is_grad_enabled()):
        return False
    return tap_count(p, q, kernel) > _MANY_TAPS and n * (x.numel() // x.shape[-2]) < _FEW_VALUES


def _long_rows(x: Tensor, n: int, p: int, q: int, kernel: Kernel, border: Border) -> Tensor:
    """Resample to few outputs with many taps each: blocks of taps, summed in order as in the loops above."""
    source = x.detach().movedim(-2, 0).numpy()  # h b c w
    y = np.empty((n, *source.shape[1:]), source.dtype)
    for phase in range(min(n, q)):
        outputs = np.arange(phase, n, q)
        first = first_tap(outputs, p, q, kernel)
        total = np.empty((0, len(outputs), *source.shape[1:]), source.dtype)
        values = max(1, math.prod(total.shape[1:]))
        for start, row in row_blocks(p, q, phase, kernel):
            for begin in range(0, len(row), max(1, BLOCK // values)):
                part = row[begin : begin + max(1, BLOCK // values)]
                # as with strided slices: infinity times a weight of 0 is NaN
                taps = np.flatnonzero(part) if q <= _STRIDED_PHASES else np.arange(len(part))
                positions = torch.from_numpy(first + (start + begin + taps)[:, None])
                terms = source[_fold(positions, x.shape[-2], border).numpy()]
                with np.errstate(all="ignore"):  # as in torch
                    terms *= part[taps].astype(source.dtype).reshape(-1, *[1] * source.ndim)
                # NumPy defines the order of `accumulate`, but not that of `sum`
                with np.errstate(all="ignore"):
                    total = np.add.accumulate(np.concatenate([total, terms]))[-1:]
        y[phase::q] = total[0]
    return torch.from_numpy(y).movedim(0, -2).contiguous()


def _lists(table: list[list[float]] | npt.NDArray[np.float64]) -> list[list[float]]:
    return cast(list[list[float]], table.tolist()) if isinstance(table, np.ndarray) else table


def _fold(positions: Tensor, n: int, border: Border) -> Tensor:
    """Map positions outside the image to 0..n-1, at any distance."""
    if border == "replicate":
        return positions.clamp(0, n - 1)
    positions = positions.remainder(2 * n)
    return torch.minimum(positions, 2 * n - 1 - positions)
