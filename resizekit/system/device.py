"""Choose the device and precision of the computation."""

import importlib.util
from typing import Any, cast

import torch

from resizekit.errors import MissingExtraError, UsageError
from resizekit.system.precisions import PRECISIONS, Precision

__all__ = ["machine", "pick_device", "pick_precision"]


def pick_device(name: str = "auto") -> torch.device:
    """Convert a device name to a device.

    Args:
        name: "cpu", "cuda", "cuda:N", or "auto" for a GPU if there is one and the CPU otherwise.

    Raises:
        UsageError: If the name is unknown or the GPU is not available.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.split(":")[0] not in ("cpu", "cuda"):
        raise UsageError(f"device {name!r} is unknown; use auto, cpu or cuda")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"device {name!r} is unknown; use auto, cpu or cuda") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise UsageError(
            f"device {name!r} is not available: torch finds {count or 'no'} CUDA devices; use --device cpu "
            "(in Python: device='cpu')"
        )
    return device


def pick_precision(name: str, device: torch.device) -> Precision:
    """Convert a precision name to a precision.

    Args:
        name: A `Precision`, or "auto" for the fastest one: bfloat16 if the device has instructions for it, else
            winograd on a CPU if ncnn is installed, else float32.
        device: Device of the computation.

    Raises:
        UsageError: If the name is unknown, or the device is not a CPU and the precision is "winograd".
            Or if it is "int8", and the CPU has no instructions for sums of 8-bit products.
        MissingExtraError: If ncnn, which "winograd" needs, is not installed.
    """
    if name == "auto":
        if _multiplies_bfloat16(device):
            return "bfloat16"
        return "winograd" if _has_ncnn() and device.type == "cpu" else "float32"
    if name not in PRECISIONS:
        raise UsageError(f"precision {name!r} is unknown; use auto, {', '.join(PRECISIONS)}")
    if name == "winograd" and device.type != "cpu":
        raise UsageError(f"precision winograd is for CPUs, and the device is {device}; use bfloat16 or float16 there")
    if name == "int8" and not _multiplies_int8(device):
        raise UsageError(f"precision int8 needs a CPU with VNNI instructions, and {machine(device)} has none; use auto")
    if name == "winograd" and not _has_ncnn():
        raise MissingExtraError('precision winograd needs ncnn: pip install "resizekit[ncnn]"')
    return cast(Precision, name)


def machine(device: torch.device) -> str:
    """Describe the hardware of a device, such as "NVIDIA H200", without the name of the computer."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    capabilities = _cpu_capabilities()
    threads = torch.get_num_threads()
    return f"{capabilities.get('cpu_name') or 'CPU'}, {threads} thread{'s' if threads > 1 else ''}"


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = _cpu_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _multiplies_int8(device: torch.device) -> bool:
    capabilities = _cpu_capabilities()
    return device.type == "cpu" and any(capabilities.get(name) for name in ("avx512_vnni", "avx_vnni", "amx_int8"))


def _has_ncnn() -> bool:
    return importlib.util.find_spec("ncnn") is not None  # without importing it


def _cpu_capabilities() -> dict[str, Any]:
    get = getattr(torch.cpu, "get_capabilities", None)  # missing in older releases of torch
    capabilities: dict[str, Any] = get() if get is not None else {}
    return capabilities
