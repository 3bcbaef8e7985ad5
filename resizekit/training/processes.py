"""Exchange numbers between the processes of a training: gradients, the loss, and decisions of the main process.

Each process computes the gradient of its share of a batch, and one message per step replaces gradients by their mean.
A wrapper of the module is not needed, so the stages of a curriculum, which share weights, can differ from step to step.
"""

import os
import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from resizekit.errors import ResizeKitError

__all__ = ["LostProcessError", "any_process", "average", "from_main", "launched_as_main"]


class LostProcessError(ResizeKitError):
    """Another process of the training has ended, so this one cannot continue."""


def average(accelerator: Any, tensors: Sequence[Tensor]) -> None:
    """Replace the values of tensors by their mean over all processes, in place.

    Args:
        accelerator: `Accelerator` of the training.
        tensors: Tensors with the same shapes in all processes.

    Raises:
        LostProcessError: If another process has ended.
    """
    if accelerator.num_processes == 1:
        return
    means = _reduce(accelerator, torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors]), "mean")
    parts = torch.split(means, [tensor.numel() for tensor in tensors])
    for tensor, mean in zip(tensors, parts, strict=True):
        tensor.detach().copy_(mean.view_as(tensor))


def from_main(accelerator: Any, value: int) -> int:
    """Return the value of the main process.

    Raises:
        LostProcessError: If another process has ended.
    """
    if accelerator.num_processes == 1:
        return value
    sent = int(value) if accelerator.is_main_process else 0
    return int(_reduce(accelerator, torch.tensor(sent, device=accelerator.device), "sum").item())


def any_process(accelerator: Any, flag: bool) -> bool:
    """Return whether the flag is set in at least one process.

    Raises:
        LostProcessError: If another process has ended.
    """
    if accelerator.num_processes == 1:
        return flag
    return bool(_reduce(accelerator, torch.tensor(int(flag), device=accelerator.device), "max").item())


def launched_as_main() -> bool:
    """Return whether this process is the only one, or the first of those that a launcher such as torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def _reduce(accelerator: Any, tensor: Tensor, kind: str) -> Tensor:
    try:
        reduced: Tensor = accelerator.reduce(tensor, kind)
        return reduced
    except RuntimeError as error:
        reason = re.sub(r"^\[\S+\] ", "", " ".join(str(error).split()))[:100]  # without the line of the source code
        raise LostProcessError(f"lost the connection to another process of the training ({reason})") from None
