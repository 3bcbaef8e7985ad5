"""The names of the precisions. This module does not import PyTorch, because manifests are read without it."""

from typing import Literal, get_args

__all__ = ["PRECISIONS", "Precision"]

Precision = Literal["float32", "winograd", "bfloat16", "float16"]
"""Data type in which the networks compute. "winograd" is float32 by Winograd's algorithm, whose last bits differ."""

PRECISIONS: tuple[str, ...] = get_args(Precision)
