"""Do crops, batch and pictures fit the codec?  Asked before anything is written."""

import os
import shutil

import torch

from resizekit.errors import ConfigError
from resizekit.training.schedule import Part

__all__ = ["check_compiler", "check_part"]


def check_part(part: Part, processes: int) -> None:
    """Refuse crops that the factors do not divide, and a batch that the processes do not; `ConfigError`."""
    rows, columns = part.stage.codec.spec.s.numerator, part.stage.codec.spec.r.numerator
    if part.patch % rows or part.patch % columns:
        raise ConfigError(
            f"train.patch = {part.patch}: crops are divided by {rows} and {columns}; use a multiple of both"
        )
    if (
        part.batch % processes
    ):  # gradients are averaged over processes, so shares of other sizes would weigh differently
        words = f"train.batch = {part.batch} does not divide among {processes} processes; use a multiple of them"
        raise ConfigError(words)


def check_compiler(device: torch.device) -> None:
    """Refuse to compile for a CPU without a C++ compiler, which torch would say in a hundred lines; `ConfigError`."""
    compilers = (os.environ.get("CXX", ""), "c++", "g++", "clang++")
    if device.type == "cpu" and not any(shutil.which(name) for name in compilers if name):
        raise ConfigError("train.compile needs a C++ compiler here, and none is found: install g++, or leave it out")
