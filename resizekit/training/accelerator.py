"""Choose the hardware of a training: device, precision and processes, and check that it can compile."""

import os
import shutil
import warnings
from typing import Any

import torch

from resizekit.errors import ConfigError, MissingExtraError
from resizekit.system.device import pick_device, pick_precision

__all__ = ["LaunchWarning", "check_compiler", "make_accelerator"]


class LaunchWarning(UserWarning):
    """A launcher started a single process, although it probably was asked for several."""


def make_accelerator(device: str, precision: str) -> Any:
    """Create the Hugging Face `Accelerator` of one training.

    Args:
        device: "auto", "cpu" or "cuda".
        precision: "auto", "float32" or "bfloat16".

    Raises:
        MissingExtraError: If accelerate is not installed.
        UsageError: If the device is not available.
    """
    try:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState
    except ImportError:
        raise MissingExtraError('training needs accelerate: pip install "resizekit[train]"') from None
    chosen = pick_device(device)
    bfloat16 = pick_precision(precision, chosen) == "bfloat16"
    AcceleratorState._reset_state()  # one process can run several trainings with different settings
    accelerator = Accelerator(cpu=chosen.type == "cpu", mixed_precision="bf16" if bfloat16 else "no")
    # `accelerate launch --cpu` ignores --num_processes without MPI; only it sets this variable
    if accelerator.num_processes == 1 and os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true"):
        warnings.warn(
            "accelerate launch --cpu started one process; to train with several, use "
            "torchrun --nproc_per_node N -m resizekit train ...",
            LaunchWarning,
            3,
        )
    return accelerator


def check_compiler(device: torch.device) -> None:
    """Check that a C++ compiler is installed if `torch.compile` targets the CPU.

    Without this check torch reports the missing compiler in about a hundred lines.

    Raises:
        ConfigError: If the device is a CPU and no compiler is found.
    """
    compilers = (os.environ.get("CXX", ""), "c++", "g++", "clang++")
    if device.type == "cpu" and not any(shutil.which(name) for name in compilers if name):
        raise ConfigError("train.compile needs a C++ compiler, but none was found: install g++ or set compile = false")
