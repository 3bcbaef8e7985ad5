"""A call of an op for `resizekit bench --run`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

__all__ = ["TimingCase"]


@dataclass(frozen=True, kw_only=True)
class TimingCase:
    """A call of an op to time.

    >>> case = TimingCase(name="f32", inputs=lambda device: (torch.rand(8, device=device),))
    >>> case.inputs(torch.device("cpu"))[0].shape
    torch.Size([8])
    """

    name: str
    """Letters, digits, "_", "-" and "."."""
    inputs: Callable[[torch.device], tuple[Any, ...]]
    """Returns new positional arguments in new memory."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Named arguments."""
    exact: bool = True
    """Whether a kernel must give the bits of the reference."""
