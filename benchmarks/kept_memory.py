"""What it is worth on a CPU that freed memory stays with the process, as every verb of the command line has it.

    python benchmarks/kept_memory.py --out FILE

A picture of 1920x1080 goes down and up in processes of their own, with and without, in turn.  Seconds are the fastest
of all rounds; memory is the most that a process ever held.
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

weights, kept = sys.argv[1], sys.argv[2] == "kept"
assert not kept or keep_freed_memory()
codec = resizekit.load(weights)
high = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
seconds = {"down": [], "up": []}
for _ in range(3):
    start = time.perf_counter()
    low = tiled_down(codec, high)
    between = time.perf_counter()
    tiled_up(codec, low)
    seconds["down"].append(between - start)
    seconds["up"].append(time.perf_counter() - between)
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({way: min(found[1:]) for way, found in seconds.items()} | {"megabytes": most}))
"""


def study(
    out: Annotated[Path, typer.Option(help="The results, as JSON.")],
    weights: Annotated[str, typer.Option(help="Installed weights, with commas.")] = "sr-x2-fast,sr-x2,sr-x4",
    rounds: Annotated[int, typer.Option(min=1, help="Processes of each kind.")] = 2,
) -> None:
    """Time both ways of all weights, write JSON and print a table."""
    rows: list[dict[str, Any]] = []
    for name in weights.split(","):
        best: dict[str, dict[str, float]] = {"left": {}, "kept": {}}
        for _ in range(rounds):
            for kind, found in best.items():
                run = [sys.executable, "-c", CODE, name, kind]
                told = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
                found |= {key: min(value, found.get(key, value)) for key, value in told.items()}
        rounded = {kind: {key: round(value, 2) for key, value in found.items()} for kind, found in best.items()}
        rows.append({"weights": name} | rounded)
        write_results(out, {"rows": rows})
        typer.echo(str(rows[-1]), err=True)
    cells = [["weights", "way", "left", "kept", "times as fast", "MB left", "MB kept"]]
    for row in rows:
        for way in ("down", "up"):
            left, kept = row["left"], row["kept"]
            seconds = f"{left[way]:.2f}", f"{kept[way]:.2f}", f"{left[way] / kept[way]:.2f}"
            cells.append([row["weights"], way, *seconds, f"{left['megabytes']:.0f}", f"{kept['megabytes']:.0f}"])
    typer.echo(lines(cells))


if __name__ == "__main__":
    run_script(study)
