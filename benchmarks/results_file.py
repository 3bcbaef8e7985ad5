"""Write benchmark results as JSON with a description of the machine, without the name of the computer."""

import json
import platform
from pathlib import Path
from typing import Any

import torch

__all__ = ["machine_info", "write_results"]


def machine_info() -> dict[str, Any]:
    """Return processor, threads, GPU and versions."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return {
        "processor": capabilities.get("cpu_name", platform.processor()),
        "bfloat16": bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def write_results(path: Path, results: dict[str, Any]) -> None:
    """Write results as JSON together with `machine_info`, like pytest-benchmark."""
    text = json.dumps({"machine_info": machine_info()} | results, indent=2)
    path.write_text(text + "\n", encoding="utf-8")
