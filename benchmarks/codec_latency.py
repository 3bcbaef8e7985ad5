"""Time down and up of one picture, bytes to bytes, in each precision: eager, and as a CUDA graph on a GPU.

    python benchmarks/codec_latency.py --weights sr-x2 --weights tad-x2 --out latency.json

Everything takes turns in each round; compare ratios within one run. Times include the copies to the device and back.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from results_file import write_results
from script import run_script

import resizekit
from resizekit.errors import UsageError
from resizekit.system.precisions import PRECISIONS


def codecs(name: str, device: str) -> dict[str, resizekit.Codec]:
    """Return a codec for each precision of the device, and on a GPU a graphed one."""
    made = {}
    for precision in PRECISIONS:
        try:
            codec = resizekit.load(name, device=device, precision=precision)
        except UsageError as error:  # for other devices, or a package is missing
            typer.echo(f"{name} {precision}: left out; {error}")
            continue
        made[precision] = codec
        if codec.device.type == "cuda":
            made[f"{precision}, graph"] = codec.graphed()
    return made


def main(
    weights: Annotated[list[str], typer.Option(help="Weights; can be repeated.")],
    out: Annotated[Path, typer.Option(help="File for the results.")],
    size: Annotated[str, typer.Option(help="Size of the picture, WIDTHxHEIGHT.")] = "1920x1080",
    rounds: Annotated[int, typer.Option(help="Rounds of timing.")] = 20,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    resizekit.keep_freed_memory()
    width, height = map(int, size.split("x"))
    rows: list[dict[str, Any]] = []
    for name in weights:
        made = codecs(name, device)
        codec = made["float32"]
        shape = height // 4 * 4, width // 4 * 4, codec.channels
        high = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        low = codec.down(high)
        runs: dict[tuple[str, str], Callable[[], object]] = {}
        for how, one in made.items():
            runs[how, "down"], runs[how, "up"] = partial(one.down, high), partial(one.up, low)
        times: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
        for _ in range(rounds + 1):  # the first one compiles and records
            for key, run in runs.items():
                start = time.perf_counter()
                run()  # returns an array, so the device has finished
                times[key].append(1000 * (time.perf_counter() - start))
        for (how, direction), values in times.items():
            row = {"weights": name, "how": how, "direction": direction}
            row["milliseconds"] = round(statistics.median(values[1:]), 3)
            print(row, flush=True)
            rows.append(row)
    threads = torch.get_num_threads()
    write_results(out, {"size": size, "threads": threads, "rows": rows})


if __name__ == "__main__":
    run_script(main)
