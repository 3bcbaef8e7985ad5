"""What a kernel gives, compared with what its reference gives; every message says where they part."""

from typing import Any

import torch
from torch import Tensor

from resizekit.testing.memory import POISON

__all__ = ["TOLERANCE", "check_equal", "check_written", "dense", "named", "strides"]

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1.3e-6, torch.float16: 1e-3, torch.bfloat16: 1.6e-2}
"""How far floats of a kernel that is not exact may be off, of `1 + |value|`; all else is exact."""


def named(result: Any) -> dict[str, Tensor]:
    """Give the tensors of a result by name; one tensor alone is "the result"."""
    if isinstance(result, Tensor):
        return {"the result": result}
    names = getattr(result, "_fields", None) or [f"result {i}" for i in range(len(result))]
    return dict(zip(names, result, strict=True))


def strides(result: Any) -> list[list[int]]:
    """Tell how each tensor lies in memory; where an axis has one place, its stride means nothing."""
    return [
        [step for n, step in zip(x.shape, x.stride(), strict=True) if n > 1] if x.numel() else []
        for x in named(result).values()
    ]


def dense(x: Tensor) -> bool:
    """Tell whether a tensor has no gaps and lies as `b c h w` or as `b h w c`."""
    return x.is_contiguous() or (x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last))


def check_equal(told: str, got: Any, wanted: Any, *, exact: bool) -> None:
    """Fail unless types, shapes and values agree; NaN equals NaN, and 0 equals -0."""
    assert type(got) is type(wanted), (
        f"{told}: a {type(got).__name__} where the reference has a {type(wanted).__name__}"
    )
    if wanted is None:
        return
    for (name, mine), theirs in zip(named(got).items(), named(wanted).values(), strict=True):
        for what in ("dtype", "device", "shape"):
            one, other = getattr(mine, what), getattr(theirs, what)
            assert one == other, f"{told}: the {what} of {name} is {one}, the reference's {other}"
        same = (mine == theirs) | ((mine != mine) & (theirs != theirs))
        if not exact and mine.is_floating_point():
            same |= (mine - theirs).abs() <= TOLERANCE[mine.dtype] * (1 + theirs.abs())
        if not same.all():
            at = _first(~same)
            where = f"{int((~same).sum())} of {same.numel()} elements, first at {at}"
            raise AssertionError(f"{told}: {name} differs in {where}: {mine[at].item()} instead of {theirs[at].item()}")


def check_written(told: str, got: Tensor | None, wanted: Tensor | None) -> None:
    """Fail if poison shows in a result where the reference has something else."""
    if got is None or wanted is None or (got.shape, got.dtype) != (wanted.shape, wanted.dtype) or not got.numel():
        return  # another law says so
    left = (_bytes(got) == POISON).all(1) & (_bytes(wanted) != POISON).any(1)
    if left.any():
        left = left.reshape(got.shape)
        where = f"{int(left.sum())} of {left.numel()} elements, first at {_first(left)}"
        raise AssertionError(f"{told} was not written in {where}, or got what memory held before (bytes 0xFF)")


def _bytes(x: Tensor) -> Tensor:
    dense = x.detach().reshape(-1).clone(memory_format=torch.contiguous_format)
    return dense.view(torch.uint8).reshape(-1, x.element_size())


def _first(found: Tensor) -> tuple[int, ...]:
    return tuple(found.nonzero()[0].tolist())
