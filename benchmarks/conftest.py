"""What is written down about the machine: enough to understand a figure, nothing that names anybody's computer."""

import platform
import sys
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))  # the benchmarks share modules, and are no package


def pytest_benchmark_generate_machine_info() -> dict[str, Any]:
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


def pytest_benchmark_update_json(config: Any, benchmarks: Any, output_json: dict[str, Any]) -> None:
    for row in output_json["benchmarks"]:
        row["stats"].pop("data", None)
