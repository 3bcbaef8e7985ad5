"""What is written down about the machine: enough to understand a figure, nothing that names anybody's computer."""

import json
import platform
from pathlib import Path
from typing import Any

import torch

__all__ = ["machine_info", "write_results"]


def machine_info() -> dict[str, Any]:
    """Tell processor, threads, GPU and versions."""
    ask = getattr(torch.cpu, "get_capabilities", dict)()
    return {
        "processor": ask.get("cpu_name", platform.processor()),
        "bfloat16": bool(ask.get("avx512_bf16") or ask.get("amx_bf16")),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def write_results(path: Path, told: dict[str, Any]) -> None:
    """Write results as JSON with the machine they come from, as pytest-benchmark does with its own."""
    text = json.dumps({"machine_info": machine_info()} | told, indent=2)
    path.write_text(text + "\n", encoding="utf-8")
