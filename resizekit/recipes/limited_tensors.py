"""Refuse tensors that are too large, at the moment a network creates them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["LimitedTensors", "TensorTooLargeError"]


class TensorTooLargeError(Exception):
    """A tensor exceeds the limit."""


class LimitedTensors(TorchFunctionMode):
    """A context in which every new tensor has at most `limit` values.

    On the meta device, where tensors take no memory, it checks the sizes of networks before they are built.

    Args:
        limit: Maximum number of values.

    >>> import torch
    >>> with torch.device("meta"), LimitedTensors(100):
    ...     torch.zeros(10, 10).shape
    torch.Size([10, 10])
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the function, and check the tensor that it returns."""
        try:
            result = func(*args, **(kwargs or {}))
        except (RuntimeError, OverflowError, TypeError) as error:
            if "overflow" in str(error).lower():  # the number of bytes exceeds 64 bits
                raise TensorTooLargeError from None
            raise
        if isinstance(result, Tensor) and result.numel() > self.limit:
            raise TensorTooLargeError
        return result
