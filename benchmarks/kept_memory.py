"""Measure the effect of `keep_freed_memory` on a CPU, which all commands of the command line call.

    python benchmarks/kept_memory.py --out FILE

Down and up of a picture of 1920x1080 run in separate processes, alternately with and without the setting. Times are the
minimum over all rounds; memory is the maximum that a process used.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from numbers_table import lines
from results_file import write_results
from script import run_script

CODE = """
import json, resource, sys, time
import numpy as np
import resizekit
from resizekit.codec.tiling import tiled_down, tiled_up
from resizekit.system.malloc import keep_freed_memory

weights, keeps, precision = sys.argv[1], sys.argv[2] == "kept", sys.argv[3]
assert not keeps or keep_freed_memory()
codec = resizekit.load(weights, precision=precision)
high = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
seconds = {"down": [], "up": []}
for _ in range(3):
    start = time.perf_counter()
    low = tiled_down(codec, high)
    between = time.perf_counter()
    tiled_up(codec, low)
    seconds["down"].append(between - start)
    seconds["up"].append(time.perf_counter() - between)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({direction: min(times[1:]) for direction, times in seconds.items()} | {"megabytes": peak}))
"""


def study(
    out: Annotated[Path, typer.Option(help="JSON file of the results.")],
    weights: Annotated[
        str, typer.Option(help="Names of installed weights, separated by commas.")
    ] = "sr-x2-fast,sr-x2,sr-x4",
    rounds: Annotated[int, typer.Option(min=1, help="Number of processes with and without the setting.")] = 2,
    precision: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
) -> None:
    """Time down and up of all weights, write JSON and print a table."""
    rows: list[dict[str, Any]] = []
    for name in weights.split(","):
        best: dict[str, dict[str, float]] = {"left": {}, "kept": {}}
        for _ in range(rounds):
            for kind, minima in best.items():
                run = [sys.executable, "-c", CODE, name, kind, precision]
                measured = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
                minima |= {key: min(value, minima.get(key, value)) for key, value in measured.items()}
        rounded = {kind: {key: round(value, 2) for key, value in minima.items()} for kind, minima in best.items()}
        rows.append({"weights": name} | rounded)
        write_results(out, {"rows": rows})
        typer.echo(str(rows[-1]), err=True)
    cells = [["weights", "direction", "default, s", "kept, s", "speedup", "default, MB", "kept, MB"]]
    for row in rows:
        for direction in ("down", "up"):
            default, kept = row["left"], row["kept"]
            seconds = (
                f"{default[direction]:.2f}",
                f"{kept[direction]:.2f}",
                f"{default[direction] / kept[direction]:.2f}",
            )
            cells.append(
                [row["weights"], direction, *seconds, f"{default['megabytes']:.0f}", f"{kept['megabytes']:.0f}"]
            )
    typer.echo(lines(cells))


if __name__ == "__main__":
    run_script(study)
