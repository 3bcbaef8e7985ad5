"""The names of the precisions. This module does not import PyTorch, because manifests are read without it."""

from typing import Literal, get_args

__all__ = ["PRECISIONS", "Precision"]

Precision = Literal["float32", "winograd", "bfloat16", "float16", "int8"]
"""Data type in which the networks compute. "winograd" is float32 by Winograd's algorithm, whose last bits differ.
"int8" computes residual blocks on 8-bit integers, and the rest as "bfloat16" or "float32"."""

PRECISIONS: tuple[str, ...] = get_args(Precision)
