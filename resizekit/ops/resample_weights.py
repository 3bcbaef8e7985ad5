"""Weights of the resampling kernels: arrays per phase, computed in blocks, so that memory does not grow with a factor.

With the factor p/q, output i and output i + q have the same weights, with taps that start p pixels apart. An axis
therefore has at most q different rows of weights, the phases.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["BLOCK", "HALF_SUPPORT", "Kernel", "first_tap", "row_blocks", "tap_count", "weights"]

Kernel = Literal["bicubic", "lanczos"]
_Index = TypeVar("_Index", int, Tensor, npt.NDArray[np.int64])
_Floats = npt.NDArray[np.float64]

HALF_SUPPORT = {"bicubic": 2, "lanczos": 3}
"""Half of the width of each kernel, in pixels of the coarser image."""
BLOCK = 2**18
"""Number of weights that are computed at once, and the maximum of a table in the cache: 2 MiB."""


def tap_count(p: int, q: int, kernel: Kernel) -> int:
    """Return the number of taps of each output, for the factor p/q."""
    return -(-2 * HALF_SUPPORT[kernel] * max(p, q) // q)


def first_tap(i: _Index, p: int, q: int, kernel: Kernel) -> _Index:
    """Return the first tap of output i, for the factor p/q; integers keep it exact."""
    return ((2 * i + 1) * p - q - 2 * HALF_SUPPORT[kernel] * max(p, q)) // (2 * q) + 1


def weights(p: int, q: int, outputs: range, kernel: Kernel) -> list[list[float]] | _Floats:
    """Return the normalized weights of consecutive outputs, read-only: `output tap`.

    Each weight has the bits of the formula in Python floats.
    """
    # torch.compile would trace into the cache, and turn arrays into tensors of its graph: it gets lists
    if torch.compiler.is_compiling():
        return _in_python(p, q, outputs, kernel)
    is_block = len(outputs) * tap_count(p, q, kernel) <= BLOCK
    return (_cached if is_block else _new)(p, q, outputs, kernel)


def row_blocks(p: int, q: int, output: int, kernel: Kernel) -> Iterator[tuple[int, _Floats]]:
    """Compute the weights of one output in blocks of consecutive taps: (index of the first tap, weights)."""
    total = _row_total(p, q, output, kernel)
    for taps in _blocks(p, q, kernel):
        yield taps.start, _values(p, q, range(output, output + 1), taps, kernel)[0] / total


def _new(p: int, q: int, outputs: range, kernel: Kernel) -> _Floats:
    values = _values(p, q, outputs, range(tap_count(p, q, kernel)), kernel)
    table: _Floats = values / np.array([[sum(row)] for row in values.tolist()])
    table.flags.writeable = False
    return table


_cached = lru_cache(maxsize=32)(_new)


@lru_cache(maxsize=4096)
def _row_total(p: int, q: int, output: int, kernel: Kernel) -> float:
    row = range(output, output + 1)
    values = (_values(p, q, row, taps, kernel)[0].tolist() for taps in _blocks(p, q, kernel))
    total: float = sum(chain.from_iterable(values))
    return total


def _blocks(p: int, q: int, kernel: Kernel) -> Iterator[range]:
    count = tap_count(p, q, kernel)
    return (range(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))


def _values(p: int, q: int, outputs: range, taps: range, kernel: Kernel) -> _Floats:
    """Compute the kernel at the distances of the taps, not normalized: `output tap`."""
    i = np.arange(outputs.start, outputs.stop, dtype=np.int64)[:, None]
    k = np.arange(taps.start, taps.stop, dtype=np.int64)
    distances = np.abs(2 * q * (first_tap(i, p, q, kernel) + k) - ((2 * i + 1) * p - q))
    if kernel == "bicubic":
        d = distances / (2 * max(p, q))
        return np.where(d <= 1, _keys_near(d), np.where(d < 2, _keys_far(d), 0.0))
    # the sines of NumPy have other last bits than those of Python
    lanczos = [_lanczos(distance, 2 * max(p, q)) for distance in distances.ravel().tolist()]
    return np.array(lanczos, np.float64).reshape(distances.shape)


def _in_python(p: int, q: int, outputs: range, kernel: Kernel) -> list[list[float]]:
    """Compute `weights` as lists, which a compiler folds to constants."""
    value = _keys if kernel == "bicubic" else _lanczos
    rows = []
    for i in outputs:
        first, centre = first_tap(i, p, q, kernel), (2 * i + 1) * p - q
        row = [value(abs(2 * q * (first + k) - centre), 2 * max(p, q)) for k in range(tap_count(p, q, kernel))]
        total = sum(row)
        rows.append([weight / total for weight in row])
    return rows


_Number = TypeVar("_Number", float, _Floats)


def _keys_near(d: _Number) -> _Number:
    return (1.5 * d - 2.5) * d * d + 1


def _keys_far(d: _Number) -> _Number:
    return ((-0.5 * d + 2.5) * d - 4) * d + 2


def _keys(numerator: int, denominator: int) -> float:
    d = numerator / denominator
    return _keys_near(d) if d <= 1 else _keys_far(d) if d < 2 else 0.0


def _lanczos(numerator: int, denominator: int) -> float:
    if numerator % denominator == 0 or numerator > 3 * denominator:  # exactly 0, unlike the computed sines
        return float(numerator == 0)
    d = math.pi * numerator / denominator
    return 3 * math.sin(d) * math.sin(d / 3) / (d * d)
