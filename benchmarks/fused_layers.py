"""Measure what it saves to run a convolution with its ReLU or addition as one operation, on one thread of a CPU.

    python benchmarks/fused_layers.py

A residual block of 64 channels runs fused and with separate operations in turn, with and without kept memory. Times are
CPU times, the minimum over all rounds.
"""

import subprocess
import sys
import time
from contextlib import nullcontext
from typing import Annotated

import torch
import typer
from numbers_table import lines
from script import run_script
from torch.overrides import BaseTorchFunctionMode

import resizekit
from resizekit.nn import ResidualBlock

SIDES = (64, 128, 256)
CONTEXTS = {"separate": BaseTorchFunctionMode, "fused": nullcontext}
"""Fused operations do not run inside a function mode."""


def milliseconds(dtype: torch.dtype, side: int, rounds: int) -> dict[str, float]:
    block = ResidualBlock(64).eval().to(dtype).to(memory_format=torch.channels_last)
    x = torch.rand(1, 64, side, side).to(dtype, memory_format=torch.channels_last)
    best = dict.fromkeys(CONTEXTS, float("inf"))
    for _ in range(rounds):
        for name, context in CONTEXTS.items():
            with torch.inference_mode(), context():
                start = time.process_time()
                block(x)
                best[name] = min(best[name], 1000 * (time.process_time() - start))
    return best


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of timing.")] = 30,
    kept: Annotated[
        bool | None, typer.Option("--kept/--default", help="One setting of memory; by default both.")
    ] = None,
) -> None:
    """Print a table of times."""
    if kept is None:  # the setting belongs to a process and cannot be taken back
        for setting in ("--default", "--kept"):
            subprocess.run([sys.executable, __file__, setting, "--rounds", str(rounds)], check=True)
        return
    torch.set_num_threads(1)
    if kept:
        resizekit.keep_freed_memory()
    rows = [["memory", "precision", "side", *(f"{name}, ms" for name in CONTEXTS), "ratio"]]
    for dtype in (torch.float32, torch.bfloat16):
        for side in SIDES:
            best = milliseconds(dtype, side, rounds)
            ratio = best["separate"] / best["fused"]
            times = (f"{value:.2f}" for value in best.values())
            rows.append(["kept" if kept else "default", str(dtype)[6:], str(side), *times, f"{ratio:.2f}"])
    typer.echo(lines(rows))


if __name__ == "__main__":
    run_script(main)
