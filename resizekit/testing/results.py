"""Compare the results of a kernel with those of its reference; every message gives the first difference."""

from typing import Any

import torch
from torch import Tensor

from resizekit.testing.memory import POISON

__all__ = ["TOLERANCE", "check_equal", "check_written", "dense", "named", "strides"]

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1.3e-6, torch.float16: 1e-3, torch.bfloat16: 1.6e-2}
"""Largest difference, as a fraction of `1 + |value|`, of a kernel that is not exact; integers are always exact."""


def named(result: Any) -> dict[str, Tensor]:
    """Return the tensors of a result by name; a single tensor is "the result".

    >>> list(named(torch.zeros(2)))
    ['the result']
    """
    if isinstance(result, Tensor):
        return {"the result": result}
    names = getattr(result, "_fields", None) or [f"result {i}" for i in range(len(result))]
    return dict(zip(names, result, strict=True))


def strides(result: Any) -> list[list[int]]:
    """Return the strides of each tensor without those of axes of length 1, which have no meaning."""
    return [
        [step for n, step in zip(x.shape, x.stride(), strict=True) if n > 1] if x.numel() else []
        for x in named(result).values()
    ]


def dense(x: Tensor) -> bool:
    """Return whether a tensor has no gaps and is in the order `b c h w` or `b h w c`."""
    return x.is_contiguous() or (x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last))


def check_equal(label: str, got: Any, expected: Any, *, exact: bool) -> None:
    """Check that dtypes, devices, shapes and values are equal; NaN equals NaN, and 0 equals -0.

    Args:
        label: Start of the message.
        got: Result of the kernel.
        expected: Result of the reference.
        exact: False: compare floats with `TOLERANCE`.

    Raises:
        AssertionError: Something differs.
    """
    assert type(got) is type(expected), (
        f"{label}: returned a {type(got).__name__}, the reference a {type(expected).__name__}"
    )
    if expected is None:
        return
    for (name, actual), reference in zip(named(got).items(), named(expected).values(), strict=True):
        for attribute in ("dtype", "device", "shape"):
            value, reference_value = getattr(actual, attribute), getattr(reference, attribute)
            assert value == reference_value, (
                f"{label}: the {attribute} of {name} is {value}, that of the reference {reference_value}"
            )
        same = (actual == reference) | ((actual != actual) & (reference != reference))
        if not exact and actual.is_floating_point():
            same |= (actual - reference).abs() <= TOLERANCE[actual.dtype] * (1 + reference.abs())
        if not same.all():
            position = _first(~same)
            where = f"{int((~same).sum())} of {same.numel()} elements, first at {position}"
            raise AssertionError(
                f"{label}: {name} differs in {where}: {actual[position].item()} instead of {reference[position].item()}"
            )


def check_written(label: str, got: Tensor | None, expected: Tensor | None) -> None:
    """Check that a result has no poison where the expected result has other values.

    Raises:
        AssertionError: The kernel did not write some elements.
    """
    if got is None or expected is None or (got.shape, got.dtype) != (expected.shape, expected.dtype) or not got.numel():
        return  # another rule reports this
    unwritten = (_bytes(got) == POISON).all(1) & (_bytes(expected) != POISON).any(1)
    if unwritten.any():
        unwritten = unwritten.reshape(got.shape)
        where = f"{int(unwritten.sum())} of {unwritten.numel()} elements, first at {_first(unwritten)}"
        raise AssertionError(f"{label} was not written in {where}, or holds the poison of the memory (bytes 0xFF)")


def _bytes(x: Tensor) -> Tensor:
    contiguous = x.detach().reshape(-1).clone(memory_format=torch.contiguous_format)
    return contiguous.view(torch.uint8).reshape(-1, x.element_size())


def _first(mask: Tensor) -> tuple[int, ...]:
    return tuple(mask.nonzero()[0].tolist())
