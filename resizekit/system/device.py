"""Where to compute and how precisely: the two choices that depend on the machine."""

from typing import Any, Literal

import torch

from resizekit.errors import UsageError

__all__ = ["Precision", "machine", "pick_device", "pick_precision"]

Precision = Literal["float32", "bfloat16"]
"""What the networks compute in."""


def pick_device(name: str = "auto") -> torch.device:
    """Turn "auto", "cpu" or "cuda" into a device; "auto" takes a GPU where there is one.

    Raises `UsageError` for any other name, and for "cuda" where there is none.
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
        seen = torch.cuda.device_count() or "no"
        raise UsageError(f"device {name!r}: torch sees {seen} CUDA device here; use --device cpu")
    return device


def pick_precision(name: str, device: torch.device) -> Precision:
    """Turn "auto", "float32" or "bfloat16" into a precision; "auto" takes bfloat16 where the hardware multiplies it."""
    if name == "auto":
        return "bfloat16" if _multiplies_bfloat16(device) else "float32"
    if name not in ("float32", "bfloat16"):
        raise UsageError(f"precision {name!r} is unknown; use auto, float32 or bfloat16")
    return "bfloat16" if name == "bfloat16" else "float32"


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    ask = getattr(torch.cpu, "get_capabilities", None)  # absent from older releases of torch
    able = ask() if ask is not None else {}
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def machine(device: torch.device) -> str:
    """Say in words what computes here, and nothing that names a computer."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    ask: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    threads = torch.get_num_threads()
    return f"{ask.get('cpu_name') or 'CPU'}, {threads} thread{'s' if threads > 1 else ''}"
