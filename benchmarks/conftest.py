"""Make pytest-benchmark record resizekit's description of the machine, and no raw times."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # the benchmarks share modules without being a package


def pytest_benchmark_generate_machine_info() -> dict[str, Any]:
    from results_file import machine_info

    return machine_info()


def pytest_benchmark_update_json(config: Any, benchmarks: Any, output_json: dict[str, Any]) -> None:
    for row in output_json["benchmarks"]:
        row["stats"].pop("data", None)
