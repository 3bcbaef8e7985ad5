"""Find tensors with values that are not finite: NaN or infinity."""

import math
from collections.abc import Mapping

from torch import Tensor

__all__ = ["first_not_finite"]


def first_not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Return the name of the first tensor that contains NaN or infinity, or None if all values are finite.

    Args:
        tensors: Tensors of any shape and real type, by name.

    Examples:
        >>> import torch
        >>> first_not_finite({"a": torch.zeros(2), "b": torch.tensor([1.0, float("nan")])})
        'b'
    """
    return next((name for name, tensor in tensors.items() if not _is_finite(tensor)), None)


def _is_finite(tensor: Tensor) -> bool:
    """Read the extremes, which NaN replaces: twice as fast as `isfinite`, which writes a tensor of flags."""
    return not tensor.numel() or all(math.isfinite(extreme.item()) for extreme in tensor.aminmax())
