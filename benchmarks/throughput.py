"""Measure how many pixels one CPU core makes small and restores, files in memory included.

    OMP_NUM_THREADS=1 python benchmarks/throughput.py examples/astronaut.png

The times are CPU seconds of one thread, the least of all rounds, so that other work on the machine counts little. They
contain decoding the picture, the networks, and encoding the small file; and the same for the way back to a PNG.
"""

import time
from io import BytesIO
from pathlib import Path
from typing import Annotated

import torch
import typer
from PIL import Image
from script import run_script

import resizekit


def measure(
    picture: Annotated[Path, typer.Argument(help="A photograph; it is stored as a JPEG of quality 90 first.")],
    weights: Annotated[
        str, typer.Option(help="Names of installed weights, separated by commas.")
    ] = "sr-x2-fast,sr-x2,sr-x4,sr-x2-jpeg75",
    rounds: Annotated[int, typer.Option(min=1, help="Number of repetitions.")] = 5,
) -> None:
    """Print CPU seconds and bytes per megapixel of the original."""
    torch.set_num_threads(1)
    resizekit.keep_freed_memory()
    source = BytesIO()
    with Image.open(picture) as image:
        image.convert("RGB").save(source, "JPEG", quality=90)
        megapixels = image.width * image.height / 1e6
    print(f"{megapixels:.2f} megapixels, source {len(source.getvalue()) / megapixels / 1000:.0f} kB per megapixel")
    print("| weights | down, CPU s/megapixel | up, CPU s/megapixel | small file, kB/megapixel |\n|---|---|---|---|")
    for name in weights.split(","):
        codec = resizekit.load(name)
        small = resizekit.down_bytes(source.getvalue(), weights=codec)  # warm-up
        down, up = [], []
        for _ in range(rounds):
            start = time.process_time()
            small = resizekit.down_bytes(source.getvalue(), weights=codec)
            between = time.process_time()
            resizekit.up_file(small, BytesIO(), weights=codec)
            down.append(between - start)
            up.append(time.process_time() - between)
        seconds = (min(times) / megapixels for times in (down, up))
        print(f"| `{name}` | " + " | ".join(f"{s:.2f}" for s in seconds) + f" | {len(small) / megapixels / 1000:.0f} |")


if __name__ == "__main__":
    run_script(measure)
