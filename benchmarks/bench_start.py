"""Time the start of Python, of the import and of two commands, each in its own process."""

import subprocess
import sys
from typing import Any

import pytest


@pytest.mark.parametrize(
    "arguments",
    [["-c", "pass"], ["-c", "import resizekit"], ["-m", "resizekit", "--help"], ["-m", "resizekit", "tasks"]],
    ids=["python alone", "import resizekit", "resizekit --help", "resizekit tasks"],
)
def bench_start(benchmark: Any, arguments: list[str]) -> None:
    command = [sys.executable, *arguments]
    benchmark.pedantic(
        lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL),
        rounds=7,
        warmup_rounds=1,
    )
